//! Runs a network once on a user's tensors: outputs, losses and gradients. This is the interface
//! for comparisons with PyTorch; training runs the same EOPM tape.

mod base;
mod eopm;
mod generator;

pub use base::{BasePass, BaseRequest, base};
pub use eopm::{EopmPass, EopmRequest, eopm};
pub use generator::{GeneratorPass, GeneratorRequest, generator};

use crate::{
    error::{Error, Result},
    nn::{Cut, Graph, NodeValue, most_images},
    run::{BufferId, Gpu, Program, Tape},
    shape::{Nhwc, nchw_from_nhwc, nhwc_from_nchw},
};

/// Most bytes of a node's value, even where the adapter allows more: a batch of large images would
/// otherwise fill the memory.
const LARGEST: u64 = 256 << 20;

/// Images `[N, C, H, W]` in [-1, 1], in PyTorch's order (NCHW).
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    data: &'a [f32],
    shape: Nhwc,
}

impl<'a> Images<'a> {
    /// Images from a tensor of extents `shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless they are `[N, C, H, W]`, each at least 1, and `data` fills them.
    pub fn new(shape: &[usize], data: &'a [f32]) -> Result<Self> {
        let wrong = || Error::Shape(format!("images are [N, C, H, W], not {shape:?}"));
        let &[n, c, h, w] = shape else { return Err(wrong()) };
        let extent = |v: usize| u32::try_from(v).ok().filter(|&v| v > 0).ok_or_else(wrong);
        let nhwc = Nhwc::new(extent(n)?, extent(h)?, extent(w)?, extent(c)?).checked()?;
        if data.len() != n * c * h * w {
            return Err(wrong());
        }
        Ok(Self { data, shape: nhwc })
    }

    /// Number of images.
    pub fn n(self) -> u32 {
        self.shape.n
    }

    /// Channels, rows and columns of an image.
    pub fn chw(self) -> [u32; 3] {
        [self.shape.c, self.shape.h, self.shape.w]
    }

    /// Returns an error unless a network with this input `[C, H, W]` takes the images.
    fn fit(self, name: &str, chw: [u32; 3]) -> Result<()> {
        if chw == self.chw() {
            return Ok(());
        }
        // Channels are named where they differ.
        let words = |own: [u32; 3]| match chw[0] == self.shape.c {
            true => format!("{}x{}", own[1], own[2]),
            false => format!("{} channels of {}x{}", own[0], own[1], own[2]),
        };
        Err(Error::Shape(format!(
            "{name} takes images of {} pixels; these have {}",
            words(chw),
            words(self.chw())
        )))
    }
}

/// Some images of a batch.
#[derive(Clone, Copy, Debug)]
struct BatchSlice {
    first: u32,
    n: u32,
}

impl BatchSlice {
    /// This part of a tensor that has one row of `row` numbers per image.
    fn of<T>(self, data: &[T], row: usize) -> &[T] {
        &data[self.first as usize * row..][..self.n as usize * row]
    }
}

/// Cuts a batch of `n` into as few parts as let the values of every network's nodes fit one
/// binding. A part has at most `micro_batch` images if that is given; each network comes with its
/// number of copies.
fn parts(
    gpu: &Gpu,
    networks: &[(&Graph, u32)],
    n: u32,
    micro_batch: Option<u32>,
) -> Vec<BatchSlice> {
    let fits = most_images(gpu, networks, LARGEST);
    parts_of(&Cut::new(n, micro_batch.map_or(fits, |asked| fits.min(asked)), 1, 1))
}

/// The parts of a cut, one behind the other.
fn parts_of(cut: &Cut) -> Vec<BatchSlice> {
    let mut first = 0;
    let part = |&n: &u32| {
        first += n;
        BatchSlice { first: first - n, n }
    };
    cut.parts.iter().map(part).collect()
}

/// Images on a tape, one buffer per part.
#[derive(Clone, Debug)]
struct ImageBatch {
    shape: Nhwc,
    parts: Vec<(BatchSlice, BufferId)>,
}

impl ImageBatch {
    /// Declares a kept buffer for each part of a batch of this shape.
    fn kept(tape: &mut Tape, label: &str, shape: Nhwc, parts: &[BatchSlice]) -> Self {
        let buffer = |part: &BatchSlice| {
            let bytes = Nhwc { n: part.n, ..shape }.bytes();
            (*part, tape.kept(label, bytes))
        };
        Self { shape, parts: parts.iter().map(buffer).collect() }
    }

