//! A writer for HTML: it closes each element that is opened, and escapes every text.

use std::fmt::{Display, Write};

/// Names and values of attributes.
pub(crate) type Attributes<'a> = &'a [(&'a str, &'a dyn Display)];

/// Elements that are followed by a line break, which makes the file readable and adds no space between words.
const BLOCKS: &[&str] = &[
    "body",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "g",
    "h1",
    "h2",
    "h3",
    "head",
    "header",
    "html",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "path",
    "pre",
    "section",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "text",
    "thead",
    "title",
    "tr",
    "ul",
];

/// A page, or a part of one.
#[derive(Debug, Default)]
pub(crate) struct Html {
    text: String,
    ids: u32,
}

impl Html {
    /// Writes an element; `inside` writes its content.
    pub(crate) fn element(
        &mut self,
        name: &str,
        attributes: Attributes<'_>,
        inside: impl FnOnce(&mut Self),
    ) {
        self.begin(name, attributes);
        self.text.push('>');
        inside(self);
        let _ = write!(self.text, "</{name}>");
        self.end_line(name);
    }

    /// Writes an element that contains a text.
    pub(crate) fn leaf(&mut self, name: &str, attributes: Attributes<'_>, text: impl Display) {
        self.element(name, attributes, |h| h.text(text));
    }

    /// Writes an element without content: `meta`, `img`, a shape.
    pub(crate) fn empty(&mut self, name: &str, attributes: Attributes<'_>) {
        self.begin(name, attributes);
        self.text += "/>";
        self.end_line(name);
    }

    /// Writes a text, escaped.
    pub(crate) fn text(&mut self, text: impl Display) {
        escape(&mut self.text, text);
    }

    /// Writes a constant of this program without escaping it: the style sheet.
    pub(crate) fn trusted(&mut self, text: &'static str) {
        self.text += text;
    }

    /// An id that no other element of the page has.
    pub(crate) fn id(&mut self) -> String {
        self.ids += 1;
        format!("n{}", self.ids)
    }

    /// Begins an empty part of the same page, whose ids are distinct from those used so far.
    pub(crate) fn piece(&self) -> Self {
        Self { text: String::new(), ids: self.ids }
    }

    /// Whether nothing has been written.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Appends a part.
    pub(crate) fn append(&mut self, piece: &Self) {
        self.text += &piece.text;
        self.ids = piece.ids;
    }

    /// The written text.
    pub(crate) fn into_text(self) -> String {
        self.text
    }

    fn begin(&mut self, name: &str, attributes: Attributes<'_>) {
        let _ = write!(self.text, "<{name}");
        for (name, value) in attributes {
            let _ = write!(self.text, " {name}=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
    }

    fn end_line(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.text.push('\n');
        }
    }
}

/// Appends a text with its special characters escaped, for use in elements and in attributes.
fn escape(to: &mut String, text: impl Display) {
    for c in text.to_string().chars() {
        match c {
            '&' => *to += "&amp;",
            '<' => *to += "&lt;",
            '>' => *to += "&gt;",
            '"' => *to += "&quot;",
            '\'' => *to += "&#39;",
            '\n' | '\t' => to.push(c),
            // Control characters are not allowed in a page, even escaped.
            c if c.is_control() => to.push('\u{fffd}'),
            c => to.push(c),
        }
    }
}

/// A length or coordinate in a drawing, rounded to a tenth; values that are not finite become 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Px(pub(crate) f64);

impl Display for Px {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let tenths = if self.0.is_finite() { (10.0 * self.0).round() / 10.0 } else { 0.0 };
        // Adding 0.0 turns -0 into 0, so that "-0" is never written.
        write!(f, "{}", tenths + 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_attributes_are_escaped_and_elements_closed() {
        let mut h = Html::default();
        h.element("b", &[("title", &"\"'<&>"), ("n", &1)], |h| {
            h.text("<script>alert('&')</script>\u{1b}\0");
            h.empty("i", &[]);
        });
        let wanted = "<b title=\"&quot;&#39;&lt;&amp;&gt;\" n=\"1\">&lt;script&gt;alert(&#39;&amp;&#39;)\
                      &lt;/script&gt;\u{fffd}\u{fffd}<i/></b>";
        assert_eq!(h.into_text(), wanted);
    }

    #[test]
    fn names_are_new_and_places_short() {
        let mut h = Html::default();
        assert_ne!(h.id(), h.id());
        let text = |v| Px(v).to_string();
        assert_eq!([text(1.26), text(2.0), text(-0.01)], ["1.3", "2", "0"]);
        assert_eq!([text(f64::NAN), text(f64::INFINITY)], ["0", "0"]);
    }
}
