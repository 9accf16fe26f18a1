//! What a generator makes of images, computed here: in f64, in f32 in the order of the C source, and on the grids of
//! quantised activations.

use super::{
    grids::Quantised,
    network::{DeviceConv, DeviceNetwork, DeviceStep, Operation},
};
use std::{
    ops::{Add, Mul},
    sync::{Mutex, PoisonError},
    thread,
};

/// How a generator is computed.
#[derive(Clone, Copy, Debug)]
pub enum Arithmetic<'a> {
    /// In f64 from the stored words on; the result is rounded once. What others are compared with.
    Double,
    /// In f32, each sum in the order of the C source.
    Single,
    /// With activations on their grids, as the int8 ONNX file says; in f64 between them.
    Quantised(&'a Quantised<'a>),
}

/// A number to compute with.
pub(super) trait Number:
    Copy + PartialOrd + Add<Output = Self> + Mul<Output = Self>
{
    fn of(value: f64) -> Self;
    fn wide(self) -> f64;
    fn tanh(self) -> Self;
}

impl Number for f64 {
    fn of(value: f64) -> Self {
        value
    }
    fn wide(self) -> f64 {
        self
    }
    fn tanh(self) -> Self {
        self.tanh()
    }
}

impl Number for f32 {
    fn of(value: f64) -> Self {
        value as Self
    }
    fn wide(self) -> f64 {
        self.into()
    }
    fn tanh(self) -> Self {
        self.tanh()
    }
}

/// `F(x) = clamp(x + G(x), -1, 1)` of one image `[C, H, W]` in [-1, 1].
#[must_use]
pub fn protect(network: &DeviceNetwork, precision: Arithmetic<'_>, image: &[f32]) -> Vec<f32> {
    match precision {
        Arithmetic::Double => fused(image, &last(values::<f64>(network, image, None))),
        Arithmetic::Single => fused(image, &last(values::<f32>(network, image, None))),
        Arithmetic::Quantised(by) => fused(image, &last(values::<f64>(network, image, Some(by)))),
    }
}

/// [`protect`] of many images, one behind the other, on all cores.
#[must_use]
pub fn protect_all(network: &DeviceNetwork, precision: Arithmetic<'_>, images: &[f32]) -> Vec<f32> {
    let size = network.len_of(0);
    let mut out = vec![0.0; images.len()];
    let work = images.chunks_exact(size).zip(out.chunks_exact_mut(size));
    for_each(work, |(image, out)| out.copy_from_slice(&protect(network, precision, image)));
    out
}

/// Does some work for each item, on all cores.
pub(super) fn for_each<T: Send>(items: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let items = Mutex::new(items);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let item = items.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(item) = item else { return };
                    work(item);
                }
            });
        }
    });
}

fn last<T>(mut values: Vec<Vec<T>>) -> Vec<T> {
    values.pop().unwrap_or_default()
}

fn fused<T: Number>(image: &[f32], g: &[T]) -> Vec<f32> {
    let (low, high) = (T::of(-1.0), T::of(1.0));
    let one = |(&x, &g): (&f32, &T)| {
        let sum = T::of(x.into()) + g;
        let clamped = if sum < low {
            low
        } else if sum > high {
            high
        } else {
            sum
        };
        clamped.wide() as f32
    };
    image.iter().zip(g).map(one).collect()
}

/// All values: the image, then that of each step.
pub(super) fn values<T: Number>(
    network: &DeviceNetwork,
    image: &[f32],
    quantised: Option<&Quantised<'_>>,
) -> Vec<Vec<T>> {
    let mut values = vec![image.iter().map(|&v| T::of(v.into())).collect::<Vec<T>>()];
    for value in 0..=network.steps.len() {
        if let Some(step) = value.checked_sub(1).map(|step| &network.steps[step]) {
            let y = computed(network, step, &values, quantised, value);
            values.push(y);
        }
        if let Some(grid) = quantised.and_then(|by| by.grids[value]) {
            values[value].iter_mut().for_each(|v| *v = T::of(grid.nearest(v.wide())));
        }
    }
    values
}

