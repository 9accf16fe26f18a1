//! The list of mutants, and the text of a shader with its mutant.
use crate::kernels::shaders::{validate, variants};
use nf_gpu::kernels::desc::Variant;
use std::collections::BTreeMap;

/// Text to change and its replacement, by the stem of the variant's shader.
pub(super) struct Mutants(BTreeMap<String, (String, String)>);

impl Mutants {
    /// Rows of three columns; an `Err` names the row.
    pub(super) fn parse(list: &str) -> Result<Self, String> {
        let mut mutants = BTreeMap::new();
        for (i, row) in list.lines().enumerate() {
            if row.is_empty() || row.starts_with('#') {
                continue;
            }
            let [stem, old, new] = row.split('\t').collect::<Vec<_>>()[..] else {
                return Err(format!("line {}: not stem, old text, new text: {row}", i + 1));
            };
            let new = if new == "-" { String::new() } else { new.replace("\\n", "\n") };
            if mutants.insert(stem.to_owned(), (old.replace("\\n", "\n"), new)).is_some() {
                return Err(format!("{stem}: two rows"));
            }
        }
        Ok(Self(mutants))
    }

    /// Errors for rows that belong to no variant.
    pub(super) fn strangers(&self) -> Vec<String> {
        let known = |stem: &str| variants().any(|(_, v)| v.stem == stem);
        let strangers = self.0.keys().filter(|stem| !known(stem));
        strangers.map(|stem| format!("{stem}: no variant's shader is called so")).collect()
    }

    /// The joined text of a variant with its mutant. The text must be valid, because a text that the
    /// compiler refuses proves nothing about the cases.
    pub(super) fn text_of(&self, variant: &Variant) -> Result<String, String> {
        let stem = variant.stem;
        let (old, new) = self.0.get(stem).ok_or_else(|| {
            format!("no row for {stem} in kernels-tests/kernels/shader_mutants.tsv: how would it go wrong?")
        })?;
        let times = variant.wgsl.matches(old.as_str()).count();
        if times != 1 {
            return Err(format!("the row of {stem}: `{old}` is there {times} times, not once"));
        }
        let text = variant.wgsl.replace(old.as_str(), new);
        let invalid = |why: String| format!("the row of {stem}: does not compile: {why}");
        let module = naga::front::wgsl::parse_str(&text)
            .map_err(|e| invalid(e.emit_to_string_with_path(&text, stem)))?;
        validate(&module, variant.requires).map_err(|e| invalid(e.emit_to_string(&text)))?;
        Ok(text)
    }
}
