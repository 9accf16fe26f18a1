//! Softmax, its logarithm and the losses, all through `softmax_cross_entropy`.
use super::{
    call::Call,
    engine::{Binding, Engine, floats_of, unpadded},
    products::product,
    tensor::{Outcome, Tensor},
};
use nf_gpu::{kernels::loss::softmax_cross_entropy, shape::Nhwc};

/// Logits with the classes on the last axis, and the original position of that axis.
struct Logits {
    dims: Vec<usize>,
    axis: usize,
    classes: usize,
    values: Vec<f32>,
}

/// Gradients with respect to the logits (of unit weight) and losses of the rows, for these labels.
fn cross_entropy(
    engine: &mut Engine<'_>,
    logits: &[f32],
    classes: usize,
    labels: Vec<u32>,
) -> (Vec<f32>, Vec<f32>) {
    let (n, c) = (labels.len() as u32, classes as u32);
    let plan = softmax_cross_entropy::plan(1, n, c).unwrap();
    let bindings = vec![
        Binding::images(logits, c),
        Binding::Words(labels),
        Binding::floats(&[1.0]),
        Binding::Out,
        Binding::Out,
        Binding::Out,
    ];
    let words = engine.words(plan, bindings);
    let gradients = unpadded(&floats_of(&words[0]), c, "softmax_cross_entropy");
    (gradients, floats_of(&words[1]))
}

impl Logits {
    /// Logits of Softmax and `LogSoftmax`: before version 13 of the operators, all axes from `axis`
    /// on are classes.
    fn of(call: &Call<'_>) -> Outcome<Self> {
        let x = call.input(0);
        x.f32s()?;
        if call.opset >= 13 {
            return Ok(Self::along(x, call.axis(-1)));
        }
        let axis = call.axis(1);
        let classes = x.dims[axis..].iter().product();
        let mut logits = Self::along(&x.reshaped(&[x.len() / classes, classes]), 1);
        logits.axis = axis;
        Ok(logits)
    }

    fn along(x: &Tensor, axis: usize) -> Self {
        let last = x.axis_last(axis);
        let values = last.f32s().unwrap().to_vec();
        Self { classes: x.dims[axis], dims: last.dims, axis, values }
    }

    /// Values with the shape of the logits, in the order of the tensor `x`.
    fn back(&self, x: &Tensor, values: Vec<f32>) -> Tensor {
        let back = Tensor::floats(&self.dims, values);
        if self.dims.len() == x.dims.len() {
            back.axis_back(self.axis)
        } else {
            back.reshaped(&x.dims)
        }
    }

    /// Log-probabilities: minus the loss, with every class once as the label.
    fn log_probabilities(&self, engine: &mut Engine<'_>) -> Vec<f32> {
        let each =
            |row: &[f32]| std::iter::repeat_n(row.to_vec(), self.classes).flatten().collect();
        let logits: Vec<f32> =
            self.values.chunks(self.classes).flat_map(|row| -> Vec<f32> { each(row) }).collect();
        let labels = (0..self.values.len()).map(|i| (i % self.classes) as u32).collect();
        let (_, losses) = cross_entropy(engine, &logits, self.classes, labels);
        losses.iter().map(|loss| -loss).collect()
    }
}

pub(super) fn softmax(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let logits = Logits::of(call)?;
    let (classes, rows) = (logits.classes, logits.values.len() / logits.classes);
    assert!(classes > 1);
    // The gradient is p, except for the label's class, whose p a second label gives.
    let mut labelled = |label| cross_entropy(engine, &logits.values, classes, vec![label; rows]).0;
    let (mut p, others) = (labelled(0), labelled(1));
    for row in 0..rows {
        p[row * classes] = others[row * classes];
    }
    Ok(vec![logits.back(call.input(0), p)])
}

pub(super) fn log_softmax(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let logits = Logits::of(call)?;
    let values = logits.log_probabilities(engine);
    Ok(vec![logits.back(call.input(0), values)])
}

/// Labels, with 0 in place of those that are ignored, and the weight of each row.
fn labels(call: &Call<'_>, classes: usize) -> Outcome<(Vec<u32>, Vec<f32>)> {
    let labels = call.input(1).i64s()?;
    let ignored = match call.int("ignore_index", i64::MIN) {
        i64::MIN => None,
        index => Some(index),
    };
    let weights = call.optional(2).map(Tensor::f32s).transpose()?;
    let weight = |&label: &i64| match weights {
        _ if Some(label) == ignored => 0.0,
        Some(weights) => weights[label as usize],
        None => 1.0,
    };
    let inside = |&label: &i64| if (0..classes as i64).contains(&label) { label as u32 } else { 0 };
    Ok((labels.iter().map(inside).collect(), labels.iter().map(weight).collect()))
}

/// Weighted losses of the rows: each, their sum or their mean.
fn reduced(engine: &mut Engine<'_>, call: &Call<'_>, losses: &[f32], weights: &[f32]) -> Tensor {
    let n = losses.len();
    match call.text("reduction", "mean").as_str() {
        "none" => {
            let weighted = product(engine, [n, 1, 1, 1], losses, weights);
            Tensor::floats(&call.input(1).dims, weighted)
        }
        reduction => {
            let mut total = product(engine, [1, 1, n, 1], losses, weights);
            if reduction == "mean" {
                total[0] /= weights.iter().sum::<f32>();
            }
            Tensor::floats(&[], total)
        }
    }
}

pub(super) fn softmax_loss(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    x.f32s()?;
    let logits = Logits::along(x, 1);
    let (labels, weights) = labels(call, logits.classes)?;
    let (_, losses) = cross_entropy(engine, &logits.values, logits.classes, labels);
    let mut outputs = vec![reduced(engine, call, &losses, &weights)];
    if call.node.outputs.len() > 1 {
        let values = logits.log_probabilities(engine);
        outputs.push(logits.back(x, values));
    }
    Ok(outputs)
}

/// `-x[label]`, as the difference of two losses of the same row, to which a class with logit 0 is
/// added: the loss of the label and that of the added class.
pub(super) fn likelihood_loss(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let x = call.input(0);
    x.f32s()?;
    let logits = Logits::along(x, 1);
    let (mut labels, weights) = labels(call, logits.classes)?;
    let n = labels.len();
    let more: Vec<f32> = logits
        .values
        .chunks(logits.classes)
        .flat_map(|row| row.iter().copied().chain([0.0]))
        .collect();
    labels.extend(vec![logits.classes as u32; n]);
    let twice = [more.clone(), more].concat();
    let (_, losses) = cross_entropy(engine, &twice, logits.classes + 1, labels);
    let pairs: Vec<f32> = (0..n).flat_map(|i| [losses[i], losses[n + i]]).collect();
    let signs = vec![[1.0, -1.0]; n].concat();
    let differences = product(engine, [n, 1, 2, 1], &pairs, &signs);
    Ok(vec![reduced(engine, call, &differences, &weights)])
}

#[test]
fn rows_of_a_batch_are_pixels() {
    let x = Tensor::floats(&[2, 3, 2], (0..12u8).map(f32::from).collect());
    let logits = Logits::along(&x, 1);
    assert_eq!(logits.values[..6], [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    assert_eq!(logits.back(&x, logits.values.clone()), x);
    assert_eq!(x.images().unwrap().0, Nhwc::new(2, 1, 2, 3));
}
