//! The font of every picture: `DejaVu` Sans, embedded, so that no system font is needed.

use std::sync::OnceLock;

use plotters::style::{FontStyle, register_font};

/// Makes the font known to plotters and gives its family name.
pub(crate) fn family() -> &'static str {
    static REGISTERED: OnceLock<()> = OnceLock::new();
    REGISTERED.get_or_init(|| {
        // The result is ignored: the embedded font parses (the contact sheet's test draws with it).
        let _ = register_font("dejavu", FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font("dejavu", FontStyle::Bold, dejavu::sans::bold());
    });
    "dejavu"
}
