//! Breaks text into lines of limited length. Paths and names without spaces are broken behind their joints, where crates
//! would break them anywhere or not at all.

/// Characters after which a long word may be broken.
const JOINTS: &str = "/-_=@";

/// Breaks a text into lines of at most `width` characters, between words, or within a word that is longer. An
/// empty text gives one empty line.
pub(crate) fn cut(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let mut word = word;
        while word.chars().count() > width.max(1) {
            let (head, tail) = split(word, width.max(1));
            push(&mut lines, head, width);
            word = tail;
        }
        push(&mut lines, word, width);
    }
    lines
}

/// Breaks a paragraph into lines of at most `width` characters and indents all but the first by `indent`.
/// Words stay whole, because they may be paths that a user copies.
pub(crate) fn paragraph(text: &str, width: usize, indent: usize) -> String {
    let (mut out, mut length) = (String::new(), 0);
    for word in text.split(' ') {
        let long = word.chars().count();
        if length > 0 && length + 1 + long > width {
            out = out.trim_end().to_owned() + "\n" + &" ".repeat(indent);
            length = indent;
        } else if length > 0 {
            out.push(' ');
            length += 1;
        }
        out += word;
        length += long;
    }
    out
}

/// Length of the longest part of a text that [`cut`] never breaks if a line has room for it.
pub(crate) fn longest_part(text: &str) -> usize {
    let parts =
        text.split_whitespace().flat_map(|word| word.split_inclusive(|c| JOINTS.contains(c)));
    parts.map(|part| part.chars().count()).max().unwrap_or(0)
}

/// Splits a word so that the first part has at most `width` characters, after a joint if there is one.
fn split(word: &str, width: usize) -> (&str, &str) {
    let at = |n: usize| word.char_indices().nth(n).map_or(word.len(), |(at, _)| at);
    let most = at(width);
    let joint = word[..most].rfind(|c| JOINTS.contains(c)).map(|joint| joint + 1);
    word.split_at(joint.unwrap_or(most))
}

fn push(lines: &mut Vec<String>, word: &str, width: usize) {
    let Some(last) = lines.last_mut() else { return };
    if last.is_empty() {
        last.push_str(word);
    } else if last.chars().count() + 1 + word.chars().count() <= width {
        last.push(' ');
        last.push_str(word);
    } else {
        lines.push(word.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(cut("one two three", 7), ["one two", "three"]);
        assert_eq!(cut("conv2d_grad_weight plain", 12), ["conv2d_grad_", "weight plain"]);
        assert_eq!(cut("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(cut("", 3), [""]);
        assert_eq!(cut("äöü ß", 3), ["äöü", "ß"]);
        assert_eq!(cut("ab", 0), ["a", "b"]);
    }

    #[test]
    fn a_paragraph_keeps_paths_whole() {
        let text = paragraph("kept in /a/very/long/path of 3 shapes", 14, 2);
        assert_eq!(text, "kept in\n  /a/very/long/path\n  of 3 shapes");
        assert_eq!(paragraph("short", 14, 2), "short");
    }
}
