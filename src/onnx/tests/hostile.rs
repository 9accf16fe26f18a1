//! Files that were changed at random, and small ones that ask for much.

use super::{
    super::*,
    fixtures::files,
    write::{Draft, int},
};
use std::fs;

/// xorshift64*, so that a seed means the same files for ever.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n.max(1)
    }
}

fn mutated(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(12) {
            0 => bytes.truncate(at),
            1..=3 => bytes[at] = random.below(256) as u8,
            4..=7 => bytes[at] ^= 1 << random.below(8),
            8 => drop(bytes.drain(at..(at + random.below(32)).min(bytes.len()))),
            9 => {
                let part = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, part);
            }
            // A large number where a length or an extent may be.
            10 => drop(bytes.splice(at..at, [255, 255, 255, 255, 255, 255, 255, 255, 127])),
            _ => {
                let large = int(1, [1 << 20, 1 << 31, 1 << 40, i64::MIN, -1][random.below(5)]);
                bytes.splice(at..at, large);
            }
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// Largest memory that this process has had, in MiB; `None` where the system does not say.
fn peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse::<u64>().ok().map(|kib| kib >> 10)
}

#[test]
fn changed_files_are_refused_or_read() {
    let originals: Vec<Vec<u8>> = files().iter().map(|path| fs::read(path).unwrap()).collect();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let before = peak();
    let (mut refused, mut taken) = (0, 0);
    for i in 0..2000 {
        let bytes = mutated(&originals[i % originals.len()], &mut random);
        let input_shape = (i % 3 == 0).then_some([4, 6, 5]);
        match parse(bytes, Path::new("net.onnx"), &ReadOptions { input_shape, normalisation: None })
        {
            Ok(imported) => {
                taken += 1;
                drop(ImportReport::of(&imported).lines());
            }
            Err(error) => {
                refused += 1;
                assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{error}");
            }
        }
    }
    assert!(refused > 500 && taken > 100, "{refused} refused, {taken} taken");
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 1 << 10, "{before} MiB became {after} MiB");
    }
}

#[test]
fn small_files_do_not_ask_for_much_memory() {
    let head = |network: Draft| {
        network.floats("w", &[2, 2, 1, 1]).node("Conv", &["x", "w"], "c").head("c", 32)
    };
    let square = 1 << 15;
    let grown = (0..40).fold(
        head(Draft::new(13, &[1, 2, 4, 4])).ints("a0", &[1, 2, 3, 4]),
        |network, i| {
            let (from, to) = (format!("a{i}"), format!("a{}", i + 1));
            network.node_with(
                "Concat",
                &[&from, &from],
                &to,
                &[("axis", super::write::Attr::Int(0))],
            )
        },
    );
    let networks = [
        head(Draft::new(13, &[1, 2, 4, 4]))
            .ints("s", &[square, square])
            .node("ConstantOfShape", &["s"], "big")
            .node("Mul", &["y", "big"], "z"),
        grown.node("Mul", &["y", "a40"], "z"),
        head(Draft::new(13, &[1, 2, 4, 4])).ints("s", &[1 << 20, 1 << 20]).node(
            "Expand",
            &["y", "s"],
            "z",
        ),
        head(Draft::new(13, &[1, 2, 4, 4]))
            .ints("0", &[0])
            .ints("l", &[1 << 40])
            .ints("1", &[1])
            .node("Range", &["0", "l", "1"], "r")
            .node("Mul", &["y", "r"], "z"),
    ];
    let before = peak();
    for network in networks {
        // The last value instead of `y` is the output.
        let bytes = network.value(12, "z", 1, None).file();
        let at = bytes.windows(3).position(|w| w == b"\x0a\x01y").unwrap();
        let bytes = [&bytes[..at + 2], b"z", &bytes[at + 3..]].concat();
        let error = parse(bytes, Path::new("net.onnx"), &ReadOptions::default()).unwrap_err();
        assert!(error.hint().is_some(), "{error}");
    }
    if let (Some(before), Some(after)) = (before, peak()) {
        assert!(after - before < 600, "{before} MiB became {after} MiB");
    }
}
