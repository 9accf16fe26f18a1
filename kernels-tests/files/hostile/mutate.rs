//! Broken copies of files, as bad disks, interrupted downloads and attackers make them.

/// A seeded source of mutations (`SplitMix64`): the same seed gives the same file.
pub(crate) struct Mutator(u64);

impl Mutator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `n - 1`; half of the time near the beginning, where headers are.
    fn place(&mut self, n: usize) -> usize {
        let within = if self.next() & 1 == 0 { n } else { n.min(200) };
        (self.next() % within.max(1) as u64) as usize
    }

    /// A copy with one to four changes. The first `kept` bytes stay.
    pub(crate) fn copy(&mut self, bytes: &[u8], kept: usize) -> Vec<u8> {
        let mut copy = bytes[kept..].to_vec();
        for _ in 0..1 + self.next() % 4 {
            self.change(&mut copy);
        }
        [&bytes[..kept], &copy].concat()
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        const NUMBERS: [u64; 8] =
            [0, 1, u64::MAX, i64::MAX as u64, 1 << 63, u32::MAX as u64, 1 << 31, 1 << 40];
        const TEXTS: [&str; 10] = [
            "99999999999999999999",
            "-1",
            "1e308",
            "1e999",
            "NaN",
            "null",
            "[[[[[[[[",
            "\"",
            "\n",
            "\u{0}",
        ];
        let at = self.place(bytes.len());
        let end = bytes.len().min(at + 1 + self.place(64));
        match self.next() % 9 {
            0 => bytes.truncate(at),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|b| *b ^= 1 << (self.0 >> 61)),
            2 => bytes[at.min(end)..end].iter_mut().for_each(|b| *b = (self.next() >> 56) as u8),
            3 => drop(bytes.drain(at.min(end)..end)),
            4 => {
                let part = bytes[at.min(end)..end].to_vec();
                let to = self.place(bytes.len());
                bytes.splice(to..to, part);
            }
            // A length, in either order of its bytes.
            5 | 6 => {
                let number = NUMBERS[(self.next() % 8) as usize];
                let size = [2, 4, 8][(self.next() % 3) as usize];
                let little = self.next() & 1 == 0;
                let field = if little { number.to_le_bytes() } else { number.to_be_bytes() };
                let field = if little { &field[..size] } else { &field[8 - size..] };
                for (byte, new) in bytes.iter_mut().skip(at).zip(field) {
                    *byte = *new;
                }
            }
            // Replaces text by a word, at the next number if there is one.
            7 => {
                let text = TEXTS[(self.next() % 10) as usize].bytes();
                let digit = |b: &u8| b.is_ascii_digit();
                let from = bytes.iter().skip(at).position(digit).map_or(at, |i| at + i);
                let to = from + bytes.iter().skip(from).take_while(|b| digit(b)).count();
                bytes.splice(from..to, text);
            }
            _ => {
                let many = vec![(self.next() >> 56) as u8; 1 + self.place(4096)];
                bytes.splice(at..at, many);
            }
        }
    }
}
