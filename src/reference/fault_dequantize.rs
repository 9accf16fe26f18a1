//! Twin of `shaders/fault_dequantize.wgsl`: the host's fault code and its dequantiser, exactly.

use crate::{
    conformance::{Case, Data, Random, Want},
    error::Result,
    fault::{FaultModel, Faults, dequantize, inject, quantize},
    ops::{
        self,
        fault_dequantize::{Layer, Order},
    },
    shape::Rsck,
};

/// Weights in stored order, laid out `[R, S, C, K]` with zeros as padding.
fn rsck(layer: Layer, stored: &[f32]) -> Vec<f64> {
    let Rsck { r, s, c, k } = layer.shape;
    let (cp, kp) = (c.next_multiple_of(4), k.next_multiple_of(4));
    let mut w = vec![0.0; layer.shape.padded_len() as usize];
    for tap in 0..r * s {
        for ci in 0..c {
            for ki in 0..k {
                let from = match layer.order {
                    Order::OutIn => (ki * c + ci) * r * s + tap,
                    Order::InOut => (ci * k + ki) * r * s + tap,
                };
                let to = (tap * cp + ci) * kp + ki;
                w[to as usize] = f64::from(stored[from as usize]);
            }
        }
    }
    w
}

/// The same weights `[R, S, K, C]`.
fn transpose(shape: Rsck, w: &[f64]) -> Vec<f64> {
    let (cp, kp) = (shape.c.next_multiple_of(4) as usize, shape.k.next_multiple_of(4) as usize);
    let plane = |p: usize| (0..kp * cp).map(move |i| p * kp * cp + i % cp * kp + i / cp);
    (0..w.len() / (cp * kp)).flat_map(plane).map(|from| w[from]).collect()
}

/// Cases of [`ops::fault_dequantize`].
///
/// # Errors
/// A plan was refused.
pub fn cases() -> Result<Vec<Case>> {
    use FaultModel::{Flip, StuckAt};
    use Order::{InOut, OutIn};
    let layer = |r, s, c, k, order, index, bits| Layer {
        shape: Rsck::new(r, s, c, k),
        order,
        index,
        bits,
        // Every second layer has a batch norm behind it.
        fold: (index % 2 == 0).then_some((2, k + 5)),
    };
    let faults = |model, ber| Faults::new(model, ber).map(Some);
    let list = [
        (layer(1, 1, 1, 1, OutIn, 0, 8), 1, 0, faults(Flip, 0.5)?),
        (layer(1, 1, 16, 10, OutIn, 6, 8), 3, 1, faults(StuckAt, 0.5)?),
        (layer(1, 1, 10, 43, OutIn, 1, 5), 2, 0, faults(Flip, 0.1)?),
        (layer(3, 3, 3, 10, OutIn, 0, 8), 2, 1, faults(Flip, 0.5)?),
        (layer(3, 3, 3, 8, OutIn, 2, 4), 3, 0, faults(StuckAt, 0.3)?),
        (layer(3, 3, 16, 32, OutIn, 3, 8), 3, 1, faults(Flip, 0.01)?),
        (layer(3, 3, 16, 32, OutIn, 4, 8), 2, 0, faults(StuckAt, 0.01)?),
        (layer(2, 2, 9, 5, InOut, 5, 8), 2, 1, faults(Flip, 0.05)?),
        (layer(2, 3, 4, 7, InOut, 1, 6), 2, 0, faults(StuckAt, 0.5)?),
        (layer(5, 1, 5, 5, OutIn, 3, 3), 1, 0, faults(Flip, 0.999)?),
        (layer(3, 3, 6, 5, OutIn, 2, 2), 2, 0, faults(StuckAt, 0.7)?),
        (layer(3, 3, 5, 6, OutIn, 2, 7), 4, 0, faults(Flip, 0.0)?),
        (layer(3, 3, 3, 10, OutIn, 2, 8), 2, 0, None),
        (layer(2, 2, 8, 6, InOut, 0, 4), 1, 0, None),
        (layer(3, 1, 4, 8, OutIn, 1, 8), 2, 2, faults(Flip, 0.5)?),
    ];
    list.into_iter()
        .map(|(layer, copies, clean, faults)| case(layer, copies, clean, faults))
        .collect()
}

fn case(layer: Layer, copies: u32, clean_copies: u32, faults: Option<Faults>) -> Result<Case> {
    let (scale_index, scales_len, layers) = (1, 3, 7);
    let Layer { shape, order, index, bits, fold } = layer;
    let mut random = Random::new(shape.len() + bits);
    let stored = quantize(&random.floats(shape.len() as usize), bits)?;
    let mut scales = vec![f32::NAN; scales_len as usize];
    scales[scale_index as usize] = stored.scale;
    let (mut seeds, mut w, mut wt) = (Vec::new(), Vec::new(), Vec::new());
    let affine = random.floats(fold.map_or(4, |(_, len)| len) as usize);
    // Counts of earlier dispatches, to be added to.
    let before: Vec<u32> = (0..copies * layers * 8).map(|i| 3 * i).collect();
    let mut after = before.clone();
    for copy in 0..copies {
        let [lo, hi] = [random.bits(), random.bits()];
        seeds.push([lo, hi]);
        let mut read = stored.clone();
        if let Some(faults) = faults.filter(|_| copy >= clean_copies) {
            let (faulty, flips) =
                inject(&stored, faults, index, u64::from(lo) | u64::from(hi) << 32);
            read = faulty;
            let at = ((copy * layers + index) * 8) as usize;
            for (count, flips) in after[at..].iter_mut().zip(flips.per_bit) {
                *count += flips as u32;
            }
        }
        let copy = rsck(layer, &dequantize(&read));
        let mut transposed = transpose(shape, &copy);
        if let Some((offset, _)) = fold {
            let row = shape.c.next_multiple_of(4) as usize;
            for (i, v) in transposed.iter_mut().enumerate() {
                let k = (i / row) % shape.k.next_multiple_of(4) as usize;
                *v *= f64::from(affine[offset as usize + k.min(shape.k as usize - 1)]);
            }
        }
        wt.extend(transposed);
        w.extend(copy);
    }
    let what = faults.map_or("clean".into(), |f| format!("{} {}", f.model, f.ber));
    Ok(Case {
        label: format!("{shape} {order:?} bits={bits} copies={copies}-{clean_copies} {what}"),
        plan: ops::fault_dequantize::plan(
            layer,
            copies,
            clean_copies,
            faults,
            scale_index,
            scales_len,
            layers,
        )?,
        data: vec![
            Data::input(&stored.words),
            Data::input(&scales),
            Data::input(&seeds),
            Data::input(&affine),
            Data::Output(Want::exact(&w)),
            // A folded scale is one more product, rounded once.
            Data::Output(Want::flat(&wt, |v| {
                if fold.is_some() { v.abs() * f64::from(f32::EPSILON) } else { 0.0 }
            })),
            Data::in_out(&before, Want::Words(after)),
        ],
    })
}