fn computed<T: Number>(
    network: &DeviceNetwork,
    step: &DeviceStep,
    values: &[Vec<T>],
    quantised: Option<&Quantised<'_>>,
    value: usize,
) -> Vec<T> {
    let x: &[T] = step.inputs.first().map_or(&[], |&input| &values[input]);
    let from = step.inputs.first().map_or([0; 3], |&input| network.chw_of(input));
    let [c, h, w] = step.chw;
    let pixel = |c: u32, i: u32, j: u32| x[((c * from[1] + i) * from[2] + j) as usize];
    let each = |f: &dyn Fn(u32, u32, u32) -> T| -> Vec<T> {
        let place = |at: u32| f(at / (h * w), at / w % h, at % w);
        (0..c * h * w).map(place).collect()
    };
    match &step.operation {
        Operation::Conv(conv) => {
            let stored = quantised.and_then(|by| by.stored[value].as_ref());
            let words = stored.map_or(&conv.words[..], |stored| &stored.words);
            let mut y = if conv.transposed {
                transposed(conv, words, x, [from, step.chw])
            } else {
                convolved(conv, words, x, [from, step.chw])
            };
            let plane = (h * w) as usize;
            for (k, y) in y.chunks_exact_mut(plane).enumerate() {
                let (factor, shift) = match stored {
                    Some(stored) => (stored.scales[k].into(), stored.shift(k)),
                    None => (conv.factor[k], conv.shift[k]),
                };
                let (factor, shift) = (T::of(factor), T::of(shift));
                for v in y {
                    *v = *v * factor + shift;
                    let positive = *v > T::of(0.0);
                    if conv.relu && !positive {
                        *v = T::of(0.0);
                    }
                }
            }
            y
        }
        Operation::Tanh => x.iter().map(|v| v.tanh()).collect(),
        Operation::MaxPool(window) => each(&|c, i, j| {
            let [down, right] = window.stride;
            let mut most = pixel(c, i * down, j * right);
            for (a, b) in
                (0..window.kernel[0]).flat_map(|a| (0..window.kernel[1]).map(move |b| (a, b)))
            {
                let v = pixel(c, i * down + a, j * right + b);
                if v > most {
                    most = v;
                }
            }
            most
        }),
        Operation::Upsample(by) => each(&|c, i, j| pixel(c, i / by, j / by)),
        Operation::Concat => step.inputs.iter().flat_map(|&input| values[input].clone()).collect(),
        Operation::Shift(offset) => each(&|c, i, j| {
            let at = |i: u32, end: u32| i.checked_add_signed(*offset).filter(|&i| i < end);
            match (at(i, from[1]), at(j, from[2])) {
                (Some(i), Some(j)) => pixel(c, i, j),
                _ => T::of(0.0),
            }
        }),
        Operation::Constant(values) => values.iter().map(|&v| T::of(v.into())).collect(),
    }
}

/// Adds `weight` times a row to another, from a place on.
fn add_row<T: Number>(y: &mut [T], x: &[T], weight: T) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = *y + weight * x;
    }
}

/// The sums of a convolution of stride 1.
fn convolved<T: Number>(
    conv: &DeviceConv,
    words: &[i8],
    x: &[T],
    [[c, h, w], [k, oh, ow]]: [[u32; 3]; 2],
) -> Vec<T> {
    let [c, h, w, k, oh, ow] = [c, h, w, k, oh, ow].map(|n| n as usize);
    let [rows, columns] = conv.window.kernel.map(|n| n as usize);
    let [top, left] = conv.window.before.map(|n| n as usize);
    let mut y = vec![T::of(0.0); k * oh * ow];
    let mut words = words.iter();
    for y in y.chunks_exact_mut(oh * ow) {
        for x in x.chunks_exact(h * w).take(c) {
            for (r, s) in (0..rows).flat_map(|r| (0..columns).map(move |s| (r, s))) {
                let weight = T::of(words.next().copied().unwrap_or_default().into());
                // Columns j of the output that have a pixel j + s - left.
                let (first, end) = (left.saturating_sub(s), (w + left).saturating_sub(s).min(ow));
                for i in top.saturating_sub(r)..(h + top).saturating_sub(r).min(oh) {
                    let row = &x[(i + r - top) * w..][..w];
                    if first < end {
                        add_row(
                            &mut y[i * ow + first..i * ow + end],
                            &row[first + s - left..],
                            weight,
                        );
                    }
                }
            }
        }
    }
    y
}

/// The sums of a transposed convolution.
fn transposed<T: Number>(
    conv: &DeviceConv,
    words: &[i8],
    x: &[T],
    [[c, h, w], [k, oh, ow]]: [[u32; 3]; 2],
) -> Vec<T> {
    let [c, h, w, k, oh, ow] = [c, h, w, k, oh, ow].map(|n| n as usize);
    let [rows, columns] = conv.window.kernel.map(|n| n as usize);
    let [top, left] = conv.window.before.map(|n| n as usize);
    let stride = conv.window.stride[0] as usize;
    let mut y = vec![T::of(0.0); k * oh * ow];
    for (k_, y) in y.chunks_exact_mut(oh * ow).enumerate() {
        for (c_, x) in x.chunks_exact(h * w).take(c).enumerate() {
            for (r, s) in (0..rows).flat_map(|r| (0..columns).map(move |s| (r, s))) {
                let weight = T::of(words[((c_ * k + k_) * rows + r) * columns + s].into());
                for i in 0..h {
                    let row = (i * stride + r).wrapping_sub(top);
                    if row >= oh {
                        continue;
                    }
                    for j in 0..w {
                        let column = (j * stride + s).wrapping_sub(left);
                        if column < ow {
                            let y = &mut y[row * ow + column];
                            *y = *y + weight * x[i * w + j];
                        }
                    }
                }
            }
        }
    }
    y
}
