//! A convolution on a tape, by one of the algorithms that compute it.

use super::graph::Graph;
use crate::{
    error::{Error, Result},
    kernels::{
        conv::{
            self,
            conv2d::{Conv2d, Epilogue, class_name},
        },
        desc::Variant,
        matmul,
        winograd::{self, Form, Tiles},
    },
    run::{Agreement, BufferId, Gpu, Job, Question, Tape, Words},
};
use std::ops::Range;

/// How a convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Every tap of every pixel: one dispatch of `conv2d`.
    Direct,
    /// One of Winograd's forms: transforms of input and weights, a product of matrices for each
    /// transformed value, a transform back.
    Winograd(Form),
}

/// Most bytes of transformed values of one dispatch: they should pass through the caches, not through
/// memory.
const WINOGRAD_BYTES: u64 = 8 << 20;
/// Channels below which the transforms cost more than they save.
const WINOGRAD_CHANNELS: u32 = 16;

/// The buffers of a convolution, in the order of `conv2d`'s bindings. Bindings that an epilogue leaves
/// out have stand-ins.
#[derive(Clone, Copy, Debug)]
pub struct ConvOperands {
    /// `[x_copies, N, H, W, C]`
    pub x: BufferId,
    /// `[copies, R, S, C, K]`
    pub w: BufferId,
    /// Flat buffer in which scales and shifts have offsets.
    pub affine: BufferId,
    /// Tensor that is added to the output, shaped like `y`.
    pub residual: BufferId,
    /// Sign bits of a ReLU that mask `x`, one per value.
    pub mask_in: BufferId,
    /// `[copies, N, H, W, K]`
    pub y: BufferId,
    /// Sign bits of the fused ReLU, one per value of `y`.
    pub mask_out: BufferId,
}

/// A convolution on a tape, with everything that is needed to compute it again elsewhere.
#[derive(Clone, Debug)]
pub struct Convolution {
    /// Network, layer and pass, for messages.
    pub name: String,
    /// Entries of the tape that compute it.
    pub entries: Range<usize>,
    /// Algorithm that these entries use.
    pub algorithm: Algorithm,
    /// Window, shapes and copies.
    pub conv: Conv2d,
    /// Operations that are fused with it.
    pub epilogue: Epilogue,
    /// Buffers that it reads and writes.
    pub operands: ConvOperands,
}

/// Whether this adapter has the variant of `conv2d` for few output channels, and tries it first: for up to 16 it took less
/// time than Winograd's forms (docs/benchmarks/README.md). Rows must be whole octets, because a layer with `ReLU` is computed by
/// another variant elsewhere.
fn is_narrow_here(gpu: &Gpu, conv: Conv2d) -> Result<bool> {
    let plan = conv::conv2d::plan(conv, Epilogue::default())?;
    let runs = |v: &&Variant| v.workgroups.iter().any(|&size| gpu.lacks(v, size).is_none());
    let first = gpu.variants(&plan).into_iter().find(runs);
    Ok(conv.y.w.is_multiple_of(8) && first.is_some_and(|variant| variant.name == "narrow8"))
}

/// The largest of Winograd's forms that the forward pass of a network may use. F(4x4, 3x3) puts the images of the deep
/// generators twice as far from the exact ones as F(2x2, 3x3) does (docs/numerics.md), and their forward
/// pass is a small part of a step beside the base network. Gradients may use both.
#[must_use]
pub fn largest_form(graph: &Graph) -> Form {
    if graph.makes_images() { Form::F2 } else { Form::F4 }
}

impl Algorithm {
    /// Name of this choice in `--kernel-variant convolution=NAME`.
    pub const SUBJECT: &str = "convolution";

    /// All algorithms.
    pub const ALL: [Self; 3] = [Self::Direct, Self::Winograd(Form::F2), Self::Winograd(Form::F4)];

    fn form(self) -> Option<Form> {
        match self {
            Self::Direct => None,
            Self::Winograd(form) => Some(form),
        }
    }

    /// Whether this algorithm can compute a convolution.
    #[must_use]
    pub fn fits(self, conv: Conv2d) -> bool {
        self.form().is_none_or(|form| form.fits(conv))
    }

    /// Whether this algorithm has no larger tiles than a form.
    #[must_use]
    pub fn is_within(self, largest: Form) -> bool {
        self.form().is_none_or(|form| form <= largest)
    }

