//! Operating points: supply voltages with their error rate and energy per access, as data.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Error, Result},
    files,
    report::eval_json::Description,
};

const BUILT_IN: &str = include_str!("operating-points.toml");
const HINT: &str = "a point is [[point]] with voltage = 0.83, ber = 0.01, \
                    energy_per_access = 0.694 and, if you like, source = \"...\"";

/// A supply voltage, and its effect on the weight memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperatingPoint {
    /// Supply voltage, relative to the nominal one.
    pub voltage: f64,
    /// Probability that a cell is faulty.
    pub ber: f64,
    /// Energy of an access, relative to that at the nominal voltage.
    pub energy_per_access: f64,
    /// Where the numbers come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// A table of operating points, sorted from the highest voltage to the lowest; one point is nominal (BER 0).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OperatingPoints {
    /// Where the table comes from.
    pub source: String,
    /// Voltage of the nominal point, in the table's unit.
    pub nominal_voltage: f64,
    points: Vec<OperatingPoint>,
}

/// Relative tolerance for matching a fault rate with an operating point: the rate of a measured map is a
/// count of cells, and rarely equals the table's rate exactly.
const NEAR: f64 = 0.01;

/// The file as the user writes it: voltages and energies in any unit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    source: Option<String>,
    #[serde(default)]
    point: Vec<OperatingPoint>,
}

impl OperatingPoints {
    /// The points that the paper gives: the nominal voltage, and 0.83 of the lowest voltage without errors.
    pub fn built_in() -> Result<Self> {
        Self::parse(BUILT_IN, Path::new("src/energy/operating-points.toml"))
    }

