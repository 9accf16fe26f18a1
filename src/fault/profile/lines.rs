//! Lines and fields of text, with the separators and habits of spreadsheets, testers and NumPy.

use super::Size;

/// The separator between two fields of a line.
#[derive(Clone, Copy)]
pub(super) enum Separator {
    Mark(char),
    Blanks,
}

impl Separator {
    fn of(line: &str) -> Self {
        [';', '\t', ','].into_iter().find(|&m| line.contains(m)).map_or(Self::Blanks, Self::Mark)
    }

    /// The fields of a line, without blanks and quotes around them. A separator at the line's end begins no
    /// further field.
    pub(super) fn split(self, line: &str) -> impl Iterator<Item = &str> {
        let line = match self {
            Self::Mark(mark) => line.strip_suffix(mark).unwrap_or(line),
            Self::Blanks => line.trim(),
        };
        let apart = move |c: char| match self {
            Self::Mark(mark) => c == mark,
            Self::Blanks => c.is_whitespace(),
        };
        let fields = line.split(apart).map(|field| field.trim().trim_matches(['"', '\'']).trim());
        fields.filter(move |field| matches!(self, Self::Mark(_)) || !field.is_empty())
    }
}

/// The lines of a text that are not empty, without comments, each with its number.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    text: &'a str,
    pub(super) separator: Separator,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut lines = Self { text, separator: Separator::Blanks };
        if let Some((_, first)) = lines.iter().next() {
            lines.separator = Separator::of(first);
        }
        lines
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, &'a str)> + use<'a> {
        let lines = self.text.lines().map(|line| line.split('#').next().unwrap_or_default());
        // Only spaces are removed: a tab may be a separator.
        let lines = (1..).zip(lines.map(|line| line.trim_matches([' ', '\r'])));
        lines.filter(|(_, line)| !line.trim().is_empty())
    }

    /// Result of `says` for the last comment above a line that gives one.
    pub(super) fn comment_above<T>(
        &self,
        number: usize,
        says: impl Fn(&'a str) -> Option<T>,
    ) -> Option<T> {
        let above = self.text.lines().take(number - 1).collect::<Vec<_>>();
        let comments = above.into_iter().rev().filter_map(|line| line.trim().strip_prefix('#'));
        comments.map(str::trim).find_map(says)
    }

    /// The size of the memory that comments give, as in `# rows: 8192, columns: 128`.
    pub(super) fn size(&self) -> Size {
        let comments = self.text.lines().filter_map(|line| Some(line.split_once('#')?.1));
        comments.filter_map(said).fold(Size::default(), |all, here| Size {
            rows: all.rows.or(here.rows),
            columns: all.columns.or(here.columns),
        })
    }
}

/// The memory's size, if a comment gives that and nothing else: a tester's own words, `failing bits: 1232`, are
/// no size. `rows` and `columns` stand before a colon or an equals sign and a number, in either order, with
/// commas or blanks between them.
fn said(comment: &str) -> Option<Size> {
    let apart = comment.to_lowercase().replace([':', '='], " : ");
    let mut words = apart.trim_start_matches('#').split([',', ';', ' ', '\t', '\r']);
    let mut word = || words.by_ref().find(|word| !word.is_empty());
    let mut size = Size::default();
    while let Some(name) = word() {
        let of = match name {
            "rows" => &mut size.rows,
            "columns" => &mut size.columns,
            _ => return None,
        };
        let number = word().filter(|&mark| mark == ":").and_then(|_| word());
        if of.replace(whole_number(number?)?).is_some() {
            return None;
        }
    }
    Some(size)
}

/// A whole number as people and programs write it: `12`, `0x0c`, `12.0`, `1.2e+01`.
pub(super) fn whole_number(field: &str) -> Option<u64> {
    if let Some(digits) = field.strip_prefix("0x").or(field.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok();
    }
    let float =
        || Some(field).filter(|f| f.starts_with(|c: char| c.is_ascii_digit()))?.parse().ok();
    // Above 2^53 floats do not hold every whole number.
    let whole = |v: &f64| v.fract() == 0.0 && *v < 9e15;
    field.parse().ok().or_else(|| float().filter(whole).map(|v| v as u64))
}

/// 0 or 1, as people, programs, `numpy.savetxt` and pandas write them.
pub(super) fn bit(field: &str) -> Option<bool> {
    match field {
        "0" => Some(false),
        "1" => Some(true),
        _ if field.eq_ignore_ascii_case("false") => Some(false),
        _ if field.eq_ignore_ascii_case("true") => Some(true),
        // Not `inf`, `nan` and the like.
        _ if !field.starts_with(|c: char| c.is_ascii_digit()) => None,
        _ => match field.parse::<f64>() {
            Ok(0.0) => Some(false),
            Ok(1.0) => Some(true),
            _ => None,
        },
    }
}
