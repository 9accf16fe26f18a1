//! What the weights of a network reveal about how they were stored: as floats, as words of a few bits,
//! as words without their scale, or as words with faults.

use super::graph::Graph;
use crate::{
    error::{Error, Result},
    fault::{Grid, bit_grid, whole_numbers},
    files::Weights,
    kernels::quantise::fault_dequantize::Order,
};
use std::path::Path;

/// Most layers that a message names.
const NAMED: usize = 3;

/// How the weights of a network were quantised, judged by their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stored {
    /// Not quantised, or too few weights to tell.
    Floats,
    /// Every layer lies on the grid of symmetric quantisation to `bits`: quantising it again changes
    /// nothing.
    Words {
        /// Bits per weight, 2 to 8.
        bits: u32,
    },
    /// On the grid of another quantisation, which the text describes. Quantising again changes the
    /// weights a little.
    Otherwise(String),
    /// The network cannot be computed with these weights: what was found, and a hint what to give
    /// instead.
    Unusable(String, String),
}

impl Stored {
    /// Refuses [`Self::Unusable`] weights.
    ///
    /// # Errors
    /// [`Error::Format`]: words without their scale, or with faults.
    pub fn check(&self, origin: &Path) -> Result<()> {
        match self {
            Self::Unusable(what, hint) => Err(Error::format(origin, what, hint)),
            _ => Ok(()),
        }
    }
}

impl Graph {
    /// Judges how the weights of this network's layers were quantised. Missing layers are skipped, and those whose
    /// words are known.
    #[must_use]
    pub fn stored(&self, weights: &Weights) -> Stored {
        let mut layers = Vec::new();
        for (layer, name) in self.layers.iter().zip(self.layer_names()) {
            let param = &self.params[layer.weight].name;
            let Some(tensor) =
                weights.tensors.get(param).filter(|_| !weights.words.contains_key(param))
            else {
                continue;
            };
            layers.push((
                name.trim_end_matches(".weight"),
                Lies::of(&tensor.data, &tensor.shape, layer.order),
            ));
        }
        let of = |wanted: fn(&Lies) -> Option<Grid>| -> Vec<(&str, Grid)> {
            let found = layers.iter().filter_map(|(name, lies)| Some((*name, wanted(lies)?)));
            found.collect()
        };
        let whole: Vec<String> =
            layers.iter().filter_map(|(name, lies)| lies.whole(name)).collect();
        if !whole.is_empty() {
            let what = format!("{}: the scale is missing", some(&whole, layers.len()));
            let hint = "save each tensor times its scale (BFA: weight * step_size); where the network computes with \
                        the whole numbers themselves, nf-gpu import --precision 8 takes them as they are";
            return Stored::Unusable(what, hint.into());
        }
        let grids = of(|lies| if let Lies::Grid(grid) = lies { Some(*grid) } else { None });
        let by_channel = layers.iter().filter(|(_, lies)| matches!(lies, Lies::ByChannel)).count();
        if by_channel > 0 {
            return Stored::Otherwise(format!(
                "the weights of {by_channel} of {} layers lie on a grid per channel; nf-gpu keeps one scale a layer",
                layers.len()
            ));
        }
        if grids.is_empty() { Stored::Floats } else { of_grids(&grids, layers.len()) }
    }
}

/// On which grid the weights of one layer lie.
enum Lies {
    Free,
    Whole(f32),
    Grid(Grid),
    ByChannel,
}

impl Lies {
    fn of(weights: &[f32], shape: &[usize], order: Order) -> Self {
        if let Some(largest) = whole_numbers(weights) {
            return Self::Whole(largest);
        }
        if let Some(grid) = Grid::of(weights) {
            return Self::Grid(grid);
        }
        if by_channel(weights, shape, order) { Self::ByChannel } else { Self::Free }
    }

    fn whole(&self, name: &str) -> Option<String> {
        let Self::Whole(largest) = self else { return None };
        Some(format!("all weights of {name} are whole numbers up to {largest}"))
    }
}

