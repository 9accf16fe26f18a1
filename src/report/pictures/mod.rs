//! Charts, pictures of images, and pages.

pub mod bench;
mod chart;
mod charts;
pub mod curves;
mod entry;
pub mod images;
pub mod page;
mod source;
mod svg;

use std::path::Path;

use crate::error::{Error, Result};

/// Refuses a file name that does not end in `.svg`, before anything is measured.
pub(crate) fn check_ending(flag: &str, path: &Path) -> Result<()> {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg")) {
        return Ok(());
    }
    let what = format!("{} does not end in .svg", path.display());
    Err(Error::argument(flag, what, "charts are SVG: every browser shows them; name it NAME.svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_svg_files_are_plots() {
        assert!(check_ending("--plot", Path::new("a/b.SVG")).is_ok());
        for bad in ["a.png", "svg", "a.svg.json"] {
            let error = check_ending("--plot", Path::new(bad)).unwrap_err();
            assert!(error.exit_code() == 2 && error.hint().unwrap().contains(".svg"));
        }
    }
}