    /// The algorithm that is fast on most adapters, if their bindings are large enough. [`Self::choose`] knows the
    /// adapter too.
    #[must_use]
    pub fn usual(conv: Conv2d) -> Self {
        Self::usual_within(conv, u64::MAX, Form::F4)
    }

    /// Whether this algorithm can compute a convolution with bindings of at most `bytes`: the
    /// transformed weights of all copies lie in one buffer.
    fn fits_within(self, conv: Conv2d, bytes: u64) -> bool {
        let needs = |form| winograd::weights::bytes(conv.weights(), form, conv.copies);
        self.fits(conv) && self.form().is_none_or(|form| needs(form) <= bytes)
    }

    fn usual_within(conv: Conv2d, bytes: u64, largest: Form) -> Self {
        if conv.x.c.min(conv.y.c) < WINOGRAD_CHANNELS {
            return Self::Direct;
        }
        // Multiplications per image and pair of channels. Tiles that reach past the edge count in
        // full.
        let products = |form: Form| {
            let tiles = |extent: u32| u64::from(extent.div_ceil(form.outputs()));
            tiles(conv.y.h) * tiles(conv.y.w) * u64::from(form.values())
        };
        let fits = [Form::F4, Form::F2]
            .into_iter()
            .filter(|&form| form <= largest && Self::Winograd(form).fits_within(conv, bytes));
        fits.min_by_key(|&form| products(form)).map_or(Self::Direct, Self::Winograd)
    }

    /// Its name in reports and in `--kernel-variant convolution=NAME`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Winograd(Form::F2) => "winograd",
            Self::Winograd(Form::F4) => "winograd4",
        }
    }

    /// Chooses the algorithm that the user prefers, that the run has recorded, or that was measured
    /// to be fast on this device; without measurements, the usual one. No form that has larger tiles than
    /// `largest`, and so rounds more, is chosen.
    ///
    /// # Errors
    /// A recorded choice cannot be kept, or the device failed.
    pub fn choose(gpu: &Gpu, conv: Conv2d, largest: Form) -> Result<Self> {
        let limits = gpu.limits();
        let bytes = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        let usual = Self::usual_within(conv, bytes, largest);
        if usual == Self::Direct {
            return Ok(Self::Direct);
        }
        let fits = |a: &Self| *a != usual && a.is_within(largest) && a.fits_within(conv, bytes);
        let others = Self::ALL.into_iter().filter(fits);
        let mut candidates: Vec<Self> = [usual].into_iter().chain(others).collect();
        if is_narrow_here(gpu, conv)? {
            // The first is the one that is taken without measurements. The sort keeps the order of the others.
            candidates.sort_by_key(|&a| a != Self::Direct);
        }
        let names: Vec<_> = candidates.iter().map(|a| a.name()).collect();
        let forms = candidates.iter().filter_map(|algorithm| algorithm.form());
        // F(4x4, 3x3) rounds the fractions in its transforms: its results for whole numbers are not exact.
        let exact = forms.clone().all(|form| form == Form::F2);
        let growth = forms.map(Form::growth).fold(1.0, f64::max);
        // A class stands for all numbers of copies up to a power of two, and the adapter may be able
        // to bind only some of them.
        let unlimited = Self::usual_within(conv, u64::MAX, largest);
        let limited = if usual == unlimited { "" } else { " of large weights" };
        let small = if largest == Form::F2 { " in small tiles" } else { "" };
        let class = class_name(conv) + limited + small;
        let question = Question {
            subject: Self::SUBJECT,
            class: &class,
            candidates: &names,
            kernels: &[
                &conv::conv2d::KERNEL,
                &matmul::KERNEL,
                &winograd::input::KERNEL,
                &winograd::output::KERNEL,
                &winograd::weights::KERNEL,
                &winograd::input::KERNEL4,
                &winograd::output::KERNEL4,
                &winograd::weights::KERNEL4,
            ],
            agreement: Agreement { exact, eps: f32::EPSILON.into(), growth },
            // The usual algorithm was measured on software adapters, in whole steps: a trial of a few
            // milliseconds says less there.
            measured: !gpu.report().is_software(),
        };
        let chosen = gpu.decide(&question, |name, size| {
            let mut conv = conv;
            while conv.flops() > size.flops || conv.operand_bytes() > size.bytes {
                let Some(half) = conv.half() else { break };
                conv = half;
            }
            Self::named(name).job(conv)
        })?;
        Ok(Self::named(chosen))
    }

    /// The algorithm with a name that [`Self::name`] gave.
    fn named(name: &str) -> Self {
        Self::ALL.into_iter().find(|a| a.name() == name).unwrap_or(Self::Direct)
    }

    /// The convolution alone, for a measurement.
    fn job(self, conv: Conv2d) -> Result<Job> {
        let mut tape = Tape::new();
        let plan = conv::conv2d::plan(conv, Epilogue::default())?;
        let ids: Vec<_> = plan.bytes.iter().map(|&bytes| tape.kept("operand", bytes)).collect();
        let [x, w, affine, residual, mask_in, y, mask_out] = ids[..] else {
            return Err(Error::Shape("conv2d has seven operands".into()));
        };
        let operands = ConvOperands { x, w, affine, residual, mask_in, y, mask_out };
        self.append(&mut tape, conv, Epilogue::default(), &operands)?;
        let (inputs, outputs) =
            (vec![(x, Words::Floats), (w, Words::Floats)], vec![(y, Words::Floats)]);
        Ok(Job { tape, inputs, outputs })
    }

    /// Appends the convolution to a tape.
    ///
    /// # Errors
    /// Shapes or buffers that do not fit, or a convolution that has no Winograd form.
    pub fn append(
        self,
        tape: &mut Tape,
        conv: Conv2d,
        epilogue: Epilogue,
        operands: &ConvOperands,
    ) -> Result<()> {
        match self {
            Self::Direct => {
                let ConvOperands { x, w, affine, residual, mask_in, y, mask_out } = *operands;
                let bound = [x, w, affine, residual, mask_in, y, mask_out];
                tape.push(conv::conv2d::plan(conv, epilogue)?, &bound)
            }
            Self::Winograd(form) => append_winograd(tape, conv, form, epilogue, operands),
        }
    }
}

