//! A generator on a user's images: `clamp(x + G(x), -1, 1)`, gradients, running statistics.

use super::{Images, dot, keep, same_length};
use crate::{
    error::{Error, Result},
    files::Weights,
    gpu::{BufferId, Gpu, Program, Tape},
    models::GENERATOR_BITS,
    nn::{Compiler, FrozenNet, Graph, Mode, TrainableNet, Value},
    ops,
    shape::{nchw_from_nhwc, nhwc_from_nchw},
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
}

/// What a generator made of images.
#[derive(Clone, Debug, Default)]
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
}

/// Runs a generator on images.
///
/// # Errors
/// Shapes that do not fit, a gradient without an upstream, no memory, or the device failed.
pub fn generator(gpu: &Gpu, request: &GeneratorRequest<'_>) -> Result<GeneratorPass> {
    let GeneratorRequest { graph, weights, training, images, upstream, gradient } = *request;
    images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    match upstream {
        Some(upstream) => same_length("upstream", upstream.len(), images.data.len())?,
        None if gradient => return Err(Error::Shape("a gradient needs an upstream".into())),
        None => {}
    }
    let mut tape = Tape::new();
    if training {
        let net = TrainableNet::new(gpu, graph, weights, GENERATOR_BITS)?;
        let gradients = tape.import("gradients", &net.gradients);
        let compiler = net.compiler(gpu, &mut tape)?;
        let mut pass = run(gpu, request, compiler, tape, Some(gradients))?;
        if gradient {
            pass.gradients = Some(net.named(&net.gradients.read::<f32>(gpu)?));
        }
        let mut after = net.weights(gpu)?;
        after.tensors.retain(|name, _| is_running(graph, name));
        pass.after = Some(after);
        Ok(pass)
    } else {
        let net = FrozenNet::new(gpu, graph, weights, GENERATOR_BITS, 1)?;
        net.injector(gpu, 1, None)?.run(gpu, &[0])?;
        let mode = if gradient { Mode::Frozen } else { Mode::Inference };
        let compiler = net.compiler(gpu, &mut tape, mode);
        run(gpu, request, compiler, tape, None)
    }
}

fn run(
    gpu: &Gpu,
    request: &GeneratorRequest<'_>,
    mut compiler: Compiler<'_>,
    mut tape: Tape,
    gradients: Option<BufferId>,
) -> Result<GeneratorPass> {
    let shape = request.images.shape;
    let value = |id| Value { id, shape, copies: 1 };
    let x = tape.kept("images", shape.bytes());
    let y = tape.kept("protected images", shape.bytes());
    let dy = tape.kept("upstream", shape.bytes());
    let g = compiler.forward(&mut tape, value(x))?;
    tape.push(ops::fuse_clamp::plan(shape)?, &[x, g.id, y])?;
    let mut dx = None;
    if request.gradient {
        // x reaches the output directly and through G.
        let dg = tape.transient("gradient of G", shape.bytes());
        tape.push(ops::fuse_clamp_grad::plan(shape)?, &[dy, x, g.id, dg])?;
        let direct = keep(&mut tape, "gradient along x", value(dg))?;
        let through = compiler.backward(&mut tape, dg, gradients, true)?;
        dx = Some(match through {
            None => direct,
            Some(id) => {
                let sum = tape.kept("gradient", shape.bytes());
                tape.push(ops::add::plan(shape)?, &[direct, id, sum])?;
                sum
            }
        });
    }
    let program = Program::build(gpu, &tape)?;
    program.write(gpu, x, 0, &nhwc_from_nchw(request.images.data, shape, 0.0));
    if let Some(upstream) = request.upstream {
        program.write(gpu, dy, 0, &nhwc_from_nchw(upstream, shape, 0.0));
    }
    program.run(gpu)?;
    let read = |id| -> Result<Vec<f32>> { Ok(nchw_from_nhwc(&program.read(gpu, id)?, shape)) };
    let images = read(y)?;
    let loss = request.upstream.map(|upstream| dot(&images, upstream));
    let input_gradient = dx.map(read).transpose()?;
    Ok(GeneratorPass { images, loss, input_gradient, gradients: None, after: None })
}

fn is_running(graph: &Graph, name: &str) -> bool {
    let mut running = graph.norms.iter().flat_map(|n| [n.mean(), n.var()]);
    running.any(|param| graph.params[param].name == name)
}
