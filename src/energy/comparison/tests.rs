use super::*;
use crate::energy::published;

#[test]
fn everything_printed_is_reproduced_but_three_slips() {
    let paper = published().unwrap();
    let all = compare(&paper).unwrap();
    let count = |q| all.compared.iter().filter(|c| c.quantity == q).count();
    use Quantity::*;
    let counts = [Parameters, PaperMacs, WeightAccesses, Cycles].map(count);
    assert_eq!(counts, [23, 23, 11, 11]);
    assert_eq!([EnergySaving, MacSaving, Efficiency, Recovery].map(count), [30, 30, 60, 60]);
    let different: Vec<_> = all
        .differences()
        .map(|c| {
            assert!(c.explanation.is_some(), "{c:?}");
            (c.table, c.network.as_str(), c.generator.as_deref().unwrap(), c.ber)
        })
        .collect();
    assert_eq!(
        different,
        [
            ("2", "vgg19", "ConvS", None),
            ("3", "vgg11", "UNetL", Some(0.01)),
            ("12", "vgg16", "DeConvL", Some(0.005)),
        ]
    );
    // Every explanation belongs to a difference that was found.
    assert_eq!(paper.explanation.len(), different.len());
    let slip = all.entry(EnergySaving, ("vgg19", 32), Some("ConvS"), None).unwrap();
    assert_eq!(format!("{:.1} {}", slip.ours, slip.printed), "29.3 29.7");
}

/// Least and greatest saving per access with which every entry except `without` is reproduced.
fn fitting(all: &PaperComparison, quantity: Quantity, saved: f64, without: &[&str]) -> [f64; 2] {
    let entries = all.compared.iter().filter(|c| c.quantity == quantity);
    let entries = entries
        .filter(|c| c.generator.as_deref() != without.get(1).copied() || c.network != without[0]);
    entries.fold([f64::MIN, f64::MAX], |[least, most], c| {
        let middle = saved + c.printed.parse::<f64>().unwrap() - c.ours;
        [least.max(middle - 0.05), most.min(middle + 0.05)]
    })
}

#[test]
fn the_constants_follow_from_the_tables() {
    let all = compare(&published().unwrap()).unwrap();
    let [least, most] = fitting(&all, Quantity::EnergySaving, 30.605, &["vgg19", "ConvS"]);
    assert!(least < 30.605 && 30.605 < most && most - least < 0.02, "{least} to {most}");
    let [least, most] = fitting(&all, Quantity::MacSaving, 30.6, &[""]);
    assert!(least < 30.6 && 30.6 < most, "{least} to {most}");
}

#[test]
fn table_8_with_all_digits_misses_one_entry() {
    let all = compare(&published().unwrap()).unwrap();
    let entries = all.compared.iter().filter(|c| c.quantity == Quantity::MacSaving);
    let missed = entries.filter(|c| {
        let base = all.cost(&c.network, 32).unwrap();
        let generator = all.cost(c.generator.as_deref().unwrap(), 32);
        let ours = base.mac_saving(generator, 1.0 - 0.306, |c| c.paper_macs);
        format!("{ours:.1}") != c.printed
    });
    let missed: Vec<_> = missed.map(|c| (&*c.network, c.generator.as_deref())).collect();
    assert_eq!(missed, [("resnet50", Some("ConvL"))]);
}

#[test]
fn cycles_give_the_latency_overheads() {
    let all = compare(&published().unwrap()).unwrap();
    let base = all.cost("resnet18", 32).unwrap();
    let overheads = published()
        .unwrap()
        .generators
        .iter()
        .map(|name| format!("{:.1}", base.latency_overhead(all.cost(name, 32).unwrap())))
        .collect::<Vec<_>>();
    assert_eq!(overheads, ["13.9", "2.6", "10.4", "3.8", "10.0", "5.3"]);
}

#[test]
fn a_changed_number_is_found() {
    let mut paper = published().unwrap();
    paper.network[0].weight_accesses = Some(2_755_969);
    paper.network[1].macs = "1.32G".into();
    paper.table_8.get_mut("vgg11").unwrap()[0] = -21.7;
    let all = compare(&paper).unwrap();
    let found: Vec<_> = all.differences().filter(|c| c.explanation.is_none()).collect();
    let found: Vec<_> = found.iter().map(|c| (c.table, c.network.as_str())).collect();
    // Table 8 depends on the printed multiply-adds of ResNet50, so it differs as well.
    assert_eq!(found[..2], [("6/7", "resnet18"), ("6/7", "resnet50")]);
    assert!(found.contains(&("8", "vgg11")), "{found:?}");
}
