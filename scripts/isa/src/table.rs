//! The table: a row for each variant and mode on each family of GPUs, with the worst of all its constants.

use crate::{
    assembly::{Code, Loop},
    device::{Compiled, Outcome},
    jobs::Job,
};

/// A family of GPUs whose compiler is asked.
pub struct Family {
    /// Name in tables.
    pub name: &'static str,
    /// Values of `RADV_FORCE_FAMILY`: that of Mesa 22, and that of 25.
    pub radv: [&'static str; 2],
    /// Lanes of a subgroup that are asked for; 0 leaves it to the driver, as wgpu does.
    pub wave: u32,
    /// Issue slots of one multiply-add: RDNA3 issues two at once for a subgroup of 64 lanes. With 32 lanes
    /// the compiler pairs them itself.
    pub fma_slots: f64,
    /// Whether it is asked only of the newer Mesa.
    pub newer: bool,
}

const fn family(name: &'static str, radv: [&'static str; 2], wave: u32, half: bool) -> Family {
    Family { name, radv, wave, fma_slots: if half { 0.5 } else { 1.0 }, newer: wave != 0 }
}

/// All families, the oldest first.
pub const FAMILIES: [Family; 5] = [
    family("Vega", ["vega10", "vega10"], 0, false),
    family("RDNA2", ["navi21", "navi21"], 0, false),
    family("RDNA3", ["gfx1100", "navi31"], 0, true),
    family("RDNA3 wave32", ["gfx1100", "navi31"], 32, false),
    Family { newer: true, ..family("RDNA4", ["gfx1201", "gfx1201"], 0, true) },
];

/// A row of the table. The first three columns are its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub family: String,
    pub variant: String,
    pub mode: String,
    /// Vector registers, subgroups that fit at once, bytes of workgroup memory and of code.
    pub registers: f64,
    pub occupancy: f64,
    pub shared: f64,
    pub code: f64,
    /// Registers and instructions that spill.
    pub spills: f64,
    /// Multiply-adds in a turn of the inner loop, or products of matrices if there are any.
    pub work: f64,
    /// Per cent of the vector unit's slots in the inner loop that multiply and add; of the loop around it
    /// where the inner one is a part of a step.
    pub share: f64,
    /// Full waits between fetch and multiply-adds.
    pub waits: f64,
    /// Bytes from workgroup memory for one multiply-add or one product of matrices.
    pub bytes: f64,
    /// Loads of two bytes or one from workgroup memory in the inner loop.
    pub small: f64,
}

/// Names of the columns in files.
pub const COLUMNS: [&str; 13] = [
    "family",
    "variant",
    "mode",
    "vgprs",
    "occupancy",
    "lds",
    "code",
    "spills",
    "work",
    "share",
    "waits",
    "lds/work",
    "small",
];

impl Row {
    /// The row of one compiled shader.
    pub fn new(family: &Family, job: &Job, compiled: &Compiled) -> Self {
        let of = |name: &str| {
            compiled.statistics.iter().find(|(n, _)| n == name).map_or(0.0, |(_, value)| *value)
        };
        let code = Code::parse(&compiled.assembly);
        let (hot, around) = code.hottest().unwrap_or_default();
        let work = if hot.matrix > 0 { hot.matrix } else { hot.fmas };
        let outer_waits = around.filter(|_| hot.loads == 0).map_or(0, |l| l.full_waits);
        Self {
            family: family.name.into(),
            variant: format!("{} {}", job.kernel.name, job.variant.name),
            mode: job.mode(),
            registers: of("VGPRs"),
            occupancy: of("Subgroups per SIMD"),
            shared: of("LDS size"),
            code: of("Code size"),
            spills: of("Spilled VGPRs") + code.spills() as f64,
            work: work.into(),
            share: share(family, hot, around),
            waits: f64::from(hot.waits + outer_waits),
            bytes: if work > 0 { f64::from(hot.shared_bytes) / f64::from(work) } else { 0.0 },
            small: hot.small_loads.into(),
        }
    }

    /// What the row is about.
    pub fn name(&self) -> [&str; 3] {
        [&self.family, &self.variant, &self.mode]
    }

