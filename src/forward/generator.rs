//! A generator on a user's images: `clamp(x + G(x), -1, 1)`, gradients, running statistics.

use super::{
    BatchSlice, INPUT_GRADIENT, ImageBatch, Images, bad, copy, dot, nchw, parts, same_length,
};
use crate::{
    error::{Error, Result},
    files::Weights,
    kernels::elementwise,
    models::GENERATOR_BITS,
    nn::{
        Compiler, FrozenNet, Graph, Mode, NodeValue, TrainableNet, check_finite, first_not_finite,
    },
    run::{BufferId, Gpu, Program, Tape},
    shape::Nhwc,
};

/// What to compute with a generator.
#[derive(Clone, Copy, Debug)]
pub struct GeneratorRequest<'a> {
    /// The generator.
    pub graph: &'a Graph,
    pub weights: &'a Weights,
    /// Whether batch norm uses the statistics of these images, as in training, or the running ones.
    pub training: bool,
    pub images: Images<'a>,
    /// `[N, C, H, W]`: the loss is `sum(output * upstream)`.
    pub upstream: Option<&'a [f32]>,
    /// Whether to compute gradients of the loss.
    pub gradient: bool,
    /// Most images that are computed at once; by default as many as fit one binding of the adapter.
    /// The result is the same: batch norm in training uses the statistics of the whole batch.
    pub micro_batch: Option<u32>,
}

/// What a generator made of images.
#[derive(Clone, Debug, Default)]
pub struct GeneratorPass {
    /// `clamp(x + G(x), -1, 1)`, `[N, C, H, W]`.
    pub images: Vec<f32>,
    /// The loss, if an upstream was given.
    pub loss: Option<f64>,
    /// Gradient of the loss with respect to the images: along `x` and through `G`.
    pub input_gradient: Option<Vec<f32>>,
    /// In training, gradient of the loss with respect to every parameter, by name.
    pub gradients: Option<Weights>,
    /// In training, the running statistics after this pass, by name.
    pub after: Option<Weights>,
}

/// Runs a generator on images.
///
/// # Errors
/// Shapes that do not fit, a gradient without an upstream, no memory, the device failed, or
/// [`Error::NotFiniteOutput`].
pub fn generator(gpu: &Gpu, request: &GeneratorRequest<'_>) -> Result<GeneratorPass> {
    let GeneratorRequest { graph, weights, training, images, upstream, gradient, .. } = *request;
    images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    match upstream {
        Some(upstream) => same_length("upstream", upstream.len(), images.data.len())?,
        None if gradient => return Err(Error::Shape("a gradient needs an upstream".into())),
        None => {}
    }
    let parts = parts(gpu, &[(graph, 1)], images.n(), request.micro_batch);
    let mut tape = Tape::new();
    let buffers = Buffers::kept(&mut tape, images.shape, &parts);
    if training {
        let net = TrainableNet::new(gpu, graph, weights, GENERATOR_BITS)?;
        let gradients = tape.import("gradients", &net.gradients);
        let compiler = net.compiler(gpu, &mut tape)?;
        // All parts at once: batch norm needs the statistics of the whole batch.
        push(&mut tape, compiler, &buffers.whole(), gradient, Some(gradients))?;
        run(gpu, &tape, request, &buffers, Some(&net))
    } else {
        let (net, mode) = if gradient {
            (FrozenNet::new(gpu, graph, weights, GENERATOR_BITS, 1)?, Mode::Frozen)
        } else {
            (FrozenNet::for_inference(gpu, graph, weights, GENERATOR_BITS, 1)?, Mode::Inference)
        };
        net.injector(gpu, 1, None)?.run(gpu, &[0])?;
        for buffers in buffers.whole().chunks(1) {
            let compiler = net.compiler(gpu, &mut tape, mode);
            push(&mut tape, compiler, buffers, gradient, None)?;
        }
        run(gpu, &tape, request, &buffers, None)
    }
}

/// Buffers that the host writes and reads.
struct Buffers {
    x: ImageBatch,
    y: ImageBatch,
    dy: ImageBatch,
    dx: ImageBatch,
}

/// Buffers of one part of the batch.
#[derive(Clone, Copy)]
struct OfPart {
    x: NodeValue,
    y: BufferId,
    dy: BufferId,
    dx: BufferId,
}

