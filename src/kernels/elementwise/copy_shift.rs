//! A shift per channel for each copy of a network, `shaders/elementwise/copy_shift.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        elementwise::each::SHAPES,
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, nan_padded, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/elementwise/copy_shift.wgsl`.
    pub struct CopyShiftParams {
        /// Groups of four channels in all copies.
        vec4s: u32,
        /// Groups of four channels in a copy.
        of_copy: u32,
        /// Channels without padding.
        c: u32,
        /// Offset of the shift of channel 0, in those of a copy.
        offset: u32,
        /// Shifts of a copy, and as many halves.
        len: u32,
    }
}

crate::kernel! {
    KERNEL: "elementwise" / "copy_shift", CopyShiftParams,
    lib: ["lib/grid", "lib/each", "lib/lanes"],
    bindings: [("shifts", Read), ("y", ReadWrite)],
}

/// Adds `shifts[copy, 0, offset + channel]` to `y[copy]` for so many copies of a shape, in place, and then takes
/// `shifts[copy, 1, offset + channel]` from what is not below 0, or adds it to what is; bindings shifts `[copies, 2, len]`, y.
///
/// # Errors
/// Shifts past the end, no copies, or a shape too large for 32-bit indices.
pub fn plan(shape: Nhwc, copies: u32, offset: u32, len: u32) -> Result<Plan> {
    let whole = Nhwc { n: shape.n.saturating_mul(copies), ..shape }.checked()?;
    if copies == 0 || offset.checked_add(shape.c).is_none_or(|end| end > len) {
        return Err(Error::Shape(format!("shifts of {copies} x {shape} among {len} numbers")));
    }
    let (vec4s, of_copy) = (whole.vec4s(), whole.vec4s() / copies);
    let params = CopyShiftParams { vec4s, of_copy, c: shape.c, offset, len };
    let bytes = vec![8 * u64::from(len) * u64::from(copies), whole.bytes()];
    let plan = Plan::new(&KERNEL, &params, DispatchGrid::Items(vec4s.into()), bytes);
    Ok(plan.costing(u64::from(whole.pixels()) * u64::from(shape.c)))
}

fn case(shape: Nhwc, copies: u32, offset: u32, random: &mut Random) -> Result<Case> {
    let whole = Nhwc { n: shape.n * copies, ..shape };
    let len = offset + shape.c + 3;
    let mut shifts = vec![f32::NAN; (2 * copies * len) as usize];
    for copy in 0..copies {
        let at = (2 * copy * len + offset) as usize;
        let own = random.floats(shape.c as usize);
        shifts[at..][..own.len()].copy_from_slice(&own);
        let halves = own.iter().map(|_| if random.flag() { 2f32.powi(31) } else { 0.0 });
        let halves: Vec<f32> = halves.collect();
        shifts[at + len as usize..][..halves.len()].copy_from_slice(&halves);
    }
    let y = random.floats((whole.pixels() * whole.c) as usize);
    let of_copy = y.len() / copies as usize;
    let shifted = |(i, &y): (usize, &f32)| {
        let at = i / of_copy * 2 * len as usize + offset as usize + i % shape.c as usize;
        let half = f64::from(shifts[at + len as usize]);
        // The sign is that of the sum as f32 has it.
        let sum = f64::from(y) + f64::from(shifts[at]);
        if y + shifts[at] < 0.0 { sum + half } else { sum - half }
    };
    let after: Vec<f64> = y.iter().enumerate().map(shifted).collect();
    Ok(Case {
        label: format!("{copies} copies of {shape}, offset {offset}"),
        plan: plan(shape, copies, offset, len)?,
        data: vec![
            Data::input(&shifts),
            // Two sums, each of which is rounded once; the first is small beside a half.
            Data::in_out(
                &nan_padded(&y, shape.c),
                Want::channels(&after, whole, |v| 2.0 * EPS * v.abs()),
            ),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let each = |shape| [(1, 0), (3, 5)].map(|(copies, offset)| (shape, copies, offset));
    let all = SHAPES.into_iter().flat_map(each);
    all.map(|(shape, copies, offset)| case(shape, copies, offset, &mut Random::new(47))).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let (copies, offset) = (random.length(4), random.below(9));
    case(random.images(5_000), copies, offset, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_copy_has_its_shifts() {
        let shape = Nhwc::new(2, 3, 3, 5);
        assert_eq!(plan(shape, 3, 2, 7).unwrap().bytes, [168, 3 * 2 * 9 * 8 * 4]);
        assert!(plan(shape, 3, 3, 7).is_err() && plan(shape, 0, 0, 7).is_err());
        assert!(plan(shape, 1, u32::MAX, 7).is_err());
    }
}