/// Whether every output channel lies on a grid of its own. At least two must have enough weights to
/// tell.
fn by_channel(weights: &[f32], shape: &[usize], order: Order) -> bool {
    let channels = match order {
        Order::InOut => return false, // generators only, which have no faults
        _ => shape.first().copied().unwrap_or(0),
    };
    if channels == 0 || !weights.len().is_multiple_of(channels) {
        return false;
    }
    let mut found = 0;
    for row in weights.chunks((weights.len() / channels).max(1)) {
        if Grid::of(row).is_some() {
            found += 1;
        } else if row.iter().filter(|weight| **weight != 0.0).count() >= 8 {
            return false;
        }
    }
    found > 1
}

/// Judges a network of `count` layers by those of its layers that lie on grids.
fn of_grids(grids: &[(&str, Grid)], count: usize) -> Stored {
    let first = grids[0].1;
    let same_step = grids.len() > 1
        && grids.iter().all(|(_, grid)| (grid.step / first.step - 1.0).abs() < 1e-5);
    let power_of_two = |grid: &Grid| (grid.step.log2() - grid.step.log2().round()).abs() < 1e-5;
    let bits: Vec<Option<u32>> = grids.iter().map(|(_, grid)| grid.clean_bits()).collect();
    let parts = if grids.len() == count {
        String::new()
    } else {
        format!("{} of {count} layers: ", grids.len())
    };
    if bits.iter().all(|own| *own == bits[0])
        && let Some(bits) = bits[0]
    {
        if same_step && bits > 2 {
            let what = format!(
                "{parts}the weights of every layer reach {} steps of {}: the scales of the layers are missing",
                first.reach(),
                first.step as f32
            );
            let hint = format!(
                "save each tensor times its own scale; where this is how the network computes, \
                 --precision {bits} takes them as they are"
            );
            return Stored::Unusable(what, hint);
        }
        if grids.len() == count {
            return Stored::Words { bits };
        }
        return Stored::Otherwise(format!(
            "{parts}their weights lie on {}, the others' on none",
            bit_grid(bits)
        ));
    }
    if bits.iter().all(|bits| bits.is_some_and(|bits| bits > 2)) {
        let each: Vec<String> = grids
            .iter()
            .zip(&bits)
            .map(|((name, _), bits)| format!("{name} {}", bits.unwrap_or(0)))
            .collect();
        return Stored::Otherwise(format!(
            "its layers lie on grids of different bits: {}",
            some(&each, count)
        ));
    }
    if same_step || grids.iter().all(|(_, grid)| power_of_two(grid)) {
        return Stored::Otherwise(format!("{parts}their weights are fixed-point numbers"));
    }
    let bits = grids.iter().map(|(_, grid)| grid.bits()).max().unwrap_or(8);
    if bits > 8 {
        return Stored::Otherwise(format!(
            "{parts}their weights lie on grids with a zero point, or of more than 8 bits"
        ));
    }
    let reach = (1 << (bits - 1)) - 1;
    let odd: Vec<String> = grids
        .iter()
        .filter(|(_, grid)| grid.reach() != reach)
        .map(|(name, grid)| format!("{name} from {} to {} steps", grid.least, grid.most))
        .collect();
    let what = format!(
        "{parts}its weights lie on {}, but not as clean words do, which reach {reach} steps in every \
         layer: {}",
        bit_grid(bits),
        some(&odd, count)
    );
    let hint = format!(
        "they hold faults, or another quantisation made them (-{} to {reach}): give the clean network, and the faults \
         as flags; --precision {bits} takes them and quantises them again, which changes them",
        reach + 1
    );
    Stored::Unusable(what, hint)
}

