//! What the text of a shader file shows.

/// Calls of functions that overflow, or return NaN for large arguments on some drivers, without
/// `clamp` or `min` in the argument or a comment `of <= 0` behind it.
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

/// The text up to the parenthesis that closes a call.
fn argument(after: &str) -> &str {
    let mut depth = 0;
    let end = after.char_indices().find(|&(_, c)| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        depth < 0
    });
    &after[..end.map_or(after.len(), |(at, _)| at)]
}

/// What the header of a shader file lacks: grid and source, and a twin that is that of its kernel.
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
    let twin = format!("src/reference/{kernel}.rs");
    if label("Twin:") != Some(twin.as_str()) {
        lacks.push(format!("Twin: {twin}"));
    }
    lacks
}
