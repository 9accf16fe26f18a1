//! A generator on a user's images: `clamp(x + G(x), -1, 1)`, gradients, running statistics.

use super::{Images, dot, keep, read_parts, same_length, write_parts};
use crate::{
    error::{Error, Result},
    files::Weights,
    gpu::{BufferId, Gpu, Program, Tape},
    models::GENERATOR_BITS,
    nn::{Compiler, Cut, FrozenNet, Graph, Mode, TrainableNet, Value, fit},
    ops,
};

/// What to compute with a generator.
#[derive(Clone, Copy, Debug)]
pub struct GeneratorRequest<'a> {
    /// The generator.
    pub graph: &'a Graph,
    /// Its weights.
    pub weights: &'a Weights,
    /// Batch norm with the statistics of these images, as in training; else with the running ones.
    pub training: bool,
    /// The images.
    pub images: Images<'a>,
    /// The loss is `sum(output * upstream)`; `[N, 3, H, W]`.
    pub upstream: Option<&'a [f32]>,
    /// Whether to compute gradients of the loss.
    pub gradient: bool,
    /// Images that run together; by default as many as fit.
    pub micro_batch: Option<u32>,
}

/// What a generator made of images.
#[derive(Clone, Debug)]
pub struct GeneratorPass {
    /// `clamp(x + G(x), -1, 1)`, `[N, 3, H, W]`.
    pub images: Vec<f32>,
    /// The loss, where there was an upstream.
    pub loss: Option<f64>,
    /// Its gradient with respect to the images: along `x` and through `G`.
    pub input_gradient: Option<Vec<f32>>,
    /// In training its gradient with respect to every parameter, by name.
    pub gradients: Option<Weights>,
    /// In training the running statistics after this pass, by name.
    pub after: Option<Weights>,
    /// How the batch was cut to fit the adapter.
    pub cut: Cut,
}

/// Runs a generator on images.
///
/// # Errors
/// Shapes that do not fit, a gradient without an upstream, no memory, or the device failed.
pub fn generator(gpu: &Gpu, request: &GeneratorRequest<'_>) -> Result<GeneratorPass> {
    let GeneratorRequest { graph, weights, training, images, upstream, gradient, .. } = *request;
    images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    match upstream {
        Some(upstream) => same_length("upstream", upstream.len(), images.data.len())?,
        None if gradient => return Err(Error::Shape("a gradient needs an upstream".into())),
        None => {}
    }
    let nets = [(graph, 1)];
    if training {
        let net = TrainableNet::new(gpu, graph, weights, GENERATOR_BITS)?;
        let mut pass = fit(gpu, images.n(), 1, &nets, request.micro_batch, |cut| {
            let mut tape = Tape::new();
            let gradients = tape.import("gradients", &net.gradients);
            let (x, _) = images.parts(&mut tape, cut);
            let compiler = net.compiler(gpu, &mut tape)?;
            // All parts at once: batch norm needs the statistics of the whole batch.
            let parts = push(&mut tape, compiler, &x, gradient, Some(gradients))?;
            run(gpu, &tape, request, &parts, cut)
        })?;
        if gradient {
            pass.gradients = Some(net.named(&net.gradients.read::<f32>(gpu)?));
        }
        let mut after = net.weights(gpu)?;
        after.tensors.retain(|name, _| is_running(graph, name));
        pass.after = Some(after);
        return Ok(pass);
    }
    let make = if gradient { FrozenNet::new } else { FrozenNet::for_inference };
    let mode = if gradient { Mode::Frozen } else { Mode::Inference };
    let net = make(gpu, graph, weights, GENERATOR_BITS, 1)?;
    net.injector(gpu, 1, None)?.run(gpu, &[0])?;
    fit(gpu, images.n(), 1, &nets, request.micro_batch, |cut| {
        let mut tape = Tape::new();
        let (x, _) = images.parts(&mut tape, cut);
        let mut parts = Vec::new();
        for x in x.chunks(1) {
            let compiler = net.compiler(gpu, &mut tape, mode);
            parts.extend(push(&mut tape, compiler, x, gradient, None)?);
        }
        run(gpu, &tape, request, &parts, cut)
    })
}

/// What the host writes and reads of one part.
#[derive(Clone, Copy)]
struct Part {
    x: Value,
    y: Value,
    dy: Value,
    dx: Option<Value>,
}

/// Appends forward, and backward if the `gradient` is wanted.
fn push(
    tape: &mut Tape,
    mut compiler: Compiler<'_>,
    images: &[Value],
    gradient: bool,
    gradients: Option<BufferId>,
) -> Result<Vec<Part>> {
    let g = compiler.forward_parts(tape, images)?;
    let mut parts = Vec::new();
    for (&x, g) in images.iter().zip(&g) {
        let mut kept = |label: &str| Value { id: tape.kept(label, x.shape.bytes()), ..x };
        let (y, dy) = (kept("protected images"), kept("upstream"));
        tape.push(ops::fuse_clamp::plan(x.shape)?, &[x.id, g.id, y.id])?;
        parts.push(Part { x, y, dy, dx: None });
    }
    if !gradient {
        return Ok(parts);
    }
    let mut dg = Vec::new();
    for (Part { x, dy, .. }, g) in parts.iter().zip(&g) {
        let masked = tape.transient("gradient of G", x.shape.bytes());
        tape.push(ops::fuse_clamp_grad::plan(x.shape)?, &[dy.id, x.id, g.id, masked])?;
        dg.push(masked);
    }
    let through = compiler.backward_parts(tape, &dg, gradients, true)?;
    for (i, part) in parts.iter_mut().enumerate() {
        let shape = part.x.shape;
        // x reaches the output directly and through G; a learned image knows no x.
        let id = match &through {
            Some(through) => {
                let sum = tape.kept("gradient", shape.bytes());
                tape.push(ops::add::plan(shape)?, &[dg[i], through[i], sum])?;
                sum
            }
            None => keep(tape, "gradient", Value { id: dg[i], ..part.x })?,
        };
        part.dx = Some(Value { id, ..part.x });
    }
    Ok(parts)
}

fn run(
    gpu: &Gpu,
    tape: &Tape,
    request: &GeneratorRequest<'_>,
    parts: &[Part],
    cut: &Cut,
) -> Result<GeneratorPass> {
    let program = Program::build(gpu, tape)?;
    let all = |of: fn(&Part) -> Option<Value>| parts.iter().filter_map(of).collect::<Vec<_>>();
    request.images.write(gpu, &program, &all(|part| Some(part.x)));
    if let Some(upstream) = request.upstream {
        write_parts(gpu, &program, &all(|part| Some(part.dy)), upstream);
    }
    program.run(gpu)?;
    let images = read_parts(gpu, &program, &all(|part| Some(part.y)))?;
    let loss = request.upstream.map(|upstream| dot(&images, upstream));
    let dx = request.gradient.then(|| read_parts(gpu, &program, &all(|part| part.dx)));
    let (input_gradient, cut) = (dx.transpose()?, cut.clone());
    Ok(GeneratorPass { images, loss, input_gradient, gradients: None, after: None, cut })
}

fn is_running(graph: &Graph, name: &str) -> bool {
    let mut running = graph.norms.iter().flat_map(|n| [n.mean(), n.var()]);
    running.any(|param| graph.params[param].name == name)
}
