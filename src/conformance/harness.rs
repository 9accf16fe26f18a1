//! Runs cases on an adapter, with poisoned outputs and guard words.

use crate::kernels::twin::{Case, Data, POISON, WrongElements};
use crate::{
    error::{Error, Result},
    kernels::desc::Variant,
    run::{Gpu, Program, Tape},
};
use serde::Serialize;
use std::fmt;

/// Guard words appended to every binding. They lie inside it, because behind its end bounds checks
/// would hide an overrun. They are NaN, so that reading one shows in the result even where it is
/// multiplied by 0.
const GUARD: [u32; 16] = [0x7FC0_BEEF; 16];

/// Result of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaseOutcome {
    /// Every element is within its bound.
    Ok,
    /// A result is not what it must be.
    Wrong(Wrong),
    /// The adapter lacks what the variant needs.
    Unsupported(String),
}

/// What was wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wrong {
    /// The kernel's name of the buffer; `None` where nothing was computed.
    pub binding: Option<String>,
    /// The first wrong element and the number of wrong ones; `None` where the fault is not in single
    /// elements.
    pub mismatch: Option<WrongElements>,
    /// The same in words.
    pub what: String,
}

impl Wrong {
    fn of(binding: &str, mismatch: WrongElements) -> Self {
        let what = format!("{binding}: {mismatch}");
        Self { binding: Some(binding.into()), mismatch: Some(mismatch), what }
    }

    fn past_the_end(binding: &str) -> Self {
        let what = format!("{binding}: wrote past its end");
        Self { binding: Some(binding.into()), mismatch: None, what }
    }

    /// The driver refused to compile or run the case.
    pub(super) fn refused(error: &Error) -> Self {
        Self { binding: None, mismatch: None, what: error.to_string() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Runs one case with a variant at a workgroup size.
///
/// # Errors
/// The GPU failed; a wrong result is a [`CaseOutcome`].
pub fn run_case(gpu: &Gpu, case: &Case, variant: &Variant, workgroup: u32) -> Result<CaseOutcome> {
    if let Some(reason) = gpu.lacks(variant, workgroup) {
        return Ok(CaseOutcome::Unsupported(format!("needs {reason}")));
    }
    let mut tape = Tape::new();
    let mut ids = Vec::new();
    let names = &case.plan.kernel.bindings[1..];
    if names.len() != case.data.len() {
        return Err(Error::Shape(format!(
            "{} {}: {} bindings, {} operands",
            case.plan.kernel.name,
            case.label,
            names.len(),
            case.data.len()
        )));
    }
    for ((data, (name, _)), &bytes) in case.data.iter().zip(names).zip(&case.plan.bytes) {
        let contents = contents(data);
        if contents.len() as u64 != bytes {
            return Err(Error::Shape(format!(
                "{} {}: {name} is planned with {bytes} bytes, the case has {}",
                case.plan.kernel.name,
                case.label,
                contents.len()
            )));
        }
        if let Data::Output(want) | Data::InOut(_, want) = data
            && !want.fits_its_axes()
        {
            let case = format!("{} {}", case.plan.kernel.name, case.label);
            return Err(Error::Shape(format!("{case}: the axes of {name} are not its own")));
        }
        ids.push(tape.kept(name, (contents.len() + GUARD.len() * 4) as u64));
    }
    tape.push_as(case.plan.clone(), &ids, variant.name, workgroup)?;
    let program = Program::build(gpu, &tape)?;
    for (data, &id) in case.data.iter().zip(&ids) {
        let mut bytes = contents(data);
        bytes.extend_from_slice(bytemuck::cast_slice(&GUARD));
        program.write(gpu, id, 0, &bytes);
    }
    program.run(gpu)?;
    for (data, (&id, (name, _))) in case.data.iter().zip(ids.iter().zip(names)) {
        let (Data::Output(want) | Data::InOut(_, want)) = data else {
            continue;
        };
        let words: Vec<u32> = program.read(gpu, id)?;
        if words[want.len()..] != GUARD {
            return Ok(CaseOutcome::Wrong(Wrong::past_the_end(name)));
        }
        if let Err(mismatch) = want.compare(&words[..want.len()]) {
            return Ok(CaseOutcome::Wrong(Wrong::of(name, mismatch)));
        }
    }
    Ok(CaseOutcome::Ok)
}

/// The workgroup sizes at which a variant runs a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizes {
    /// Each of the variant's sizes.
    Every,
    /// One size per case: the cases take the sizes in turn.
    InTurn,
}

/// Runs the cases that a variant serves; `each` is called with the workgroup size, the case and its
/// outcome.
pub fn run_variant(
    gpu: &Gpu,
    cases: &[Case],
    variant: &Variant,
    sizes: Sizes,
    mut each: impl FnMut(u32, &Case, &CaseOutcome),
) -> Result<()> {
    let served = cases.iter().filter(|case| variant.serves(&case.plan));
    let all = variant.workgroups.iter().copied();
    let uses: Vec<(u32, &Case)> = match sizes {
        Sizes::Every => all.flat_map(|size| served.clone().map(move |c| (size, c))).collect(),
        Sizes::InTurn => all.cycle().zip(served).collect(),
    };
    for (workgroup, case) in uses {
        each(workgroup, case, &run_case(gpu, case, variant, workgroup)?);
    }
    Ok(())
}

fn contents(data: &Data) -> Vec<u8> {
    match data {
        Data::Input(bytes) | Data::InOut(bytes, _) => bytes.clone(),
        Data::Output(want) => bytemuck::cast_slice(&vec![POISON; want.len()]).to_vec(),
    }
}
