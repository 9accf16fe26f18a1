//! Faults as numbers of the fused fault kernel.

use crate::{
    error::Result,
    fault::{CELL_MAP_WORDS, FaultModel, Faults, Mapping, Model, Place, threshold},
};

/// Faults in the form of the kernel's parameters.
#[derive(Default)]
pub(super) struct Drawn {
    pub(super) cells: u32,
    pub(super) model: u32,
    pub(super) thresholds: [u32; 2],
    pub(super) lot: u64,
    pub(super) lot_cut: Option<u32>,
    /// 0: cells are drawn from seeds; 1 or 2: they come from a map, with the reference's or another
    /// mapping.
    pub(super) mapped: u32,
    pub(super) map_words: u32,
    pub(super) map_stride: u32,
    pub(super) map_first: u32,
}

/// The number of a model whose cells `shaders/lib/drawn.wgsl` draws word by word; those of the others are listed.
pub(in crate::kernels) fn shader_code(model: FaultModel) -> u32 {
    match model {
        FaultModel::StuckAt => 1,
        FaultModel::Asymmetric => 2,
        FaultModel::Flip | FaultModel::Reference | FaultModel::Profile | FaultModel::Pattern => 0,
    }
}

impl Drawn {
    pub(super) fn of(faults: &Faults, place: Place, bits: u32) -> Result<Self> {
        let mut drawn = Self {
            cells: faults.weight_cells(bits)?,
            model: shader_code(faults.kind()),
            thresholds: faults.rates().map(threshold),
            ..Self::default()
        };
        if let Some(lot) = faults.lot() {
            (drawn.lot, drawn.lot_cut) = (lot.seed, Some(lot.cut()));
        }
        match faults.model() {
            Model::Flip(_) | Model::StuckAt(_) | Model::Asymmetric(_) => {}
            Model::Reference(_) => {
                (drawn.mapped, drawn.map_words) = (1, CELL_MAP_WORDS);
                drawn.map_stride = 2 * CELL_MAP_WORDS;
            }
            Model::Pattern(pattern) => {
                let words = pattern.words();
                (drawn.mapped, drawn.map_words, drawn.map_stride) = (2, words, 2 * words);
                drawn.map_first = place.address % words;
            }
            Model::Profile(_, map) => {
                let cells = &map.cells;
                drawn.mapped = if cells.mapping == Mapping::Reference { 1 } else { 2 };
                drawn.map_words = cells.words();
                // The shader ignores this under the reference's mapping, where every layer begins at
                // row 0.
                drawn.map_first = cells.index(Place { layer: 0, ..place }, 0) as u32;
            }
        }
        Ok(drawn)
    }

    /// Bytes of the maps of cells.
    pub(super) fn map_bytes(&self, copies: u64) -> u64 {
        let one = 8 * u64::from(self.map_words);
        (if self.map_stride > 0 { one * copies } else { one }).max(16)
    }
}
