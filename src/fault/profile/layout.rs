//! Where the layers of a network lie in a measured memory, as a file by the memory's designer says.

use super::Size;
use crate::{
    error::{Error, Result, closest},
    fault::Place,
    files::{read_text, sha256, toml_problem},
};
use serde::Deserialize;
use std::path::Path;

const HINT: &str = "a layout has, for each layer that can fail, [[layer]] with layer = \"conv1\" and \
                    address = 0x1000, in bytes; and, if you like, rows and columns of the memory";

/// Addresses must be below this number of bytes: the numbers of words have 32 bits.
const MOST_BYTES: u64 = 4 << 32;

/// Base addresses of layers, and the size of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Path of the layout file.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Rows and cells of a row, as far as the file gives them.
    pub(super) size: Size,
    layers: Vec<LayerBase>,
}

/// Where a layer begins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerBase {
    /// Name of its weights; `.weight` may be left out.
    layer: String,
    /// Byte of the memory that holds its first weight.
    address: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rows: Option<u64>,
    columns: Option<u64>,
    #[serde(default)]
    layer: Vec<LayerBase>,
}

/// A layer of the network that is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'a> {
    /// Name of its weights.
    pub name: &'a str,
    /// Bytes that its weights take.
    pub bytes: u64,
    /// Whether the layer can fail; one that cannot needs no address.
    pub can_fail: bool,
}

impl Layout {
    /// Reads a layout (TOML).
    pub fn load(path: &Path) -> Result<Self> {
        let text = read_text(path)?;
        let wrong = |what: String| Error::format(path, what, HINT);
        let file: File = toml::from_str(&text).map_err(|e| wrong(toml_problem(&text, &e)))?;
        if file.layer.is_empty() && file.rows.or(file.columns).is_none() {
            return Err(wrong("it says nothing".into()));
        }
        for LayerBase { layer, address } in &file.layer {
            if !address.is_multiple_of(4) || *address >= MOST_BYTES {
                let what = format!("the address of {layer}, {address}, is no word's");
                let hint =
                    "addresses are bytes, a multiple of 4, below 16 GiB: a word has 4 weights";
                return Err(Error::format(path, what, hint));
            }
        }
        let size = Size { rows: file.rows, columns: file.columns };
        let name = path.display().to_string();
        Ok(Self { file: name, sha256: sha256(path)?, size, layers: file.layer })
    }

    /// Whether the layout gives addresses to layers, and not only a size.
    pub fn has_addresses(&self) -> bool {
        !self.layers.is_empty()
    }

    /// Places of the layers of a network, by their addresses (a layer without one gets address 0), and the
    /// number of words from byte 0 to the end of the last layer that has an address.
    ///
    /// # Errors
    /// A name that no layer has or that is there twice, a layer that can fail but has no address, layers that
    /// overlap.
    pub(super) fn places(&self, network: &[Placed<'_>]) -> Result<(Vec<Place>, u64)> {
        let wrong = |what: String, hint: String| Err(Error::format(&self.file, what, hint));
        let short = |name: &str| name.strip_suffix(".weight").unwrap_or(name).to_owned();
        let names: Vec<String> = network.iter().map(|layer| short(layer.name)).collect();
        let mut places: Vec<Option<Place>> = vec![None; network.len()];
        let mut ranges = Vec::new();
        for LayerBase { layer, address } in &self.layers {
            let Some(at) = names.iter().position(|name| *name == short(layer)) else {
                let near = closest(&short(layer), &names);
                let near = near.map_or(String::new(), |near| format!("did you mean {near}? "));
                let what = format!("the network has no layer {layer:?}");
                return wrong(what, format!("{near}layers: {}", names.join(", ")));
            };
            // Below 2^34 bytes, as `load` checked.
            let place = Place { layer: at as u32, address: (address / 4) as u32 };
            if places[at].replace(place).is_some() {
                let what = format!("{layer} has two addresses");
                return wrong(what, "name each layer once".into());
            }
            ranges.push((*address, address + 4 * network[at].bytes.div_ceil(4), &names[at]));
        }
        ranges.sort_unstable();
        for pair in ranges.windows(2) {
            let [(a, end, first), (b, _, second)] = [pair[0], pair[1]];
            if b < end {
                let what =
                    format!("{first}, bytes {a} to {}, and {second}, from {b}, overlap", end - 1);
                return wrong(what, "give each layer room for its weights, a byte each".into());
            }
        }
        let missing =
            |(layer, place): (&Placed<'_>, &Option<Place>)| layer.can_fail && place.is_none();
        if let Some(at) = network.iter().zip(&places).position(missing) {
            let hint = "name every layer that can fail, or keep the faults to some with --layers";
            return wrong(format!("it gives no address to {}", names[at]), hint.into());
        }
        let nowhere = |at: usize| Place { layer: at as u32, address: 0 };
        let places = places.iter().enumerate().map(|(at, place)| place.unwrap_or(nowhere(at)));
        Ok((places.collect(), ranges.last().map_or(0, |&(_, end, _)| end / 4)))
    }
}