    /// The worse of both in every column.
    fn join(&mut self, other: &Self) {
        for (mine, theirs) in [
            (&mut self.registers, other.registers),
            (&mut self.shared, other.shared),
            (&mut self.code, other.code),
            (&mut self.spills, other.spills),
            (&mut self.waits, other.waits),
            (&mut self.bytes, other.bytes),
            (&mut self.small, other.small),
        ] {
            *mine = mine.max(theirs);
        }
        self.occupancy = self.occupancy.min(other.occupancy);
        self.share = self.share.min(other.share);
        self.work = self.work.min(other.work);
    }

    fn numbers(&self) -> [f64; 10] {
        [
            self.registers,
            self.occupancy,
            self.shared,
            self.code,
            self.spills,
            self.work,
            self.share,
            self.waits,
            self.bytes,
            self.small,
        ]
    }

    /// The row as a line of a file.
    pub fn line(&self) -> String {
        let mut cells: Vec<String> = self.name().map(str::to_owned).into();
        cells.extend(self.numbers().map(number));
        cells.join("\t")
    }

    /// The row of a line.
    pub fn parse(line: &str) -> Outcome<Self> {
        let cells: Vec<_> = line.split('\t').collect();
        let [family, variant, mode] = [0, 1, 2].map(|i| cells.get(i).unwrap_or(&"").to_string());
        let numbers = cells.iter().skip(3).map(|c| c.parse()).collect::<Result<Vec<f64>, _>>()?;
        let [registers, occupancy, shared, code, spills, work, share, waits, bytes, small] =
            numbers.try_into().map_err(|_| format!("not a row: {line}"))?;
        Ok(Self {
            family,
            variant,
            mode,
            registers,
            occupancy,
            shared,
            code,
            spills,
            work,
            share,
            waits,
            bytes,
            small,
        })
    }

    /// What is worse than a recorded row allows.
    pub fn worse_than(&self, bound: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut judge = |what: &str, value: f64, most: f64| {
            if value > most {
                wrong.push(format!("{what} {} instead of {}", number(value), number(most)));
            }
        };
        judge("registers", self.registers, bound.registers);
        judge("bytes of workgroup memory", self.shared, bound.shared);
        judge("spills", self.spills, bound.spills);
        judge("full waits before multiply-adds", self.waits, bound.waits);
        judge("bytes of workgroup memory per multiply-add", self.bytes, bound.bytes + 0.005);
        judge("small loads", self.small, bound.small);
        if self.share < bound.share - 1.0 {
            wrong.push(format!(
                "{} % of the inner loop's slots multiply and add instead of {} %",
                number(self.share),
                number(bound.share)
            ));
        }
        wrong.iter().map(|why| format!("{}: {why}", self.name().join(", "))).collect()
    }
}

/// Turns of an inner loop that a step leaves rolled.
const ROLLED: f64 = 4.0;

/// Issue slots of a product of 16 x 16 x 16 of a subgroup of 32 lanes: RDNA3's vector unit makes 256 of its operations
/// at once.
const MATRIX_SLOTS: f64 = 32.0;

/// Per cent of the vector unit's slots in the inner loop that multiply and add, of the loop around it where the inner
/// one is a part of a step.
///
/// A slot is one instruction of a subgroup. One of 64 lanes lasts for two clocks of 32 lanes, and a multiply-add, of
/// which RDNA3 issues two at once, for one: half a slot. A product of matrices is the same for 32 and 64 lanes,
/// which share it: as many clocks are half as many slots.
fn share(family: &Family, hot: Loop, around: Option<Loop>) -> f64 {
    let of = |l: Loop| {
        if l.matrix > 0 {
            // Beside products single multiply-adds are others.
            let others = l.others + l.fma_instructions;
            (f64::from(l.matrix) * MATRIX_SLOTS * family.fma_slots, f64::from(others))
        } else {
            (f64::from(l.fma_instructions) * family.fma_slots, f64::from(l.others))
        }
    };
    let (mut useful, mut others) = of(hot);
    // The inner loop of a step that is not unrolled takes the same few turns each time.
    if let Some(around) = around
        && around.loads > 0
        && hot.loads == 0
    {
        (useful, others) = (ROLLED * useful, ROLLED * others + f64::from(around.others));
    }
    if useful > 0.0 { 100.0 * useful / (useful + others) } else { 0.0 }
}

