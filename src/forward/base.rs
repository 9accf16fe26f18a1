//! A base network on a user's images: logits, loss, gradient of the images.

use super::{Images, Loss, dot, keep, same_length};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    gpu::{Gpu, Program, Tape},
    nn::{FrozenNet, Graph, Mode, Value},
    ops,
    shape::{Nhwc, nchw_from_nhwc, nhwc_from_nchw, pad_channels, unpad_channels},
};

/// What to compute with a base network.
#[derive(Clone, Copy, Debug)]
pub struct BaseRequest<'a> {
    /// The network.
    pub graph: &'a Graph,
    /// Its weights.
    pub weights: &'a Weights,
    /// Bits per stored weight.
    pub precision: u32,
    /// Faults in the stored weights and the seed of their map.
    pub faults: Option<(Faults, u64)>,
    /// The images.
    pub images: Images<'a>,
    /// The loss, if one is wanted.
    pub loss: Option<Loss<'a>>,
    /// Whether to compute the gradient of the loss with respect to the images.
    pub gradient: bool,
}

/// What a base network made of images.
#[derive(Clone, Debug, Default)]
pub struct BasePass {
    /// Logits `[N, classes]`.
    pub logits: Vec<f32>,
    /// Classes.
    pub classes: u32,
    /// The loss that was asked for.
    pub loss: Option<f64>,
    /// Its gradient with respect to the images, `[N, 3, H, W]`.
    pub input_gradient: Option<Vec<f32>>,
    /// Bits that read differently, per faultable layer; all zero without faults.
    pub flips: Vec<Flips>,
}

/// Runs a base network (batch norm with its running statistics) on images.
///
/// # Errors
/// Shapes or labels that do not fit, a gradient without a loss, no memory, or the device failed.
pub fn base(gpu: &Gpu, request: &BaseRequest<'_>) -> Result<BasePass> {
    let BaseRequest { graph, weights, precision, faults, images, loss, gradient } = *request;
    images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    let shape = images.shape;
    let [classes, ..] = graph.nodes[graph.output()].chw;
    let outputs = shape.n as usize * classes as usize;
    match loss {
        None if gradient => return Err(Error::Shape("a gradient needs a loss".into())),
        Some(Loss::CrossEntropy(labels)) => check_labels(labels, shape.n, classes)?,
        Some(Loss::Upstream(upstream)) => same_length("upstream", upstream.len(), outputs)?,
        None => {}
    }

    let net = FrozenNet::new(gpu, graph, weights, precision, 1)?;
    let injector = net.injector(gpu, u32::from(faults.is_none()), faults.map(|(f, _)| f))?;
    injector.run(gpu, &[faults.map_or(0, |(_, seed)| seed)])?;

    let mut tape = Tape::new();
    let x = tape.kept("images", shape.bytes());
    let mode = if gradient { Mode::Frozen } else { Mode::Inference };
    let mut compiler = net.compiler(gpu, &mut tape, mode);
    let y = compiler.forward(&mut tape, Value { id: x, shape, copies: 1 })?;
    let logits = keep(&mut tape, "logits", y)?;
    let dlogits = tape.kept("gradient of the logits", y.shape.bytes());
    let labels = tape.kept("labels", u64::from(shape.n) * 4);
    let weights = tape.kept("loss weights", 4);
    let totals = tape.kept("loss totals", 8);
    if let Some(Loss::CrossEntropy(_)) = loss {
        let plan = ops::softmax_cross_entropy::plan(1, shape.n, classes)?;
        let row_loss = tape.transient("losses", plan.bytes[4]);
        let correct = tape.transient("hits", plan.bytes[5]);
        tape.push(plan, &[y.id, labels, weights, dlogits, row_loss, correct])?;
        tape.push(ops::loss_totals::plan(1, shape.n)?, &[row_loss, correct, totals])?;
    }
    let dx = if gradient { compiler.backward(&mut tape, dlogits, None, true)? } else { None };
    let dx =
        dx.map(|id| keep(&mut tape, "gradient", Value { id, shape, copies: 1 })).transpose()?;

    let program = Program::build(gpu, &tape)?;
    program.write(gpu, x, 0, &nhwc_from_nchw(images.data, shape, 0.0));
    match loss {
        Some(Loss::CrossEntropy(classes)) => {
            program.write(gpu, labels, 0, classes);
            program.write(gpu, weights, 0, &[1.0 / shape.n as f32]);
        }
        Some(Loss::Upstream(upstream)) => {
            program.write(gpu, dlogits, 0, &pad_channels(upstream, classes, 0.0));
        }
        None => {}
    }
    program.run(gpu)?;

    let rows = shape.n as usize * 4 * Nhwc::new(1, 1, 1, classes).c4() as usize;
    let logits = unpad_channels(&program.read::<f32>(gpu, logits)?[..rows], classes);
    let loss = match loss {
        None => None,
        Some(Loss::CrossEntropy(_)) => {
            let sum: Vec<f32> = program.read(gpu, totals)?;
            Some(f64::from(sum[0]) / f64::from(shape.n))
        }
        Some(Loss::Upstream(upstream)) => Some(dot(&logits, upstream)),
    };
    let read = |id| -> Result<Vec<f32>> { Ok(nchw_from_nhwc(&program.read(gpu, id)?, shape)) };
    let input_gradient = dx.map(read).transpose()?;
    let flips = injector.flips(gpu)?.into_iter().next().unwrap_or_default();
    Ok(BasePass { logits, classes, loss, input_gradient, flips })
}

/// One label an image, each a class.
pub(super) fn check_labels(labels: &[u32], n: u32, classes: u32) -> Result<()> {
    same_length("labels", labels.len(), n as usize)?;
    match labels.iter().position(|&label| label >= classes) {
        None => Ok(()),
        Some(i) => Err(Error::Shape(format!(
            "label {} of image {i} is no class: there are {classes}, counted from 0",
            labels[i]
        ))),
    }
}