    fn values(&self) -> Vec<NodeValue> {
        let value = |&(part, id): &(BatchSlice, BufferId)| NodeValue {
            id,
            shape: Nhwc { n: part.n, ..self.shape },
            copies: 1,
        };
        self.parts.iter().map(value).collect()
    }

    fn ids(&self) -> Vec<BufferId> {
        self.parts.iter().map(|&(_, id)| id).collect()
    }

    /// Writes a tensor in PyTorch's order.
    fn write(&self, gpu: &Gpu, program: &Program, nchw: &[f32]) {
        let Nhwc { h, w, c, .. } = self.shape;
        for &(part, id) in &self.parts {
            let shape = Nhwc { n: part.n, ..self.shape };
            let data = part.of(nchw, (h * w * c) as usize);
            program.write(gpu, id, 0, &nhwc_from_nchw(data, shape, 0.0));
        }
    }

    /// Reads a tensor into PyTorch's order.
    fn read(&self, gpu: &Gpu, program: &Program) -> Result<Vec<f32>> {
        let mut nchw = Vec::new();
        for &(part, id) in &self.parts {
            let shape = Nhwc { n: part.n, ..self.shape };
            let padded: Vec<f32> = program.read(gpu, id)?;
            nchw.extend(nchw_from_nhwc(&padded[..shape.vec4s() as usize * 4], shape));
        }
        Ok(nchw)
    }
}

/// A scalar function of the output, whose gradient is wanted.
#[derive(Clone, Copy, Debug)]
pub enum OutputLoss<'a> {
    /// Mean cross-entropy with these classes, one per image.
    CrossEntropy(&'a [u32]),
    /// `sum(output * upstream)`; `upstream` has the size and order of the output.
    Upstream(&'a [f32]),
}

/// `sum(a * b)` in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// Name of the gradient of the images in messages.
const INPUT_GRADIENT: &str = "grad.input";

/// The loss, if it is not finite.
fn bad(loss: Option<f64>) -> Option<f32> {
    loss.filter(|loss| !loss.is_finite()).map(|loss| loss as f32)
}

/// Extents of images in PyTorch's order.
fn nchw(shape: Nhwc) -> [usize; 4] {
    [shape.n, shape.c, shape.h, shape.w].map(|extent| extent as usize)
}

/// Returns an error unless there are as many numbers as needed.
fn same_length(what: &str, has: usize, needs: usize) -> Result<()> {
    if has == needs {
        return Ok(());
    }
    Err(Error::Shape(format!("{what}: {has} numbers, expected {needs}")))
}

/// Appends a copy of a transient value to a buffer that outlives the run.
fn copy(tape: &mut Tape, value: NodeValue, to: BufferId) -> Result<()> {
    tape.copy(value.id, to, 0, Nhwc { n: value.shape.n * value.copies, ..value.shape }.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        let parts = parts_of(&Cut::new(10, 3, 1, 1));
        let data: Vec<u32> = (0..20).collect();
        let all: Vec<u32> = parts.iter().flat_map(|part| part.of(&data, 2)).copied().collect();
        assert!(all == data && parts.len() == 4);
    }

    #[test]
    fn images_of_any_size_are_images_and_a_network_takes_its_own() {
        let data = vec![0.0; 2 * 3 * 8 * 8];
        let images = Images::new(&[2, 3, 8, 8], &data).unwrap();
        assert_eq!((images.n(), images.chw()), (2, [3, 8, 8]));
        assert!(images.fit("net", [3, 8, 8]).is_ok());
        let error = images.fit("net", [3, 32, 32]).unwrap_err().to_string();
        assert_eq!(error, "net takes images of 32x32 pixels; these have 8x8");
        let error = images.fit("net", [1, 8, 8]).unwrap_err().to_string();
        assert_eq!(
            error,
            "net takes images of 1 channels of 8x8 pixels; these have 3 channels of 8x8"
        );
        for shape in [[2, 3, 4, 16], [2, 8, 8, 3], [2, 192, 1, 1]] {
            assert_eq!(Images::new(&shape, &data).unwrap().chw()[0] as usize, shape[1]);
        }
        for wrong in [
            &[3, 8, 8][..],
            &[0, 3, 8, 8],
            &[1, 3, 8, 8],
            &[2, 3, 8, 8, 1],
            &[],
            &[2, 3, 1 << 40, 1 << 40],
        ] {
            let error = Images::new(wrong, &data).unwrap_err();
            assert!(matches!(error, Error::Shape(_) | Error::TooManyElements { .. }), "{wrong:?}");
        }
    }
}
