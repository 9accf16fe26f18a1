//! The CSV files that say which class each image is. They are parsed here, so that an error names the line and says what
//! to do.

use std::{collections::HashMap, path::Path};

use crate::{
    error::{Error, Result},
    files::text_of,
};

/// The hint for a wrong list from an archive.
pub(super) const AGAIN: &str =
    "get the archive again, or unpack it again: run `nf-gpu data fetch gtsrb`";

/// The hint for an image that is listed twice.
pub(in crate::data) const ONCE: &str = "an image counts once: take the second line away";

/// Most lines that are read, more than twice the images of the data set. Every line costs memory for an image,
/// and a small archive can hold millions of lines that name the same image.
const MAX_LINES: usize = 1 << 17;

/// File and class of each line, of the official lists (fields separated by `;`) or of Kaggle's (separated by
/// `,`). `path` names the list in errors; class numbers must be below `classes`.
///
/// # Errors
/// [`Error::Format`] for a file without the columns `Filename` (or `Path`) and `ClassId`, a line with another
/// number of fields, a class number that is out of range, an image that is listed twice, and a path that leads
/// out of the folder.
pub(in crate::data) fn parse(
    path: &Path,
    text: &[u8],
    classes: u32,
    hint: &str,
) -> Result<Vec<(String, u16)>> {
    let wrong = |what: String| Error::format(path, what, hint);
    let text = text_of(path, text.to_vec())?;
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or_else(|| wrong("the file is empty".into()))?;
    let separator = if header.contains(';') { ';' } else { ',' };
    // Some programs put quotes around every field.
    let split = |line| -> Vec<&str> {
        let fields = str::split(line, separator).map(str::trim);
        fields.map(|field| field.trim_matches('"').trim()).collect()
    };
    let columns = split(header);
    let column = |name: &str| {
        columns.iter().position(|c| *c == name).ok_or_else(|| {
            wrong(format!("no column {name}; the columns are {}", columns.join(", ")))
        })
    };
    let of_path = column("Path").ok();
    let (file, class) = (of_path.map_or_else(|| column("Filename"), Ok)?, column("ClassId")?);
    if lines.clone().nth(MAX_LINES).is_some() {
        return Err(wrong(format!("it lists more than {MAX_LINES} images")));
    }
    let mut seen = HashMap::new();
    lines
        .map(|(i, line)| {
            let fields = split(line);
            let n = i + 1;
            if fields.len() != columns.len() {
                let (found, right) = (fields.len(), columns.len());
                return Err(wrong(format!("line {n} has {found} fields, not {right}")));
            }
            let label = fields[class].parse().ok().filter(|&l: &u16| u32::from(l) < classes);
            let label = label.ok_or_else(|| {
                let (found, last) = (fields[class], classes - 1);
                wrong(format!("line {n} has class {found}; classes are 0 to {last}"))
            })?;
            // Paths that lead out of the folder are refused.
            let name = fields[file];
            let leads_out = if of_path.is_some() {
                name.split('/').any(|part| matches!(part, "" | "." | ".."))
            } else {
                name.contains('/')
            };
            if name.is_empty() || leads_out || name.contains(['\\', ':']) {
                return Err(wrong(format!("line {n} names no file: {name:?}")));
            }
            if let Some(before) = seen.insert(name.to_owned(), n) {
                let what = format!("lines {before} and {n} name one image, {name}");
                return Err(Error::format(path, what, ONCE));
            }
            Ok((name.to_owned(), label))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId";

    #[test]
    fn names_and_classes_are_read_and_nonsense_is_named() {
        let read = |text: &str| parse(Path::new("GT-x.csv"), text.as_bytes(), 43, AGAIN);
        let good = read(&format!("{HEADER}\r\n1.ppm;2;3;0;0;1;1;42\r\n0.ppm;2;3;0;0;1;1;0\r\n"));
        assert_eq!(good.unwrap(), [("1.ppm".to_owned(), 42), ("0.ppm".to_owned(), 0)]);
        for (text, says) in [
            (String::new(), "the file is empty"),
            ("Filename;Width\n".into(), "no column ClassId; the columns are Filename, Width"),
            ("File;ClassId\n".into(), "no column Filename"),
            (format!("{HEADER}\n1.ppm;2;3\n"), "line 2 has 3 fields, not 8"),
            (
                format!("{HEADER}\n\n1.ppm;2;3;0;0;1;1;43\n"),
                "line 3 has class 43; classes are 0 to 42",
            ),
            (format!("{HEADER}\n1.ppm;2;3;0;0;1;1;-1\n"), "class -1"),
            (format!("{HEADER}\n../1.ppm;2;3;0;0;1;1;1\n"), "names no file"),
        ] {
            let e = read(&text).unwrap_err().to_string();
            assert!(e.starts_with("GT-x.csv: ") && e.contains(says), "{e}");
        }
        let kaggle = "Width,Height,Roi.X1,Roi.Y1,Roi.X2,Roi.Y2,ClassId,Path\r\n";
        let found = read(&format!("{kaggle}53,54,6,5,48,49,16,Test/00000.png\r\n")).unwrap();
        assert_eq!(found, [("Test/00000.png".to_owned(), 16)]);
        for path in ["../a.png", "Test/../../a.png", "/etc/a.png", "C:\\a.png", "Test//a.png", ""] {
            let e = read(&format!("{kaggle}53,54,6,5,48,49,16,{path}\n")).unwrap_err();
            assert!(e.to_string().contains("line 2 names no file"), "{path}: {e}");
        }
        assert!(parse(Path::new("x"), b"\xff\xfe", 43, AGAIN).is_err());
        let quoted = kaggle.trim_end().replace(',', "\",\"");
        let quoted = format!("\"{quoted}\"\n\"53\",\"54\",6,5,48,49,\"16\",\"Test/00000.png\"\n");
        assert_eq!(read(&quoted).unwrap(), [("Test/00000.png".to_owned(), 16)]);
        let utf_16 = [0xfeff].into_iter().chain(quoted.encode_utf16()).flat_map(u16::to_le_bytes);
        let utf_16 = parse(Path::new("x"), &utf_16.collect::<Vec<_>>(), 43, AGAIN).unwrap();
        assert_eq!(utf_16, [("Test/00000.png".to_owned(), 16)]);
        let twice = "53,54,6,5,48,49,16,Test/00000.png\n53,54,6,5,48,49,17,Test/00000.png\n";
        let e = read(&format!("{kaggle}{twice}")).unwrap_err();
        assert!(e.to_string().contains("lines 2 and 3 name one image, Test/00000.png"), "{e}");
        let lines = |n: usize| {
            let lines = (0..n).map(|i| format!("{i};;;;;;;1\n"));
            read(&format!("{HEADER}\n{}", lines.collect::<String>()))
        };
        assert_eq!(lines(MAX_LINES).unwrap().len(), MAX_LINES);
        assert!(lines(MAX_LINES + 1).unwrap_err().to_string().contains("more than 131072 images"));
    }
}
