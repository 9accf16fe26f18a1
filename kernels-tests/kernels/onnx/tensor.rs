//! Tensors in ONNX's row-major order, and conversions to the kernels' layouts.
use nf_gpu::shape::{Nhwc, Rsck};

/// Elements in the precision in which they are compared.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Elements {
    /// f32.
    Floats(Vec<f32>),
    /// Integers of any width; unsigned 64-bit integers keep their bits.
    Ints(Vec<i64>),
    /// f64, f16, f8, booleans, text.
    Other,
}

/// A tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) dims: Vec<usize>,
    /// ONNX's number for the element type.
    pub(crate) kind: i64,
    pub(crate) elements: Elements,
}

/// Why a case is not run: a phrase of `cases.txt`.
pub(crate) type Refused = String;
/// Result of a case, or why it is not run.
pub(crate) type Outcome<T> = Result<T, Refused>;

impl Tensor {
    pub(crate) fn floats(dims: &[usize], values: Vec<f32>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), values.len());
        Self { dims: dims.to_vec(), kind: 1, elements: Elements::Floats(values) }
    }

    pub(crate) fn ints(dims: &[usize], kind: i64, values: Vec<i64>) -> Self {
        assert_eq!(dims.iter().product::<usize>(), values.len());
        Self { dims: dims.to_vec(), kind, elements: Elements::Ints(values) }
    }

    pub(crate) fn len(&self) -> usize {
        self.dims.iter().product()
    }

    /// The values, where they are f32.
    pub(crate) fn f32s(&self) -> Outcome<&[f32]> {
        match &self.elements {
            Elements::Floats(values) => Ok(values),
            _ => Err("not f32".into()),
        }
    }

    /// The values, where they are integers.
    pub(crate) fn i64s(&self) -> Outcome<&[i64]> {
        match &self.elements {
            Elements::Ints(values) => Ok(values),
            _ => Err("not integers".into()),
        }
    }

    /// The only value.
    pub(crate) fn scalar(&self) -> Outcome<f32> {
        assert_eq!(self.len(), 1);
        self.f32s().map(|v| v[0])
    }

    pub(crate) fn reshaped(&self, dims: &[usize]) -> Self {
        assert_eq!(self.len(), dims.iter().product::<usize>());
        Self { dims: dims.to_vec(), ..self.clone() }
    }

    /// Permutes the axes: axis `i` of the result is `order[i]` of this tensor.
    pub(crate) fn transposed(&self, order: &[usize]) -> Self {
        let dims: Vec<usize> = order.iter().map(|&axis| self.dims[axis]).collect();
        let stride = |axis: usize| self.dims[axis + 1..].iter().product::<usize>();
        let source = |mut i: usize| {
            let mut at = 0;
            for (&axis, &extent) in order.iter().zip(&dims).rev() {
                at += i % extent * stride(axis);
                i /= extent;
            }
            at
        };
        let from: Vec<usize> = (0..self.len()).map(source).collect();
        let elements = match &self.elements {
            Elements::Floats(v) => Elements::Floats(from.iter().map(|&i| v[i]).collect()),
            Elements::Ints(v) => Elements::Ints(from.iter().map(|&i| v[i]).collect()),
            Elements::Other => Elements::Other,
        };
        Self { dims, kind: self.kind, elements }
    }

    /// Moves an axis to the end.
    pub(crate) fn axis_last(&self, axis: usize) -> Self {
        self.transposed(&last(axis, self.dims.len()))
    }

    /// The inverse of [`Self::axis_last`].
    pub(crate) fn axis_back(&self, axis: usize) -> Self {
        let order = last(axis, self.dims.len());
        let mut back = vec![0; order.len()];
        for (i, &from) in order.iter().enumerate() {
            back[from] = i;
        }
        self.transposed(&back)
    }

    /// Rows of the last axis, in the layout of a batch of one-pixel images.
    pub(crate) fn rows(&self) -> (Nhwc, Vec<f32>) {
        let c = self.dims.last().copied().unwrap_or(1);
        let Elements::Floats(values) = &self.elements else { unreachable!("asked before") };
        (Nhwc::new(1, 1, (self.len() / c) as u32, c as u32), values.clone())
    }

    /// Images `[N, C, ...]` with up to three trailing axes as `[N, H, W, C]`; missing axes are 1.
    pub(crate) fn images(&self) -> Outcome<(Nhwc, Vec<f32>)> {
        let [n, c, rest @ ..] = &self.dims[..] else { return Err("no images".into()) };
        let w = rest.last().copied().unwrap_or(1);
        let h = rest.iter().product::<usize>() / w;
        let shape = Nhwc::new(*n as u32, h as u32, w as u32, *c as u32);
        let last = self.reshaped(&[*n, *c, h, w]).transposed(&[0, 2, 3, 1]);
        Ok((shape, last.f32s()?.to_vec()))
    }

    /// The inverse of [`Self::images`]: `values` are `[N, H, W, C]`.
    pub(crate) fn of_images(shape: Nhwc, values: Vec<f32>, dims: &[usize]) -> Self {
        let [n, h, w, c] = [shape.n, shape.h, shape.w, shape.c].map(|extent| extent as usize);
        Self::floats(&[n, h, w, c], values).transposed(&[0, 3, 1, 2]).reshaped(dims)
    }

    /// Weights `[K, C, R, S]` (or `[C, K, R, S]`, as given by `out_first`) as `[R, S, C, K]`.
    pub(crate) fn weights(&self, out_first: bool) -> Outcome<(Rsck, Vec<f32>)> {
        let order = if out_first { [2, 3, 1, 0] } else { [2, 3, 0, 1] };
        let rsck = self.transposed(&order);
        let [r, s, c, k] = rsck.dims[..] else { return Err("no 2-D weights".into()) };
        Ok((Rsck::new(r as u32, s as u32, c as u32, k as u32), rsck.f32s()?.to_vec()))
    }
}

fn last(axis: usize, rank: usize) -> Vec<usize> {
    (0..rank).filter(|&a| a != axis).chain([axis]).collect()
}

/// Weights `[R, S, C, K]` in their layout in memory: 0 in rows past C, NaN in columns past K.
pub(crate) fn padded_weights(shape: Rsck, w: &[f32]) -> Vec<f32> {
    let (c, k) = (shape.c as usize, shape.k as usize);
    let mut out = Vec::new();
    for tap in w.chunks(c * k) {
        for row in tap.chunks(k) {
            out.extend(nf_gpu::kernels::twin::nan_padded(row, shape.k));
        }
        out.resize(out.len() + (c.next_multiple_of(4) - c) * k.next_multiple_of(4), 0.0);
    }
    out
}