impl Buffers {
    fn kept(tape: &mut Tape, shape: Nhwc, parts: &[BatchSlice]) -> Self {
        let mut batch = |label: &str| ImageBatch::kept(tape, label, shape, parts);
        let (x, y) = (batch("images"), batch("protected images"));
        Self { x, y, dy: batch("upstream"), dx: batch("gradient") }
    }

    fn whole(&self) -> Vec<OfPart> {
        let others = self.y.ids().into_iter().zip(self.dy.ids()).zip(self.dx.ids());
        let of_part = |(x, ((y, dy), dx))| OfPart { x, y, dy, dx };
        self.x.values().into_iter().zip(others).map(of_part).collect()
    }
}

/// Appends the forward pass, and the backward pass if the `gradient` is wanted.
fn push(
    tape: &mut Tape,
    mut compiler: Compiler<'_>,
    parts: &[OfPart],
    gradient: bool,
    gradients: Option<BufferId>,
) -> Result<()> {
    let images: Vec<NodeValue> = parts.iter().map(|part| part.x).collect();
    let g = compiler.forward_parts(tape, &images)?;
    for (part, g) in parts.iter().zip(&g) {
        tape.push(elementwise::fuse_clamp::plan(part.x.shape)?, &[part.x.id, g.id, part.y])?;
    }
    if !gradient {
        return Ok(());
    }
    let mut dg = Vec::new();
    for (part, g) in parts.iter().zip(&g) {
        let shape = part.x.shape;
        let masked = tape.transient("gradient of G", shape.bytes());
        tape.push(elementwise::fuse_clamp::plan_grad(shape)?, &[part.dy, part.x.id, g.id, masked])?;
        dg.push(masked);
    }
    let through = compiler.backward_parts(tape, &dg, gradients, true)?;
    for (i, part) in parts.iter().enumerate() {
        // x reaches the output directly and through G; a learned image does not depend on x.
        match &through {
            Some(through) => {
                tape.push(elementwise::add::plan(part.x.shape)?, &[dg[i], through[i], part.dx])?;
            }
            None => copy(tape, NodeValue { id: dg[i], ..part.x }, part.dx)?,
        }
    }
    Ok(())
}

fn run(
    gpu: &Gpu,
    tape: &Tape,
    request: &GeneratorRequest<'_>,
    buffers: &Buffers,
    trained: Option<&TrainableNet>,
) -> Result<GeneratorPass> {
    let GeneratorRequest { graph, gradient, upstream, .. } = *request;
    let program = Program::build(gpu, tape)?;
    buffers.x.write(gpu, &program, request.images.data);
    if let Some(upstream) = upstream {
        buffers.dy.write(gpu, &program, upstream);
    }
    program.run(gpu)?;
    let images = buffers.y.read(gpu, &program)?;
    let loss = upstream.map(|upstream| dot(&images, upstream));
    let dx = gradient.then(|| buffers.dx.read(gpu, &program));
    let input_gradient = dx.transpose()?;
    let of_parameters = |net: &TrainableNet| Ok(net.named(&net.gradients.read::<f32>(gpu)?));
    let gradients = trained.filter(|_| gradient).map(of_parameters).transpose()?;
    let running = |net: &TrainableNet| -> Result<Weights> {
        let mut after = net.weights(gpu)?;
        after.tensors.retain(|name, _| is_running(graph, name));
        Ok(after)
    };
    let after = trained.map(running).transpose()?;

    let place = || first_not_finite(gpu, &program, program.entries());
    let check = |what: &str, shape: &[usize], data: &[f32]| {
        check_finite([&graph.name, what], shape, data, place)
    };
    let shape = nchw(request.images.shape);
    check("images", &shape, &images)?;
    check("the loss", &[], bad(loss).as_slice())?;
    check(INPUT_GRADIENT, &shape, input_gradient.as_deref().unwrap_or(&[]))?;
    for (kind, weights) in [("grad", &gradients), ("after", &after)] {
        for (name, tensor) in weights.iter().flat_map(|weights| &weights.tensors) {
            check(&format!("{kind}.{name}"), &tensor.shape, &tensor.data)?;
        }
    }
    Ok(GeneratorPass { images, loss, input_gradient, gradients, after })
}

fn is_running(graph: &Graph, name: &str) -> bool {
    let mut running = graph.norms.iter().flat_map(|n| [n.mean(), n.var()]);
    running.any(|param| graph.params[param].name == name)
}