/// A number with at most two places.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The rows of one variant and mode joined into one, in order of their names.
pub fn joined(rows: Vec<Row>) -> Vec<Row> {
    let mut joined: Vec<Row> = Vec::new();
    for row in rows {
        match joined.iter_mut().find(|r| r.name() == row.name()) {
            Some(other) => other.join(&row),
            None => joined.push(row),
        }
    }
    joined
}

/// Everything in which the rows are worse than the recorded ones, or not recorded, or gone.
pub fn broken(rows: &[Row], bounds: &[Row]) -> Vec<String> {
    let mut wrong = Vec::new();
    for row in rows {
        match bounds.iter().find(|b| b.name() == row.name()) {
            Some(bound) => wrong.extend(row.worse_than(bound)),
            None => wrong.push(format!("{}: not recorded", row.name().join(", "))),
        }
    }
    let gone = bounds.iter().filter(|b| !rows.iter().any(|r| r.name() == b.name()));
    wrong.extend(gone.map(|b| format!("{}: recorded, but not compiled", b.name().join(", "))));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "RDNA2\tconv2d tile\tMASK_IN\t96\t10\t12288\t4000\t0\t1024\t91.5\t0\t1\t0";

    #[test]
    fn a_row_survives_its_line_and_is_not_worse_than_itself() {
        let row = Row::parse(LINE).unwrap();
        assert_eq!(row.line(), LINE);
        assert!(broken(std::slice::from_ref(&row), std::slice::from_ref(&row)).is_empty());
        assert!(Row::parse("RDNA2\tconv2d tile").is_err());
    }

    #[test]
    fn every_bound_can_be_broken() {
        let bound = Row::parse(LINE).unwrap();
        let change = |f: &dyn Fn(&mut Row)| {
            let mut row = bound.clone();
            f(&mut row);
            broken(&[row], std::slice::from_ref(&bound)).len()
        };
        assert_eq!(change(&|r| r.registers += 1.0), 1);
        assert_eq!(change(&|r| r.spills += 1.0), 1);
        assert_eq!(change(&|r| r.shared += 4.0), 1);
        assert_eq!(change(&|r| r.waits += 1.0), 1);
        assert_eq!(change(&|r| r.bytes += 0.1), 1);
        assert_eq!(change(&|r| r.small += 1.0), 1);
        assert_eq!(change(&|r| r.share -= 1.5), 1);
        assert_eq!(change(&|r| r.share -= 0.5), 0, "rounding of addresses may differ");
        assert_eq!(change(&|r| r.mode.clear()), 2, "one is not recorded, the other gone");
    }

    #[test]
    fn slots_are_counted_as_long_as_they_last() {
        let [wave64, wave32] = ["RDNA3", "RDNA3 wave32"]
            .map(|name| FAMILIES.iter().find(|family| family.name == name).unwrap());
        let step = Loop { loads: 6, ..Loop::default() };
        // 16 products of 32 clocks; 128 instructions of two clocks, or of one.
        let products = Loop { matrix: 16, others: 100, fma_instructions: 28, ..step };
        assert_eq!(share(wave64, products, None), 100.0 * 512.0 / (512.0 + 256.0));
        assert_eq!(share(wave32, products, None), 100.0 * 512.0 / (512.0 + 128.0));
        // Two multiply-adds at once are one clock, an instruction beside them two.
        let fmas = Loop { fmas: 512, fma_instructions: 512, others: 64, ..step };
        assert_eq!(share(wave64, fmas, None), 80.0);
        // Four turns without loads in a step that loads.
        let products = Loop { matrix: 4, others: 8, ..Loop::default() };
        let around = Some(Loop { others: 96, ..step });
        assert_eq!(share(wave32, products, around), 80.0);
        assert_eq!(share(wave32, Loop::default(), around), 0.0);
    }

    #[test]
    fn the_worst_of_all_constants_stands_for_a_mode() {
        let row = Row::parse(LINE).unwrap();
        let other = Row { registers: 100.0, share: 80.0, occupancy: 12.0, ..row.clone() };
        let [one] = joined(vec![row, other]).try_into().unwrap();
        assert_eq!((one.registers, one.share, one.occupancy), (100.0, 80.0, 10.0));
    }
}
