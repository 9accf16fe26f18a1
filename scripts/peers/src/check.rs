//! Compares burn's results with sums as they are defined.

use crate::{
    Outcome,
    burn::{Burn, Operands},
    convolution::{Convolution, Pass},
};

/// Largest relative L2 error of a small result.
const BOUND: f64 = 1e-5;
/// And of some elements of a large one: a weight gradient sums as many products as there are pixels, in f32. One
/// product left out of 32 x 32 x 32 would be an error of 5e-3.
const BOUND_OF_LARGE: f64 = 1e-4;
/// Elements of a large result that are compared.
const SOME: usize = 64;

/// Compares whole results of all passes at two small shapes, which no tile fits.
pub fn whole_results(burn: &Burn) -> Outcome<()> {
    let conv = Convolution { n: 2, h: 9, w: 7, c: 5, r: 3, s: 3, k: 6, stride: 1, padding: 1 };
    for conv in [conv, Convolution { stride: 2, ..conv }] {
        let operands = burn.operands(conv);
        for pass in Pass::ALL {
            let error = error(burn, &operands, pass, 1)?;
            eprintln!("checked: {pass:?}, stride {}: relative error {error:.1e}", conv.stride);
            refuse(error, BOUND, conv, pass)?;
        }
    }
    Ok(())
}

/// Compares some elements of one result, spread over all of it.
pub fn some_elements(burn: &Burn, operands: &Operands, pass: Pass) -> Outcome<()> {
    let conv = operands.conv;
    // An odd step passes through all remainders by powers of two.
    let step = conv.len(pass).div_ceil(SOME) | 1;
    refuse(error(burn, operands, pass, step)?, BOUND_OF_LARGE, conv, pass)
}

/// The relative L2 error over every `step`th element.
fn error(burn: &Burn, operands: &Operands, pass: Pass, step: usize) -> Outcome<f64> {
    let got = burn.result(operands, pass)?;
    let conv = operands.conv;
    if got.len() != conv.len(pass) {
        return Err(format!("{pass:?} of {conv:?} has {} elements", got.len()).into());
    }
    let (mut difference, mut size) = (0.0, 0.0);
    for i in (0..got.len()).step_by(step) {
        let want = conv.element(pass, &operands.values, i);
        difference += (f64::from(got[i]) - want).powi(2);
        size += want.powi(2);
    }
    Ok((difference / size).sqrt())
}

/// Fails for a number above the bound, and for none.
fn refuse(error: f64, bound: f64, conv: Convolution, pass: Pass) -> Outcome<()> {
    if error <= bound {
        return Ok(());
    }
    Err(format!("{pass:?} of {conv:?} is wrong: relative error {error:.1e}, bound {bound:.0e}")
        .into())
}
