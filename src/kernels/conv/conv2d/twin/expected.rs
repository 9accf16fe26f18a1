//! What a convolution with all that is fused with it must give, and how far from that rounding may take
//! it: for the cases, and for layers of a training that are computed again.

use crate::kernels::{
    conv::conv2d::{
        Conv2d, Fusion,
        twin::{Sum, gather},
    },
    twin::numbers::passes,
};

/// What a convolution reads, without padding.
pub struct Operands<'a> {
    /// `[x_copies][N H W C]`
    pub xs: &'a [Vec<f32>],
    /// `[copies][R S C K]`
    pub ws: &'a [Vec<f32>],
    /// Scales and shifts by offset.
    pub affine: &'a [f32],
    /// `[y_copies N H W K]`; read where the fusion adds it.
    pub residual: &'a [f32],
    /// Like `xs`, positive where the input counts; read where the fusion masks.
    pub gates: &'a [Vec<f64>],
}

/// A result of the CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// The exact value.
    pub value: f64,
    /// How far from it rounding of a plain sum may lead.
    pub bound: f64,
}

/// All outputs, `[y_copies N H W K]`.
#[must_use]
pub fn expected(conv: Conv2d, fusion: Fusion, operands: &Operands<'_>) -> Vec<Expected> {
    let Operands { xs, ws, affine, residual, gates } = *operands;
    let (y_len, k) = ((conv.y.pixels() * conv.y.c) as usize, conv.y.c as usize);
    let y_copies = if conv.sum_copies { 1 } else { conv.copies as usize };
    let mut sums = vec![Sum::default(); y_len * y_copies];
    for copy in 0..conv.copies as usize {
        let mut input = xs[copy % xs.len()].clone();
        if fusion.mask_in {
            for (v, gate) in input.iter_mut().zip(&gates[copy % xs.len()]) {
                *v = if passes(*gate) { *v } else { 0.0 };
            }
        }
        let first = if conv.sum_copies { 0 } else { copy * y_len };
        for (sum, term) in sums[first..].iter_mut().zip(gather(conv, &input, &ws[copy])) {
            sum.value += term.value;
            sum.size += term.size;
            sum.terms += term.terms;
        }
    }
    let each = |(i, sum): (usize, &Sum)| {
        let at = |offset: Option<u32>, or: f64| {
            offset.map_or(or, |o| f64::from(affine[o as usize + i % k]))
        };
        let (scale, shift) = (at(fusion.scale, 1.0), at(fusion.shift, 0.0));
        let extra = if fusion.residual { f64::from(residual[i]) } else { 0.0 };
        let v = sum.value * scale + shift + extra;
        // Each of the sum's terms and of the epilogue's three steps may round once.
        let size = sum.size * scale.abs() + shift.abs() + extra.abs();
        let bound = (sum.terms + 4.0) * f64::from(f32::EPSILON) * size;
        Expected { value: if fusion.relu && v < 0.0 { 0.0 } else { v }, bound }
    };
    sums.iter().enumerate().map(each).collect()
}
