//! Lints on the text of a shader file.
use std::{fs, path::Path};

/// Calls of functions that overflow, or return NaN for large arguments on some drivers, without `clamp`
/// or `min` in the argument or a comment `of <= 0` behind the call.
pub(super) fn unclamped(wgsl: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in wgsl.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        for function in ["exp", "exp2", "tanh", "sinh", "cosh"] {
            let call = format!("{function}(");
            for (at, _) in code.match_indices(&call) {
                let before = code[..at].chars().next_back();
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    continue;
                }
                let argument = argument(&code[at + call.len()..]);
                let bounded = ["clamp(", "min("].iter().any(|b| argument.contains(b));
                if !bounded && !comment.contains("of <= 0") {
                    found.push(format!("{call}{argument})"));
                }
            }
        }
    }
    found
}

/// The argument of a call, up to the closing parenthesis.
fn argument(after: &str) -> &str {
    let mut depth = 0;
    let end = after.char_indices().find(|&(_, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    &after[..end.map_or(after.len(), |(at, _)| at)]
}

/// Whether a file declares a kernel; if it is part of a kernel's folder, the whole folder counts.
pub(super) fn declares(path: &str, kernel: &str) -> bool {
    let said = [format!("/ \"{kernel}\","), format!("name: \"{kernel}\",")];
    let in_file = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        said.iter().any(|said| text.contains(said))
    };
    let part = ["twin.rs", "cases.rs"].iter().any(|part| path.ends_with(part));
    match Path::new(path).parent() {
        Some(folder) if part => {
            Path::new(path).is_file()
                && ["mod.rs", "plan.rs"].iter().any(|f| in_file(&folder.join(f)))
        }
        _ => in_file(Path::new(path)),
    }
}

/// Defects of a shader file's header: it must have a grid, a source, and a twin in the file that
/// declares the kernel.
pub(super) fn header(text: &str, kernel: &str) -> Vec<String> {
    let header: Vec<&str> = text.lines().take_while(|l| l.starts_with("//")).collect();
    let label = |name: &str| {
        header.iter().find_map(|l| Some(l.strip_prefix("// ")?.strip_prefix(name)?.trim()))
    };
    let mut lacks = Vec::new();
    for name in ["Grid:", "Source:"] {
        if label(name).is_none_or(str::is_empty) {
            lacks.push(name.to_owned());
        }
    }
    let home = |path: &str| path.starts_with("src/kernels/") && declares(path, kernel);
    if !label("Twin:").is_some_and(home) {
        lacks.push(format!("Twin: a file of src/kernels/ that declares {kernel}"));
    }
    lacks
}
