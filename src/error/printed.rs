//! An error as the command line prints it.

use super::Error;

/// Formats an error for the command line: the `error:` line, the causes, then the `hint:`. Control characters
/// are escaped, so that text quoted from a file cannot break a line, move the cursor or colour the terminal.
pub fn report(error: &Error) -> String {
    let mut text = format!("error: {error}");
    let mut cause = std::error::Error::source(error);
    while let Some(c) = cause {
        text += &format!(": {c}");
        cause = c.source();
    }
    let mut text = printable(&text);
    if let Some(hint) = error.hint() {
        text += &format!("\n  hint: {}", printable(&hint));
    }
    text
}

/// Turns a text into one line in which control characters are escaped as in Rust (`\u{1b}`).
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => line.push(' '),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn suggests_the_nearest_name() {
        let e = Error::unknown("model", "resnet2", ["vgg-small", "resnet20"]);
        assert_eq!(
            report(&e),
            "error: unknown model \"resnet2\"\n  hint: did you mean resnet20? known: vgg-small, resnet20"
        );
        let e = Error::unknown("model", "quux", ["vgg-small", "resnet20"]);
        assert_eq!(e.hint().unwrap(), "known: vgg-small, resnet20");
        assert_eq!(e.exit_code(), 2);
        let e = Error::unknown("model", "VGG", ["vgg-small", "resnet20"]);
        assert_eq!(e.hint().unwrap(), "did you mean vgg-small? known: vgg-small, resnet20");
    }

    #[test]
    fn a_cause_stands_on_the_error_line() {
        let e = Error::read("x.bin", io::Error::from(io::ErrorKind::NotFound));
        assert!(report(&e).starts_with("error: cannot read x.bin: "));
        assert!(e.hint().unwrap().contains("check the path"));
        assert_eq!(e.exit_code(), 1);
    }

    #[test]
    fn what_a_file_says_neither_breaks_a_line_nor_reaches_the_terminal() {
        let e = Error::format("a\u{1b}[2J", "no tensor \u{9b}31mé\nhint: \0", "get\r\nit");
        let says = "error: a\\u{1b}[2J: no tensor \\u{9b}31mé hint: \\u{0}\n  hint: get  it";
        assert_eq!(report(&e), says);
        let no_text = Error::read("x", io::Error::from(io::ErrorKind::InvalidData));
        assert!(no_text.hint().unwrap().contains("damaged"));
        // An error while reading a file always has a hint, whatever the cause.
        assert!(Error::read("x", io::Error::other("?")).hint().is_some());
    }
}
