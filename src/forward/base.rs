//! A base network on a user's images: logits, loss, gradient of the images.

use super::{
    INPUT_GRADIENT, ImageBatch, Images, OutputLoss, bad, copy, dot, nchw, parts, same_length,
};
use crate::{
    error::{Error, Result},
    fault::{Faults, Flips},
    files::Weights,
    nn::{FrozenNet, Graph, Mode, NodeValue, check_finite, first_not_finite},
    run::{Gpu, Program, Tape},
    shape::Nhwc,
    step::{Loss, LossHead},
};

/// What to compute with a base network.
#[derive(Clone, Copy, Debug)]
pub struct BaseRequest<'a> {
    /// The network.
    pub graph: &'a Graph,
    pub weights: &'a Weights,
    /// Bits per stored weight; without them weights are f32 as they are, and have no faults.
    pub precision: Option<u32>,
    /// Faults in the stored weights and the seed of their map.
    pub faults: Option<(&'a Faults, u64)>,
    pub images: Images<'a>,
    /// The loss, if one is wanted.
    pub loss: Option<OutputLoss<'a>>,
    /// Whether to compute the gradient of the loss with respect to the images.
    pub gradient: bool,
    /// Most images that are computed at once; by default as many as fit one binding of the adapter.
    /// The result is the same.
    pub micro_batch: Option<u32>,
}

/// What a base network made of images.
#[derive(Clone, Debug, Default)]
pub struct BasePass {
    /// Logits `[N, classes]`.
    pub logits: Vec<f32>,
    /// Number of classes.
    pub classes: u32,
    /// The loss, if one was asked for.
    pub loss: Option<f64>,
    /// Gradient of the loss with respect to the images, `[N, C, H, W]`.
    pub input_gradient: Option<Vec<f32>>,
    /// Bits that faults flip, per faultable layer; all zero without faults.
    pub flips: Vec<Flips>,
    /// Bits that faults flip, per bias that can fail.
    pub bias_flips: Vec<Flips>,
    /// Bits that faults flip, per buffer of activations that can fail.
    pub activation_flips: Vec<Flips>,
}

/// Runs a base network (batch norm with its running statistics) on images.
///
/// # Errors
/// Shapes or labels that do not fit, a gradient without a loss, faults without a precision, no memory, the device failed, or
/// [`Error::NotFiniteOutput`].
pub fn base(gpu: &Gpu, request: &BaseRequest<'_>) -> Result<BasePass> {
    let BaseRequest { graph, weights, precision, faults, images, loss, gradient, .. } = *request;
    images.fit(&graph.name, graph.nodes[graph.input()].chw)?;
    let shape = images.shape;
    let [classes, ..] = graph.nodes[graph.output()].chw;
    let outputs = shape.n as usize * classes as usize;
    match loss {
        None if gradient => return Err(Error::Shape("a gradient needs a loss".into())),
        Some(OutputLoss::CrossEntropy(labels)) => check_labels(labels, shape.n, classes)?,
        Some(OutputLoss::Upstream(upstream)) => same_length("upstream", upstream.len(), outputs)?,
        None => {}
    }

    let parts = parts(gpu, &[(graph, 1)], shape.n, request.micro_batch);
    let net = match precision {
        None => FrozenNet::floats(gpu, graph, weights, gradient)?,
        Some(bits) if gradient => FrozenNet::new(gpu, graph, weights, bits, 1)?,
        Some(bits) => FrozenNet::for_inference(gpu, graph, weights, bits, 1)?,
    };
    // Weights that are not quantised are in place already.
    let injector = if precision.is_none() && faults.is_none() {
        None
    } else {
        let injector = net.injector(gpu, u32::from(faults.is_none()), faults.map(|(f, _)| f))?;
        injector.run(gpu, &[faults.map_or(0, |(_, seed)| seed)])?;
        Some(injector)
    };

    let mut tape = Tape::new();
    let row = Nhwc::new(shape.n, 1, 1, classes);
    let x = ImageBatch::kept(&mut tape, "images", shape, &parts);
    let dx = gradient.then(|| ImageBatch::kept(&mut tape, "gradient", shape, &parts));
    let logits = ImageBatch::kept(&mut tape, "logits", row, &parts);
    let dlogits = ImageBatch::kept(&mut tape, "gradient of the logits", row, &parts);
    let head = LossHead::new(&mut tape, 1, Loss::Labels);
    let mut labels = Vec::new();
    let mode = if gradient { Mode::Frozen } else { Mode::Inference };
    let mut first = 0; // image of the part
    for (i, images) in x.values().into_iter().enumerate() {
        let n = images.shape.n;
        let mut compiler = net.compiler(gpu, &mut tape, mode).from_image(first);
        first += images.shape.n;
        let y = compiler.forward(&mut tape, images)?;
        copy(&mut tape, y, logits.ids()[i])?;
        let dy = dlogits.ids()[i];
        if let Some(OutputLoss::CrossEntropy(_)) = loss {
            let of_part = tape.kept("labels", u64::from(n) * 4);
            labels.push(of_part);
            head.append_to(&mut tape, y, of_part, dy)?;
        }
        if let Some(dx) = &dx
            && let Some(id) = compiler.backward(&mut tape, dy, None, true)?
        {
            copy(&mut tape, NodeValue { id, ..images }, dx.ids()[i])?;
        }
    }

    let program = Program::build(gpu, &tape)?;
    x.write(gpu, &program, images.data);
    match loss {
        Some(OutputLoss::CrossEntropy(classes)) => {
            for (part, of_part) in parts.iter().zip(labels) {
                program.write(gpu, of_part, 0, part.of(classes, 1));
            }
            program.write(gpu, head.weights, 0, &[1.0 / shape.n as f32]);
        }
        Some(OutputLoss::Upstream(upstream)) => dlogits.write(gpu, &program, upstream),
        None => {}
    }
    program.run(gpu)?;

    let logits = logits.read(gpu, &program)?;
    let loss = match loss {
        None => None,
        Some(OutputLoss::CrossEntropy(_)) => {
            let sum: Vec<f32> = program.read(gpu, head.totals)?;
            Some(f64::from(sum[0]) / f64::from(shape.n))
        }
        Some(OutputLoss::Upstream(upstream)) => Some(dot(&logits, upstream)),
    };
    let input_gradient = dx.map(|dx| dx.read(gpu, &program)).transpose()?;
    let place = || first_not_finite(gpu, &program, program.entries());
    let check = |what: &str, shape: &[usize], data: &[f32]| {
        check_finite([&graph.name, what], shape, data, place)
    };
    check("logits", &[shape.n as usize, classes as usize], &logits)?;
    check("the loss", &[], bad(loss).as_slice())?;
    check(INPUT_GRADIENT, &nchw(shape), input_gradient.as_deref().unwrap_or(&[]))?;
    let mut pass = BasePass { logits, classes, loss, input_gradient, ..BasePass::default() };
    pass.flips = vec![Flips::default(); graph.layers.len()];
    if let Some(injector) = injector {
        let of_copy = |each: Vec<Vec<Flips>>| each.into_iter().next().unwrap_or_default();
        pass.flips = of_copy(injector.flips(gpu)?);
        pass.bias_flips = of_copy(injector.bias_flips());
        pass.activation_flips = of_copy(injector.activation_flips(gpu)?);
    }
    Ok(pass)
}

/// Checks that there is one label per image, each of them a class.
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
