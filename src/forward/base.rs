//! A base network on a user's images: logits, loss, gradient of the images.

use super::{Images, Loss, dot, keep, read_parts, same_length, write_parts};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    gpu::{Gpu, Program, Tape},
    nn::{Cut, FrozenNet, Graph, Mode, Value, fit},
    ops,
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
    /// Images that run together; by default as many as fit.
    pub micro_batch: Option<u32>,
}

/// What a base network made of images.
#[derive(Clone, Debug)]
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
    /// How the batch was cut to fit the adapter.
    pub cut: Cut,
}

/// Runs a base network (batch norm with its running statistics) on images.
///
/// # Errors
/// Shapes or labels that do not fit, a gradient without a loss, no memory, or the device failed.
pub fn base(gpu: &Gpu, request: &BaseRequest<'_>) -> Result<BasePass> {
    let BaseRequest { graph, weights, precision, faults, images, loss, .. } = *request;
    let (gradient, micro_batch) = (request.gradient, request.micro_batch);
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

    let make = if gradient { FrozenNet::new } else { FrozenNet::for_inference };
    let net = make(gpu, graph, weights, precision, 1)?;
    let injector = net.injector(gpu, u32::from(faults.is_none()), faults.map(|(f, _)| f))?;
    injector.run(gpu, &[faults.map_or(0, |(_, seed)| seed)])?;
    let flips = injector.flips(gpu)?.into_iter().next().unwrap_or_default();
    let mut pass =
        fit(gpu, shape.n, 1, &[(graph, 1)], micro_batch, |cut| run(gpu, request, &net, cut))?;
    pass.flips = flips;
    Ok(pass)
}

/// Part after part in one program: each takes the memory of the one before.
fn run(gpu: &Gpu, request: &BaseRequest<'_>, net: &FrozenNet, cut: &Cut) -> Result<BasePass> {
    let BaseRequest { graph, images, loss, gradient, .. } = *request;
    let n = images.shape.n;
    let [classes, ..] = graph.nodes[graph.output()].chw;
    let mut tape = Tape::new();
    let (x, labels) = images.parts(&mut tape, cut);
    let mode = if gradient { Mode::Frozen } else { Mode::Inference };
    let weights = tape.kept("loss weights", 4);
    let totals = tape.kept("loss totals", 8);
    let (mut logits, mut dlogits, mut dx) = (Vec::new(), Vec::new(), Vec::new());
    for (&x, &labels) in x.iter().zip(&labels) {
        let mut compiler = net.compiler(gpu, &mut tape, mode);
        let y = compiler.forward(&mut tape, x)?;
        logits.push(Value { id: keep(&mut tape, "logits", y)?, ..y });
        let dy = tape.kept("gradient of the logits", y.shape.bytes());
        dlogits.push(Value { id: dy, ..y });
        if let Some(Loss::CrossEntropy(_)) = loss {
            let plan = ops::softmax_cross_entropy::plan(1, x.shape.n, classes)?;
            let row_loss = tape.transient("losses", plan.bytes[4]);
            let correct = tape.transient("hits", plan.bytes[5]);
            tape.push(plan, &[y.id, labels, weights, dy, row_loss, correct])?;
            tape.push(ops::loss_totals::plan(1, x.shape.n)?, &[row_loss, correct, totals])?;
        }
        if gradient && let Some(id) = compiler.backward(&mut tape, dy, None, true)? {
            let value = Value { id, ..x };
            dx.push(Value { id: keep(&mut tape, "gradient", value)?, ..x });
        }
    }

    let program = Program::build(gpu, &tape)?;
    images.write(gpu, &program, &x);
    match loss {
        Some(Loss::CrossEntropy(classes)) => {
            let mut rest = classes;
            for (x, &id) in x.iter().zip(&labels) {
                let (own, others) = rest.split_at(x.shape.n as usize);
                program.write(gpu, id, 0, own);
                rest = others;
            }
            program.write(gpu, weights, 0, &[1.0 / n as f32]);
        }
        Some(Loss::Upstream(upstream)) => write_parts(gpu, &program, &dlogits, upstream),
        None => {}
    }
    program.run(gpu)?;

    let logits = read_parts(gpu, &program, &logits)?;
    let loss = match loss {
        None => None,
        Some(Loss::CrossEntropy(_)) => {
            let sum: Vec<f32> = program.read(gpu, totals)?;
            Some(f64::from(sum[0]) / f64::from(n))
        }
        Some(Loss::Upstream(upstream)) => Some(dot(&logits, upstream)),
    };
    let input_gradient = gradient.then(|| read_parts(gpu, &program, &dx)).transpose()?;
    let cut = cut.clone();
    Ok(BasePass { logits, classes, loss, input_gradient, flips: Vec::new(), cut })
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
