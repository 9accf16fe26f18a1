//! A strict reader of a page: it fails on everything that a browser would repair in silence.
use std::collections::HashSet;

/// An element's start.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: Vec<(String, String)>,
}

impl Element {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|a| a.0 == name).map(|a| a.1.as_str())
    }
}

/// Elements that have no end.
const VOID: [&str; 4] = ["meta", "link", "img", "br"];

/// All elements of a page.
pub(super) struct Markup {
    elements: Vec<Element>,
    style: String,
}

impl Markup {
    /// Reads a page.
    ///
    /// # Panics
    /// Unless it is well-formed XML after its document type, but for elements of HTML that have no end.
    pub(super) fn of(text: &str) -> Self {
        let markup = Self::tree(text.strip_prefix("<!DOCTYPE html>\n").unwrap());
        assert_eq!(markup.elements[0].name, "html");
        markup
    }

    /// Reads an SVG file.
    ///
    /// # Panics
    /// Unless it is well-formed XML.
    pub(super) fn of_svg(text: &str) -> Self {
        let markup = Self::tree(text);
        assert_eq!(markup.elements[0].name, "svg");
        assert_eq!(markup.elements[0].get("xmlns"), Some("http://www.w3.org/2000/svg"));
        assert!(markup.all().all(|e| !VOID.contains(&e.name.as_str())));
        markup
    }

    fn tree(mut rest: &str) -> Self {
        let (mut open, mut elements): (Vec<String>, Vec<Element>) = (Vec::new(), Vec::new());
        let mut style = String::new();
        while let Some(at) = rest.find('<') {
            let (before, tag) = rest.split_at(at);
            if open.last().is_some_and(|name| name == "style") {
                style += before;
            } else {
                plain(before);
            }
            assert!(!open.is_empty() || before.trim().is_empty(), "text outside: {before:?}");
            let end = tag.find('>').unwrap();
            let inside = &tag[1..end];
            assert!(!inside.contains('<'), "{inside:?}");
            rest = &tag[end + 1..];
            if let Some(name) = inside.strip_prefix('/') {
                assert_eq!(open.pop().as_deref(), Some(name), "{:?}", &tag[..tag.len().min(99)]);
                continue;
            }
            let element = element(inside);
            if !VOID.contains(&element.name.as_str()) {
                open.push(element.name.clone());
            }
            elements.push(element);
        }
        assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest:?}");
        Self { elements, style }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Element> {
        self.elements.iter()
    }

    pub(super) fn of_name(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.all().filter(move |e| e.name == name)
    }

    /// Asserts that nothing is fetched or run, ids are unique, and references to ids have targets.
    pub(super) fn stands_alone(&self) {
        let mut ids = HashSet::new();
        for element in self.all() {
            let what = format!("{element:?}");
            let forbidden = ["script", "iframe", "object", "embed", "base", "form", "a", "use"];
            assert!(!forbidden.contains(&element.name.as_str()), "{what}");
            for (name, value) in &element.attributes {
                assert!(!name.starts_with("on") && name != "style", "{what}");
                if ["src", "href", "srcset", "data", "xlink:href"].contains(&name.as_str()) {
                    assert!(value.starts_with("data:"), "{what}");
                }
                assert!(!value.contains("url("), "{what}");
                if name == "id" {
                    assert!(ids.insert(value.as_str()), "twice: {what}");
                }
            }
        }
        for element in self.all() {
            for id in element.get("aria-labelledby").iter().flat_map(|l| l.split(' ')) {
                assert!(ids.contains(id), "{element:?}");
            }
            if element.name == "img" {
                assert!(element.get("alt").is_some_and(|alt| !alt.is_empty()));
            }
        }
        for fetches in ["url(", "@import", "http:", "https:"] {
            assert!(!self.style.contains(fetches), "{fetches}");
        }
    }
}

/// Text without markup: every `&` begins one of the known names.
fn plain(text: &str) {
    for after in text.split('&').skip(1) {
        let known = ["amp;", "lt;", "gt;", "quot;", "#39;"];
        assert!(known.iter().any(|name| after.starts_with(name)), "&{after:?}");
    }
    let allowed = |c: char| !c.is_control() || c == '\n' || c == '\t';
    assert!(text.chars().all(allowed) && !text.contains('>'), "{text:?}");
}

fn element(inside: &str) -> Element {
    let (name, mut rest) = inside.split_at(inside.find(' ').unwrap_or(inside.len()));
    assert!(name.chars().all(|c| c.is_ascii_alphanumeric()) && !name.is_empty(), "{inside:?}");
    let mut attributes: Vec<(String, String)> = Vec::new();
    while !rest.trim().is_empty() {
        let (key, after) = rest.split_once("=\"").unwrap();
        let (value, after) = after.split_once('"').unwrap();
        let key = key.strip_prefix(' ').unwrap();
        assert!(key.chars().all(|c| c.is_ascii_alphanumeric() || "-:".contains(c)), "{inside:?}");
        plain(value);
        assert!(attributes.iter().all(|a| a.0 != key), "twice: {inside:?}");
        attributes.push((key.into(), value.into()));
        rest = after;
    }
    Element { name: name.into(), attributes }
}

#[test]
fn the_reader_notices_what_is_wrong() {
    let page = |body: &str| format!("<!DOCTYPE html>\n<html><body>{body}</body></html>\n");
    Markup::of(&page("<p id=\"a\">a &amp; b<br></p>")).stands_alone();
    let fails = |body: &str| {
        let text = page(body);
        let read = std::panic::catch_unwind(|| Markup::of(&text).stands_alone());
        assert!(read.is_err(), "{body}");
    };
    for body in [
        "<p>",
        "</p>",
        "<p><b></p></b>",
        "a & b",
        "a > b",
        "<p class=a></p>",
        "<p a=\"1\" a=\"2\"></p>",
        "<p id=\"a\"></p><p id=\"a\"></p>",
        "<script></script>",
        "<p onclick=\"x\"></p>",
        "<img src=\"x.png\" alt=\"x\">",
        "<svg aria-labelledby=\"no\"></svg>",
        "<style>p { background: url(x) }</style>",
    ] {
        fails(body);
    }
}