fn append_winograd(
    tape: &mut Tape,
    conv: Conv2d,
    form: Form,
    epilogue: Epilogue,
    operands: &ConvOperands,
) -> Result<()> {
    let ConvOperands { x, w, affine, residual, mask_in, y, mask_out } = *operands;
    let (shape, copies) = (conv.weights(), conv.copies);
    let u = tape.transient("transformed weights", winograd::weights::bytes(shape, form, copies));
    tape.push(winograd::weights::plan(shape, form, copies, conv.transposed)?, &[w, u])?;
    for tiles in Tiles::cover(conv, form, WINOGRAD_BYTES)? {
        let v = tape.transient("transformed input", tiles.values(conv.x.c).bytes());
        let m = tape.transient("transformed sums", tiles.values(conv.y.c).bytes());
        let plan = winograd::input::plan(tiles, epilogue.mask_in)?;
        tape.push(plan, &[x, mask_in, v])?;
        tape.push(matmul::plan(tiles.product())?, &[v, u, m])?;
        let plan = winograd::output::plan(tiles, epilogue)?;
        tape.push(plan, &[m, affine, residual, y, mask_out])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Nhwc, Window};

    #[test]
    fn what_is_usual_multiplies_least() {
        let of = |h, w, c, stride| {
            let x = Nhwc::new(2, h, w, c);
            Algorithm::usual(Conv2d::forward(x, 64, Window::square(3, stride, 1)).unwrap()).name()
        };
        assert_eq!([of(32, 32, 64, 1), of(4, 4, 512, 1), of(5, 8, 16, 1)], ["winograd4"; 3]);
        // Row lengths that the larger tiles do not suit; tiles that would lie mostly outside the
        // image.
        assert_eq!([of(28, 28, 64, 1), of(2, 2, 64, 1), of(2, 8, 64, 1)], ["winograd"; 3]);
        assert_eq!([of(32, 32, 8, 1), of(32, 32, 64, 2), of(7, 7, 64, 1)], ["direct"; 3]);
        let small = Conv2d::forward(Nhwc::new(2, 32, 32, 64), 64, Window::square(3, 1, 1)).unwrap();
        assert_eq!(Algorithm::usual_within(small, u64::MAX, Form::F2).name(), "winograd");
        // Four copies of 36 MiB exceed 128 MiB; four of 16 MiB do not, nine do.
        let copies = |copies| {
            let x = Nhwc::new(1, 4, 4, 512);
            let conv = Conv2d::forward(x, 512, Window::square(3, 1, 1)).unwrap();
            Algorithm::usual_within(Conv2d { copies, ..conv }, 128 << 20, Form::F4).name()
        };
        assert_eq!([3, 4, 8, 9].map(copies), ["winograd4", "winograd", "winograd", "direct"]);
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::named(algorithm.name()), algorithm);
        }
    }
}
