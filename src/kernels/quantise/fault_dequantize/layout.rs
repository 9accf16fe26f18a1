//! Both layouts of a layer's weights, on the host: for the twin, and for weights that no kernel dequantises.

use super::{
    plan::of_gradient,
    stored::{Order, Transposed},
};
use crate::shape::Rsck;
use std::ops::Mul;

/// Where a weight lies among the stored ones of a layer, from its position in the kernel, its input channel and its
/// output channel.
#[must_use]
pub fn stored_at(shape: Rsck, order: Order, tap: usize, ci: usize, ki: usize) -> usize {
    let [taps, c, k] = [shape.r * shape.s, shape.c, shape.k].map(|n| n as usize);
    match order {
        Order::OutIn => (ki * c + ci) * taps + tap,
        Order::InOut => (ci * k + ki) * taps + tap,
    }
}

/// Lays weights in stored order out as `[R, S, C, K]`, C and K padded to multiples of 4 with zeros.
#[must_use]
pub fn laid_out<T: Copy + Default>(shape: Rsck, order: Order, stored: &[T]) -> Vec<T> {
    let [taps, c, k] = [shape.r * shape.s, shape.c, shape.k].map(|n| n as usize);
    let (cp, kp) = (c.next_multiple_of(4), k.next_multiple_of(4));
    let mut w = vec![T::default(); shape.padded_len() as usize];
    for tap in 0..taps {
        for ci in 0..c {
            let row = &mut w[(tap * cp + ci) * kp..][..k];
            for (ki, to) in row.iter_mut().enumerate() {
                *to = stored[stored_at(shape, order, tap, ci, ki)];
            }
        }
    }
    w
}

/// Lays weights from [`laid_out`], each times the factor of its output channel, out as the layer's wt, padded with
/// zeros; empty where there is none.
pub fn transposed<T: Copy + Default + Mul<Output = T>>(
    (shape, groups): (Rsck, u32),
    layout: Transposed,
    w: &[T],
    factor: impl Fn(usize) -> T,
) -> Vec<T> {
    let other = of_gradient(shape, groups);
    let [taps, c, k] = [shape.r * shape.s, shape.c, shape.k].map(|n| n as usize);
    let (cp, kp) = (c.next_multiple_of(4), k.next_multiple_of(4));
    let rows = other.c.next_multiple_of(4) as usize;
    let columns = other.k.next_multiple_of(4) as usize;
    let of_group = other.c as usize;
    if layout == Transposed::Absent {
        return Vec::new();
    }
    let mut wt = vec![T::default(); other.padded_len() as usize];
    for (tap, (ci, ki)) in (0..taps).flat_map(|tap| (0..c * k).map(move |i| (tap, (i / k, i % k))))
    {
        let (row, column) = (ki % of_group, ki / of_group * c + ci);
        let to = if layout == Transposed::Flat {
            (row * taps + tap) * columns + column
        } else {
            (tap * rows + row) * columns + column
        };
        wt[to] = w[(tap * cp + ci) * kp + ki] * factor(ki);
    }
    wt
}
