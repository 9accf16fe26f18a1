//! What tells the generators of the experiments apart.

/// A generator to be trained; cells of several tables can share it.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    /// The base network in front of which it is trained.
    pub base: String,
    pub generator: String,
    /// Probability of a faulty cell.
    pub ber: f64,
    /// Weight of the perturbed copies' loss.
    pub lambda: f64,
    /// Perturbed copies per step.
    pub copies: u32,
}
