//! Names of classes: their order in a folder, and which names of two lists mean the same class.

use std::collections::HashMap;

/// Sorts the class folders of a data set, the order of its labels: by number where all names are numbers
/// (`0, 1, 2, ..., 10`), else by their bytes.
pub(super) fn sort(names: &mut [String]) {
    names.sort_unstable();
    if names.iter().all(|name| number(name).is_some()) {
        // A stable sort: names of the same number, such as 1 and 01, stay in the order of their bytes.
        names.sort_by(|a, b| number(a).unwrap_or(0.0).total_cmp(&number(b).unwrap_or(0.0)));
    }
}

/// A number as people name folders: digits, perhaps a sign and a decimal point.
fn number(name: &str) -> Option<f64> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = name
        .strip_prefix('-')
        .unwrap_or(name)
        .split_once('.')
        .unwrap_or_else(|| (name.strip_prefix('-').unwrap_or(name), "0"));
    (digits(whole) && digits(part)).then(|| name.parse().ok()).flatten()
}

/// Whether these classes are called by the numbers of their labels: 0, 1, 2, ..., also with leading zeros.
#[must_use]
pub fn are_numbered(names: &[String]) -> bool {
    let digits = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    let of = |(i, name): (usize, &String)| digits(name) && name.parse() == Ok(i);
    !names.is_empty() && names.iter().enumerate().all(of)
}

/// Whether class names, in the order of their labels, are sorted by number and so not by their bytes, as
/// PyTorch's `ImageFolder` and earlier versions of this program sort them.
#[must_use]
pub fn are_by_number(names: &[String]) -> bool {
    !names.is_sorted() && names.iter().all(|name| number(name).is_some())
}

/// For each of `names` the index of the same class in `own`, where it is certain: equal names, or names that
/// differ in case, in spaces, underscores, hyphens, slashes and colons, or in leading zeros, which file systems
/// and habits change.
#[must_use]
pub fn find(names: &[String], own: &[String]) -> Vec<Option<u16>> {
    let [exact, alike] =
        [str::to_owned as fn(&str) -> String, plain].map(|spelt| found(names, own, spelt));
    let count = |found: &[Option<u16>]| found.iter().flatten().count();
    if count(&alike) > count(&exact) { alike } else { exact }
}

fn found(names: &[String], own: &[String], spelt: fn(&str) -> String) -> Vec<Option<u16>> {
    let mut index: HashMap<String, u16> =
        (0..=u16::MAX).zip(own).map(|(i, name)| (spelt(name), i)).collect();
    // Two classes that are equal in this spelling cannot be told apart: then nothing is matched.
    if index.len() < own.len() {
        index.clear();
    }
    // A class is removed once it is matched, so that a second name for it finds nothing.
    names.iter().map(|name| index.remove(&spelt(name))).collect()
}

/// A name in lower case, without separators and leading zeros, in which file systems and habits differ.
fn plain(name: &str) -> String {
    let separates = |c: char| c.is_whitespace() || "_-/\\:".contains(c);
    let lower = name.to_lowercase();
    let mut plain = String::new();
    for word in lower.split(separates).filter(|word| !word.is_empty()) {
        let is_number = word.bytes().all(|b| b.is_ascii_digit());
        // Adjacent numbers stay apart: 1_0 is not 10.
        if is_number && plain.ends_with(|c: char| c.is_ascii_digit()) {
            plain.push(' ');
        }
        plain += match word.trim_start_matches('0') {
            "" if is_number => "0",
            digits if is_number => digits,
            _ => word,
        };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<String> {
        list.split(',').map(str::to_owned).collect()
    }

    #[test]
    fn numbers_are_sorted_by_number_and_names_by_their_bytes() {
        for (given, sorted) in [
            ("10,9,1,0,42", "0,1,9,10,42"),
            ("00010,00002,00000", "00000,00002,00010"),
            ("010,2,1,01", "01,1,2,010"),
            ("0.5,0.25,10,-1", "-1,0.25,0.5,10"),
            (
                "98765432109876543211,98765432109876543210",
                "98765432109876543210,98765432109876543211",
            ),
            ("b10,b9,a", "a,b10,b9"),
            ("10,9,cat", "10,9,cat"),
            ("1e3,5,inf", "1e3,5,inf"),
            ("10,9,.5", ".5,10,9"),
        ] {
            let mut list = names(given);
            sort(&mut list);
            assert_eq!(list, names(sorted));
        }
        assert!(are_by_number(&names("0,1,2,3,4,5,6,7,8,9,10")));
        assert!(!are_by_number(&names("0,1,2")) && !are_by_number(&names("b,a")));
        assert!(are_numbered(&names("0,1,2")) && are_numbered(&names("00,01,02")));
        for other in ["1,2,3", "0,2", "0,1,1", "0,+1", "a", "0,1.0", "0,"] {
            assert!(!are_numbered(&names(other)), "{other}");
        }
        assert!(!are_numbered(&[]));
    }

    #[test]
    fn classes_are_found_by_name_where_it_is_certain() {
        let find = |list: &[String], own: &[String]| -> Option<Vec<u16>> {
            find(list, own).into_iter().collect()
        };
        let own = names("T-shirt/top,ankle boot,bag,3");
        assert_eq!(find(&names("bag,T-shirt/top"), &own), Some(vec![2, 0]));
        let spelt = names("Ankle_boot,BAG,t-shirt_top,0003");
        assert_eq!(find(&spelt, &own), Some(vec![1, 2, 0, 3]));
        assert_eq!(find(&names("ankleboot"), &own), Some(vec![1]));
        for other in ["boot", "bag,Bag", "bags", "ankle boot (2)", "30", ""] {
            assert_eq!(find(&names(other), &own), None, "{other}");
        }
        let some = super::find(&names("bag,tie,Ankle_boot,BAG"), &own);
        assert_eq!(some, [Some(2), None, Some(1), None]);
        // Where a list has two classes that differ only in spelling, nothing is guessed.
        assert_eq!(find(&names("a b,AB"), &names("AB,a b")), Some(vec![1, 0]));
        assert_eq!(find(&names("a_b"), &names("AB,a b")), None);
        assert_eq!(find(&names("C++"), &names("c")), None);
        assert_eq!(find(&names("1_0"), &names("10")), None);
        assert_eq!(find(&names("speed_limit_020"), &names("Speed limit 20")), Some(vec![0]));
    }
}
