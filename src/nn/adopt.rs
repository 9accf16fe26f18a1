//! Foreign weights made ours: a prefix dropped, every tensor compared with the network.

use super::graph::Graph;
use crate::{
    error::{Error, Result},
    files::Weights,
};

/// Names of each kind that an error lists.
const LISTED: usize = 6;

impl Graph {
    /// The weights without the prefix that a wrapper such as `DataParallel` put before this network's
    /// names (`module.`, `model.`), and that prefix; what has no prefix keeps its name.
    #[must_use]
    pub fn without_prefix(&self, mut weights: Weights) -> (Weights, String) {
        let prefix = self.prefix(&weights);
        if !prefix.is_empty() {
            let bare = |name: String| name.strip_prefix(&prefix).map(str::to_owned).unwrap_or(name);
            let tensors = std::mem::take(&mut weights.tensors).into_iter();
            weights.tensors = tensors.map(|(name, tensor)| (bare(name), tensor)).collect();
        }
        (weights, prefix)
    }

    /// The weights, if they are exactly this network's tensors; counters of batches are dropped.
    ///
    /// # Errors
    /// [`Error::Format`] listing what is missing, what has another shape and what nobody asked for; a
    /// value that the network cannot have, as [`Graph::check`].
    pub fn adopt(&self, mut weights: Weights) -> Result<Weights> {
        let (mut missing, mut misshapen) = (Vec::new(), Vec::new());
        let mut tensors = std::mem::take(&mut weights.tensors);
        for param in &self.params {
            match tensors.remove(&param.name) {
                None => missing.push(format!("{} {:?}", param.name, param.shape)),
                Some(tensor) if tensor.shape != param.shape => {
                    let (name, found, wants) = (&param.name, &tensor.shape, &param.shape);
                    misshapen.push(format!("{name} {found:?} instead of {wants:?}"));
                }
                Some(tensor) => drop(weights.tensors.insert(param.name.clone(), tensor)),
            }
        }
        // A counter may be stored as a float; nobody needs it.
        let extra = tensors.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
        let extra: Vec<_> = extra.map(|(name, t)| format!("{name} {:?}", t.shape)).collect();
        let kinds = [("missing", missing), ("of another shape", misshapen), ("not known", extra)];
        let wrong: Vec<String> =
            kinds.iter().filter(|(_, names)| !names.is_empty()).map(listed).collect();
        if wrong.is_empty() {
            self.check(&weights)?;
            return Ok(weights);
        }
        let what = format!("these are not the tensors of {}: {}", self.name, wrong.join("; "));
        let hint = match weights.meta("model").filter(|model| *model != self.name) {
            Some(model) => format!("the file says that it holds {model}: check --model"),
            None => "check --model, or rename the tensors in Python before saving them".into(),
        };
        Err(Error::format(weights.name(), what, hint))
    }

    /// The prefix, empty or with a dot at its end, under which most of the parameters are found.
    fn prefix(&self, weights: &Weights) -> String {
        let found = |prefix: &str| {
            let there = |name: &str| weights.tensors.contains_key(&format!("{prefix}{name}"));
            self.params.iter().filter(|param| there(&param.name)).count()
        };
        let Some(first) = self.params.first() else { return String::new() };
        let prefixes = weights.tensors.keys().filter_map(|name| name.strip_suffix(&first.name));
        let mut best = ("", found(""));
        for prefix in prefixes.filter(|prefix| prefix.ends_with('.')) {
            let count = found(prefix);
            if count > best.1 {
                best = (prefix, count);
            }
        }
        best.0.to_owned()
    }
}

/// `2 missing: a, b`.
fn listed((kind, names): &(&str, Vec<String>)) -> String {
    let mut text =
        format!("{} {kind}: {}", names.len(), names[..names.len().min(LISTED)].join(", "));
    if names.len() > LISTED {
        text += ", ...";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{nn::initialise, shape::Window};

    fn graph() -> Graph {
        let mut g = Graph::new("net", [3, 4, 4]);
        let x = g.conv(g.input(), "conv1", 2, Window::square(3, 1, 1), true).unwrap();
        let x = g.batch_norm(x, "bn1");
        let x = g.global_avg_pool(x);
        g.linear(x, "linear", 10).unwrap();
        g
    }

    fn renamed(weights: &Weights, name: impl Fn(&str) -> String) -> Weights {
        let tensors = weights.tensors.iter().map(|(n, t)| (name(n), t.clone())).collect();
        Weights { tensors, ..weights.clone() }
    }

    #[test]
    fn prefixes_are_dropped_and_values_kept() {
        let (graph, ours) = (graph(), initialise(&graph(), true, 3));
        for prefix in ["", "module.", "model.", "module.model.", "net.conv1."] {
            let mut theirs = renamed(&ours, |name| format!("{prefix}{name}"));
            theirs.insert(format!("{prefix}bn1.num_batches_tracked"), &[], vec![7.0]);
            let (bare, dropped) = graph.without_prefix(theirs);
            assert_eq!(dropped, prefix);
            assert_eq!(graph.adopt(bare).unwrap(), ours);
        }
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let graph = graph();
        let mut theirs = initialise(&graph, true, 3);
        theirs.tensors.remove("linear.bias");
        theirs.insert("linear.weight", &[100, 2], vec![0.0; 200]);
        theirs.insert("loss.scale", &[1], vec![0.0]);
        let error = graph.adopt(theirs.clone()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "weights: these are not the tensors of net: 1 missing: linear.bias [10]; \
             1 of another shape: linear.weight [100, 2] instead of [10, 2]; \
             1 not known: loss.scale [1]"
        );
        assert!(error.hint().unwrap().starts_with("check --model"));
        theirs.metadata.insert("model".into(), "resnet18".into());
        assert!(graph.adopt(theirs).unwrap_err().hint().unwrap().contains("holds resnet18"));
        let error = graph.adopt(Weights::default()).unwrap_err().to_string();
        assert!(error.contains("8 missing: ") && error.ends_with(", ..."), "{error}");
    }
}
