//! The style sheet of charts, for a page and for a picture of its own.

/// The names of colours, and each as it is on a light and on a dark screen.
const COLOURS: [(&str, &str, &str); 12] = [
    ("paper", "#ffffff", "#14181d"),
    ("sheet", "#f5f7f9", "#1c2229"),
    ("ink", "#1c2126", "#e8ebee"),
    ("muted", "#57606a", "#a3adb8"),
    ("rule", "#d5dbe1", "#353d46"),
    ("grey", "#6b7681", "#98a3ae"),
    // The palette of Okabe and Ito, which colour-blind people can tell apart, too, a little darker.
    ("c0", "#0072b2", "#56b4e9"),
    ("c1", "#d55e00", "#f08a3c"),
    ("c2", "#00805f", "#2fbf93"),
    ("c3", "#b0508b", "#e093c0"),
    ("c4", "#966a00", "#e6b422"),
    ("c5", "#2c3e50", "#d0d7de"),
];

/// The rules of charts, in which colours are variables.
const CHART: &str = include_str!("chart.css");

/// The style sheet of a page, whose own rules are `rules`.
pub(crate) fn page(rules: &str) -> String {
    let variables = |of: fn(&(&str, &str, &str)) -> String| COLOURS.each_ref().map(of).concat();
    let light = variables(|c| format!(" --{}: {};", c.0, c.1));
    let dark = variables(|c| format!(" --{}: {};", c.0, c.2));
    let text = format!(
        ":root {{ color-scheme: light dark;{light} }}\n\
         @media (prefers-color-scheme: dark) {{ :root {{{dark} }} }}\n{CHART}{rules}"
    );
    // Browsers convert every line end to a line feed before they hash the sheet.
    text.replace("\r\n", "\n")
}

/// The style sheet of a picture of its own. Colours stand in its rules, because few programs other than
/// browsers know variables; the rules with the dark ones follow.
pub(crate) fn picture() -> String {
    let with = |line: &str, of: fn(&(&str, &str, &str)) -> String| {
        COLOURS.iter().fold(line.to_owned(), |line, colour| {
            line.replace(&format!("var(--{})", colour.0), &of(colour))
        })
    };
    let lines = || CHART.lines().filter(|line| !line.is_empty());
    let light: String = lines().map(|line| with(line, |c| c.1.into()) + "\n").collect();
    let coloured = lines().filter(|line| line.contains("var("));
    let dark: String = coloured.map(|line| with(line, |c| c.2.into()) + "\n").collect();
    format!("{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_needs_no_variables_and_is_dark_where_the_reader_is() {
        let text = picture();
        assert!(!text.contains("var("), "{text}");
        let (light, dark) = text.split_once("@media").unwrap();
        for (name, bright, dim) in COLOURS {
            assert!(CHART.contains(&format!("var(--{name})")), "{name} is used nowhere");
            assert!(light.contains(bright) && dark.contains(dim), "{name}");
            assert!(page("").contains(&format!("--{name}: {dim};")), "{name}");
        }
        assert_eq!(text.matches('{').count(), text.matches('}').count());
        // Every rule stands on a line of its own, which is how the dark ones are found.
        assert!(CHART.lines().all(|line| line.matches('{').count() == line.matches('}').count()));
    }
}