/// The first few lines, and the number of all lines if there are more.
fn some(lines: &[String], count: usize) -> String {
    let text = lines[..lines.len().min(NAMED)].join(", ");
    if lines.len() > NAMED {
        format!("{text}, ... ({} of {count} layers)", lines.len())
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fault::{dequantize, quantize},
        models,
        nn::initialise,
    };

    /// A network with every layer's weights changed.
    fn changed(change: impl Fn(usize, &mut Vec<f32>)) -> (Graph, Weights) {
        let graph = models::base("resnet20", 10, None).unwrap();
        let mut weights = initialise(&graph, true, 3);
        for (i, layer) in graph.layers.iter().enumerate() {
            let tensor = weights.tensors.get_mut(&graph.params[layer.weight].name).unwrap();
            change(i, &mut tensor.data);
        }
        (graph, weights)
    }

    fn stored(change: impl Fn(usize, &mut Vec<f32>)) -> Stored {
        let (graph, weights) = changed(change);
        graph.stored(&weights)
    }

    fn quantised(bits: u32) -> impl Fn(usize, &mut Vec<f32>) {
        move |_, data| *data = dequantize(&quantize(data, bits).unwrap())
    }

    fn refused(stored: &Stored, says: &str) {
        let error = stored.check(Path::new("w")).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.hint().unwrap().contains("--precision"));
    }

    #[test]
    fn clean_words_tell_their_bits() {
        assert_eq!(stored(|_, _| ()), Stored::Floats);
        for bits in 2..=8 {
            assert_eq!(stored(quantised(bits)), Stored::Words { bits });
        }
        let first = stored(|i, data| {
            if i < 5 {
                quantised(4)(i, data);
            }
        });
        let Stored::Otherwise(note) = &first else { panic!("{first:?}") };
        assert!(note.starts_with("5 of 20 layers: ") && note.contains("4-bit"), "{note}");
        let mixed = stored(|i, data| quantised(if i == 0 { 8 } else { 4 })(i, data));
        let Stored::Otherwise(note) = &mixed else { panic!("{mixed:?}") };
        assert!(note.contains("conv1 8, layer1.0.conv1 4"), "{note}");
    }

    #[test]
    fn words_without_their_scale_are_refused() {
        for (only, says) in [
            (20, "all weights of conv1 are whole numbers up to 127"),
            (1, "all weights of conv1 are whole numbers up to 127: the scale is missing"),
        ] {
            let words = stored(|i, data| {
                if i < only {
                    let words = quantize(data, 8).unwrap().steps();
                    *data = words.into_iter().map(|q| q as f32).collect();
                }
            });
            refused(&words, says);
        }
        // Every layer has the same step, 1/128.
        refused(
            &stored(|_, data| {
                let words = quantize(data, 8).unwrap().steps();
                *data = words.into_iter().map(|q| q as f32 / 128.0).collect();
            }),
            "reach 127 steps of 0.0078125",
        );
    }

    #[test]
    fn words_with_faults_are_refused() {
        let faulty = |bits: u32| {
            stored(move |i, data| {
                let mut stored = quantize(data, bits).unwrap();
                let (steps, most) = (stored.steps(), (1 << (bits - 1)) - 1);
                let mut flip =
                    |at: usize, bit: u32| stored.words[at / 4] ^= 1 << (8 * (at as u32 % 4) + bit);
                match i % 3 {
                    0 => flip(steps.iter().position(|&q| q == 0).unwrap(), bits - 1),
                    1 => {}
                    // Every weight of the largest magnitude is changed.
                    _ => (0..steps.len())
                        .filter(|&at| steps[at].abs() == most)
                        .for_each(|at| flip(at, 1)),
                }
                *data = dequantize(&stored);
            })
        };
        refused(&faulty(8), "8-bit grid, but not as clean words do");
        refused(&faulty(4), "conv1 from -8 to");
    }

    #[test]
    fn other_grids_are_said() {
        let fixed = stored(|_, data| {
            data.iter_mut().for_each(|w| *w = (*w * 64.0).round() / 64.0);
        });
        let Stored::Otherwise(note) = &fixed else { panic!("{fixed:?}") };
        assert!(note.contains("fixed-point"), "{note}");
        let rows = stored(|i, data| {
            let channels = if i == 19 { 10 } else { 16 };
            let size = data.len() / channels;
            for row in data.chunks_mut(size) {
                row.copy_from_slice(&dequantize(&quantize(row, 8).unwrap()));
            }
        });
        let Stored::Otherwise(note) = &rows else { panic!("{rows:?}") };
        assert!(note.contains("grid per channel"), "{note}");
    }
}