    /// A user's table (TOML). Voltages and energies may be in any unit: they are divided by those
    /// of the nominal point, which has BER 0.
    ///
    /// # Errors
    /// The file cannot be read, is not a table of operating points, has a meaningless value, repeats a
    /// voltage or a BER, or has no nominal point.
    pub fn load(path: &Path) -> Result<Self> {
        Self::parse(&files::read_text(path)?, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::format(path, what, HINT);
        let file: File = toml::from_str(text).map_err(|e| wrong(files::toml_problem(text, &e)))?;
        for (i, p) in (1..).zip(&file.point) {
            if !(0.0..1.0).contains(&p.ber) {
                let what = format!("the BER of point {i} is {}: a rate is 0 <= rate < 1", p.ber);
                return Err(wrong(what));
            }
            for (name, value) in
                [("voltage", p.voltage), ("energy_per_access", p.energy_per_access)]
            {
                if !(value > 0.0 && value.is_finite()) {
                    return Err(wrong(format!("the {name} of point {i} is {value}: not above 0")));
                }
            }
            for (j, q) in (1..i).zip(&file.point) {
                let (what, value) = match () {
                    () if same(p.voltage, q.voltage) => ("voltage", p.voltage),
                    () if same(p.ber, q.ber) => ("BER", p.ber),
                    () => continue,
                };
                return Err(wrong(format!("points {j} and {i} have the same {what}, {value}")));
            }
        }
        let mut points = file.point;
        let Some(nominal) = points.iter().find(|p| p.ber == 0.0).cloned() else {
            return Err(wrong("no point is nominal: one must have ber = 0".into()));
        };
        for p in &mut points {
            p.voltage /= nominal.voltage;
            p.energy_per_access /= nominal.energy_per_access;
            if ![p.voltage, p.energy_per_access].iter().all(|v| v.is_normal()) {
                let what = format!(
                    "what the point of BER {} has over the nominal one is no number",
                    p.ber
                );
                return Err(wrong(what));
            }
        }
        points.sort_by(|a, b| b.voltage.total_cmp(&a.voltage));
        let source = file.source.unwrap_or_else(|| path.display().to_string());
        Ok(Self { source, nominal_voltage: nominal.voltage, points })
    }

    /// The points, the highest voltage first.
    pub fn iter(&self) -> impl Iterator<Item = &OperatingPoint> {
        self.points.iter()
    }

    /// The operating point nearest to a BER, if the table has one within 1 % of it. BER 0 matches the nominal
    /// point only.
    pub fn at(&self, ber: f64) -> Option<&OperatingPoint> {
        let distance = |p: &OperatingPoint| (p.ber - ber).abs();
        let near = self.points.iter().filter(|p| distance(p) <= NEAR * ber);
        near.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }

    /// The point of a voltage relative to the nominal one, if it is in the table.
    pub fn at_voltage(&self, voltage: f64) -> Option<&OperatingPoint> {
        self.points.iter().find(|p| same(p.voltage, voltage))
    }

    /// The point of a voltage that a user typed, in the table's unit. Nothing is interpolated: nobody has
    /// measured how a memory behaves between two points.
    ///
    /// # Errors
    /// The table does not have the voltage; the hint names those that it has.
    pub fn require_voltage(&self, voltage: f64) -> Result<&OperatingPoint> {
        self.at_voltage(voltage / self.nominal_voltage).ok_or_else(|| {
            // Rounding removes the error in the last bits that a division and a multiplication
            // leave.
            let given = |p: &OperatingPoint| (p.voltage * self.nominal_voltage * 1e9).round() / 1e9;
            let known: Vec<String> = self.points.iter().map(|p| given(p).to_string()).collect();
            let hint = format!(
                "known: {} ({}); give a table of your own with --points FILE.toml",
                known.join(", "),
                self.source
            );
            Error::argument("--voltage", format!("no operating point has voltage {voltage}"), hint)
        })
    }

    /// The point of a BER that a user typed, within the tolerance of [`Self::at`].
    ///
    /// # Errors
    /// The number is not a rate, or the table does not have it; the hint names those that it has.
    pub fn require(&self, ber: f64) -> Result<&OperatingPoint> {
        if !(0.0..1.0).contains(&ber) {
            let what = format!("{ber} is not a rate of faulty cells: 0 <= rate < 1");
            return Err(Error::argument(
                "--ber",
                what,
                "rates are probabilities: 0.01 is one per cent",
            ));
        }
        self.at(ber).ok_or_else(|| {
            let known: Vec<String> = self.points.iter().map(|p| p.ber.to_string()).collect();
            let hint = format!(
                "known: {}; give a table of your own with --points FILE.toml",
                known.join(", ")
            );
            Error::argument("--ber", format!("no operating point has BER {ber}"), hint)
        })
    }
}

/// Whether two fault rates are close enough to belong to the same voltage.
pub fn same_rate(a: f64, b: f64) -> bool {
    (a - b).abs() <= NEAR * a.max(b)
}

/// Whether the rate of these faults tells a voltage: every bit of every layer can fail, in both
/// directions alike. It does not matter whether a faulty cell inverts its bit or is stuck (and changes half
/// of the bits), since the rate of an operating point counts faulty cells.
pub fn tells_voltage(faults: &Description) -> bool {
    let [ber01, ber10] = faults.rates();
    faults.is_everywhere() && same_rate(ber01, ber10) && faults.pattern().is_none()
}

/// Whether two numbers that users wrote are equal up to rounding.
fn same(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().min(b.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::eval_json::stuck_at;
    use serde_json::json;

    fn parse(text: &str) -> Result<OperatingPoints> {
        OperatingPoints::parse(text, Path::new("mine.toml"))
    }

    fn point(voltage: &str, ber: &str, energy: &str) -> String {
        format!("[[point]]\nvoltage = {voltage}\nber = {ber}\nenergy_per_access = {energy}\n")
    }

    #[test]
    fn the_papers_points() {
        let points = OperatingPoints::built_in().unwrap();
        let low = points.at(0.01).unwrap();
        assert_eq!((low.voltage, low.energy_per_access), (0.83, 0.69395));
        assert_eq!(points.at(0.0).unwrap().energy_per_access, 1.0);
        assert_eq!((points.iter().count(), points.at(0.005)), (2, None));
        assert!(points.iter().all(|p| p.source.is_some()));
    }

    #[test]
    fn units_are_the_users() {
        let text =
            point("0.5", "0.02", "3") + &point("0.8", "0", "12") + &point("0.7", "1e-3", "9");
        let points = parse(&text).unwrap();
        let voltages: Vec<f64> = points.iter().map(|p| p.voltage).collect();
        assert_eq!(voltages, [1.0, 0.7 / 0.8, 0.5 / 0.8]);
        assert_eq!(points.at(0.02).unwrap().energy_per_access, 0.25);
        assert_eq!(points.source, "mine.toml");
    }

    /// The rate of a measured map is a count of cells, not a number that somebody chose.
    #[test]
    fn a_rate_meets_the_nearest_point_within_a_hundredth() {
        let points = |rates: &[&str]| {
            let text = |(i, ber): (usize, &&str)| point(&format!("0.{}", 9 - i), ber, "1");
            let low: String = rates.iter().enumerate().map(text).collect();
            parse(&(point("1", "0", "1") + &low)).unwrap()
        };
        let one = points(&["0.0201"]);
        let met = |ber: f64| one.at(ber).map(|p| p.ber);
        assert_eq!(met(0.020_129_388_069_084_17), Some(0.0201));
        assert_eq!([met(0.0203), met(0.0199), met(0.020_31)], [Some(0.0201), None, None]);
        assert_eq!([met(0.0), met(1e-300), met(f64::NAN)], [Some(0.0), None, None]);
        let two = points(&["0.02", "0.0201", "0.0202"]);
        for (ber, nearest) in [(0.020_04, 0.02), (0.020_06, 0.0201), (0.0203, 0.0202)] {
            assert_eq!(two.at(ber).map(|p| p.ber), Some(nearest), "{ber}");
        }
        assert_eq!(two.require(0.020_129).unwrap().ber, 0.0201);
        assert!(same_rate(0.01, 0.010_05) && same_rate(0.0, 0.0));
        assert!(!same_rate(0.01, 0.0102) && !same_rate(0.0, 1e-9));
    }

    #[test]
    fn only_faults_of_a_whole_memory_tell_its_voltage() {
        let all = || stuck_at(0.01);
        let rates = |ber01, ber10| {
            let fields = json!({"faults": "asymmetric", "ber": 0, "ber01": ber01, "ber10": ber10});
            serde_json::from_value::<Description>(fields).unwrap()
        };
        for (faults, tells) in [
            (all(), true),
            (all().in_bits("7".parse().unwrap()), false),
            (all().in_layers("conv1".parse().unwrap()), false),
            (rates(0.01, 0.01), true),
            (rates(0.01, 0.02), false),
        ] {
            assert_eq!(tells_voltage(&faults), tells, "{faults:?}");
        }
    }

    #[test]
    fn a_voltage_is_one_of_the_tables_in_its_unit() {
        let text = point("0.8", "0", "1") + &point("0.56", "0.01", "1");
        let points = parse(&text).unwrap();
        assert_eq!(points.require_voltage(0.56).unwrap().ber, 0.01);
        assert_eq!(points.at_voltage(0.56 / 0.8).unwrap().ber, 0.01);
        for wrong in [0.6, 0.7, 0.0, -0.56, f64::NAN, f64::INFINITY] {
            let error = points.require_voltage(wrong).unwrap_err();
            assert!(error.hint().unwrap().starts_with("known: 0.8, 0.56 (mine.toml); "), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn mistakes_are_named() {
        let nominal = point("1.0", "0", "1");
        for (text, says) in [
            (String::new(), "no point is nominal"),
            (point("0.9", "0.01", "1"), "no point is nominal"),
            (nominal.clone() + &point("0.9", "1.0", "1"), "the BER of point 2 is 1"),
            (nominal.clone() + &point("0.9", "-0.1", "1"), "the BER of point 2 is -0.1"),
            (nominal.clone() + &point("0.9", "nan", "1"), "the BER of point 2 is NaN"),
            (nominal.clone() + &point("0.9", "0.01", "0"), "energy_per_access of point 2 is 0"),
            (nominal.clone() + &point("0.9", "0.01", "-1"), "energy_per_access of point 2 is -1"),
            (nominal.clone() + &point("inf", "0.01", "1"), "the voltage of point 2 is inf"),
            (nominal.clone() + &point("0.9", "0", "1"), "points 1 and 2 have the same BER, 0"),
            (nominal.clone() + &point("1", "0.01", "1"), "points 1 and 2 have the same voltage, 1"),
            (nominal.clone() + "volts = 1\n", "line 5: unknown field `volts`"),
            (nominal.clone() + "[[points]]\n", "line 5: unknown field `points`"),
            ("[[point]]\nvoltage = 1\nber = 0\n".into(), "missing field `energy_per_access`"),
            ("voltage = [".into(), "line 1: "),
            (point("\"high\"", "0", "1"), "line 2: invalid type: string"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.to_string().contains(says), "{error} does not say {says}");
            assert_eq!(error.to_string().lines().count(), 1, "{error}");
            assert!(error.hint().unwrap().contains("energy_per_access = "), "{error}");
        }
    }

    #[test]
    fn a_rate_that_is_not_there() {
        let points = OperatingPoints::built_in().unwrap();
        assert_eq!(points.require(0.01).unwrap().voltage, 0.83);
        let error = points.require(0.005).unwrap_err();
        assert!(error.hint().unwrap().starts_with("known: 0, 0.01; "), "{error:?}");
        assert!(error.hint().unwrap().contains("--points"), "{error:?}");
        for ber in [1.0, -0.1, f64::NAN] {
            assert!(points.require(ber).unwrap_err().to_string().contains("not a rate"), "{ber}");
        }
    }
}
