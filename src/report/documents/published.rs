//! Numbers that a paper prints, to stand beside ours.

/// Accuracy and energy of a base network, alone or behind a generator, as printed.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedPoint {
    /// The base network.
    pub base: String,
    /// The data set of the accuracy.
    pub dataset: String,
    /// The generator in front, if any.
    pub generator: Option<String>,
    /// Probability that a cell is faulty.
    pub ber: f64,
    /// Accuracy under these faults, in per cent.
    pub accuracy: f64,
    /// Energy of the weight memory in per cent of that of the base network alone at the nominal voltage.
    pub energy: f64,
}
