//! Numbers as C source.

use std::fmt::Write;

/// Longest line of a list.
const WIDTH: usize = 110;

/// A float that reads back to the same bits.
pub(super) fn float(value: f32) -> String {
    // Rust's shortest form has a point or an exponent; only the suffix is missing.
    format!("{value:?}f")
}

/// `static const TYPE NAME[COUNT] = {...};`, in lines of bounded length.
pub(super) fn array(kind: &str, name: &str, values: impl Iterator<Item = String>) -> String {
    let values: Vec<String> = values.collect();
    let mut text = format!("static const {kind} {name}[{}] = {{", values.len().max(1));
    let mut left = 0;
    // C99 has no list without an element.
    let one = ["0".to_owned()];
    let values = if values.is_empty() { &one[..] } else { &values };
    for value in values {
        if left < value.len() + 1 {
            text.push_str("\n   ");
            left = WIDTH;
        }
        // Writing into a string cannot fail.
        let _ = write!(text, " {value},");
        left = left.saturating_sub(value.len() + 2);
    }
    text.push_str("\n};\n");
    text
}

/// Text between `/*` and `*/`, which must not end it, nor begin another, of which compilers warn.
pub(super) fn comment(text: &str) -> String {
    text.replace("*/", "* /")
        .replace("/*", "/ *")
        .chars()
        .map(|c| if c.is_ascii() { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_ends_where_it_should() {
        assert_eq!(comment("a/*d*/e"), "a/ *d* /e");
        assert_eq!(comment("/*/"), "/ * /");
        assert_eq!(comment("*//*"), "* // *");
    }

    #[test]
    fn floats_are_c_and_come_back() {
        for value in
            [0.0f32, -0.0, 1.0, -1.0, 0.1, 1e-7, 3.402_823_5e38, f32::MIN_POSITIVE, 16_777_216.0]
        {
            let text = float(value);
            let digits = text.strip_suffix('f').unwrap();
            assert_eq!(digits.parse::<f32>().unwrap().to_bits(), value.to_bits());
            assert!(digits.contains(['.', 'e']), "{text} would be an integer");
        }
    }

    #[test]
    fn lists_are_broken_into_lines_and_comments_stay_comments() {
        let text = array("int8_t", "w", (0..200).map(|i| i.to_string()));
        assert!(text.starts_with("static const int8_t w[200] = {\n    0, 1,"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH + 4 && !line.ends_with(' ')), "{text}");
        assert_eq!(text.matches(',').count(), 200);
        assert_eq!(
            array("float", "none", std::iter::empty()),
            "static const float none[1] = {\n    0,\n};\n"
        );
        assert_eq!(comment("a */ b \u{e9}"), "a * / b ?");
    }
}
