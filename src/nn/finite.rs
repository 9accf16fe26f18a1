//! Checks whether what a network computed is finite, and finds the first place where it is not.

use crate::{
    error::{Error, Result},
    gpu::Buffer,
    kernels::reduce::non_finite::{self, NONE},
    run::{BufferId, Gpu, Program, Tape},
};
use std::ops::Range;

/// Returns an error if a number of an output is not finite. The error names the output by `network` and
/// `tensor`; `place`, which finds where the first such number arose, is called only in that case.
///
/// # Errors
/// [`Error::NotFiniteOutput`] naming the first such number by its index in the tensor; the errors of
/// `place`.
pub fn check_finite(
    [network, tensor]: [&str; 2],
    shape: &[usize],
    data: &[f32],
    place: impl FnOnce() -> Result<Option<String>>,
) -> Result<()> {
    let Some(first) = data.iter().position(|v| !v.is_finite()) else { return Ok(()) };
    let what = format!("{network}: {tensor}{}", index(shape, first));
    Err(Error::NotFiniteOutput { what, value: data[first], place: place()? })
}

/// The index of element `at` of a tensor as NumPy has it, `[1, 0, 2]`; a scalar has none.
fn index(shape: &[usize], mut at: usize) -> String {
    let mut index = Vec::new();
    for extent in shape.iter().rev().map(|&extent| extent.max(1)) {
        index.insert(0, at % extent);
        at /= extent;
    }
    if index.is_empty() { String::new() } else { format!("{index:?}") }
}

/// Runs entries of a program again, one by one, and names the first that writes a number that is not
/// finite.
pub fn first_not_finite(
    gpu: &Gpu,
    program: &Program,
    entries: Range<usize>,
) -> Result<Option<String>> {
    let mut first = None;
    program.run_each(gpu, entries, &mut |place, buffer, bytes| {
        if first.is_none() && !is_finite(gpu, buffer, bytes)? {
            first = Some(place.to_owned());
        }
        Ok(())
    })?;
    Ok(first)
}

/// Appends a dispatch that checks the first `bytes` of a buffer: `found[slot]` becomes the index of the
/// first float that is not finite, if there is one.
///
/// # Errors
/// `bytes` is 0, or there is no such slot.
pub fn append_look(
    tape: &mut Tape,
    buffer: &Buffer,
    bytes: u64,
    (found, slot, slots): (BufferId, u32, u32),
) -> Result<()> {
    let values = tape.import("values", buffer);
    let len = u32::try_from(bytes / 4).unwrap_or(u32::MAX);
    tape.push(non_finite::plan(len, slot, slots)?, &[values, found])
}

/// Whether the first bytes of a buffer hold finite floats only.
fn is_finite(gpu: &Gpu, buffer: &Buffer, bytes: u64) -> Result<bool> {
    let mut tape = Tape::new();
    let found = tape.kept("not finite", 4);
    append_look(&mut tape, buffer, bytes, (found, 0, 1))?;
    let program = Program::build(gpu, &tape)?;
    program.write(gpu, found, 0, &[NONE]);
    program.run(gpu)?;
    Ok(program.read::<u32>(gpu, found)?[0] == NONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_number_is_named_by_its_index() {
        let mut data = [0.0; 24];
        let check = |data: &[f32]| {
            check_finite(["net", "y"], &[2, 3, 4], data, || Ok(Some("conv1".into())))
        };
        assert!(check(&data).is_ok());
        data[23] = f32::NAN;
        data[18] = f32::NEG_INFINITY;
        let error = check(&data).unwrap_err();
        assert_eq!(error.to_string(), "net: y[1, 1, 2] is -inf: first seen in conv1");
        assert!(error.hint().is_some() && error.exit_code() == 1);
        let error = check_finite(["net", "the loss"], &[], &[f32::NAN], || Ok(None)).unwrap_err();
        assert_eq!(error.to_string(), "net: the loss is NaN");
    }
}
