//! The fused fault kernel: mask, XOR, sign extension, scale, both layouts, counts;
//! `shaders/quantise/fault_dequantize.wgsl`.

use super::{
    drawn::Drawn,
    stored::{Order, StoredLayer, Transposed},
};
use crate::{
    error::{Error, Result},
    fault::{Faults, FloatFormat, check_bits},
    kernels::{
        desc::{Access, KernelDesc, Params, Requires, Variant},
        plan::{DispatchGrid, Plan},
        quantise::quantize::check_scale,
    },
    shape::Rsck,
};
use std::ops::Range;

crate::params! {
    /// Uniform block of `shaders/quantise/fault_dequantize.wgsl`.
    pub struct FaultDequantizeParams {
        /// Kernel rows times columns.
        taps: u32,
        /// Channels in.
        c: u32,
        /// Channels out.
        k: u32,
        /// Extent of the second stored dimension: C, or K where C is the first.
        inner: u32,
        /// Whether C is the first stored dimension.
        c_outer: u32,
        /// Copies in the dispatch.
        copies: u32,
        /// Index of the first of them; earlier copies in the buffers are left unchanged.
        first_copy: u32,
        /// Index of the layer among all faultable layers.
        layer: u32,
        /// Number of faultable layers.
        layers: u32,
        /// Bits per weight: 2 to 8, or 16 of floats.
        bits: u32,
        /// Index of the tensor's scale, or of that of its output channel 0.
        scale: u32,
        /// Index among the scales of the zero point that belongs to it.
        zero: u32,
        /// Bits of a word that are stored and can fail.
        cells: u32,
        /// 0: faulty cells flip; 1: they are stuck at their polarity; 2: each direction has its own
        /// rate.
        model: u32,
        /// A cell is faulty with probability `threshold / 2^32`.
        threshold: u32,
        /// The same for a cell that stores 1, if each direction has its own rate.
        threshold_10: u32,
        /// Seed of the lot, low half.
        lot_lo: u32,
        /// Seed of the lot, high half.
        lot_hi: u32,
        /// A cell follows the lot with probability `lot_cut / 2^32`.
        lot_cut: u32,
        /// Offset in `affine` of the scale that multiplies output channel 0 of wt.
        fold: u32,
        /// Index in the layer of the first word here.
        first_word: u32,
        /// Rows of the stored tensor if each has whole words, else 1.
        rows: u32,
        /// Words per row.
        row_words: u32,
        /// Words of a map of faulty cells.
        map_words: u32,
        /// Words from a copy's map to the next; 0 if all copies share one.
        map_stride: u32,
        /// Word of the map where the layer begins.
        map_first: u32,
    }
}

/// A variant's text: its multiplication, the pieces that all variants share, and its own file.
macro_rules! joined {
    ($multiply:literal, $own:literal) => {
        crate::wgsl!(
            "lib/grid",
            $multiply,
            "lib/philox",
            "lib/cells",
            "lib/drawn",
            "lib/flipped",
            "lib/half_value",
            "lib/fault_dequantize",
            "lib/weight_layouts",
            $own
        )
    };
}

/// The kernel's interface and its variants.
pub static KERNEL: KernelDesc = KernelDesc {
    name: "fault_dequantize",
    params_name: FaultDequantizeParams::NAME,
    params: FaultDequantizeParams::FIELDS,
    bindings: &[
        ("params", Access::Uniform),
        ("packed", Access::Read),
        ("scales", Access::Read),
        ("seeds", Access::Read),
        ("affine", Access::Read),
        ("w", Access::ReadWrite),
        ("wt", Access::ReadWrite),
        ("flips", Access::ReadWrite),
        ("map", Access::Read),
    ],
    variants: &[
        Variant {
            tile: within_a_copy,
            requires: Requires::Int64,
            ..Variant::hot(
                "int64",
                "fault_dequantize_int64",
                joined!("lib/multiply_int64", "quantise/fault_dequantize_int64"),
            )
        },
        Variant {
            tile: within_a_copy,
            ..Variant::hot(
                "plain",
                "fault_dequantize",
                joined!("lib/multiply", "quantise/fault_dequantize"),
            )
        },
    ],
};

/// The tile of a workgroup, which stays within one copy so that it counts the flips of one.
fn within_a_copy(workgroup: u32) -> [u32; 3] {
    [workgroup, 1, 1]
}

/// Words per invocation, as in the shader.
const EACH: u32 = 8;
/// Rows that neighbouring invocations take together, as in the shader.
const TOGETHER: u32 = 64;
/// Upper bound of the invocations of a workgroup.
const MOST_LANES: u32 = 1024;

/// Dequantises copies of a layer from one set of stored words, each with the faults of its seed.
/// `copies` is the range of copies in the buffers to write. The number of flipped bits is added to
/// `flips[copy, layer, bit]`. Without `faults` no bit flips, and `seeds` and `flips` are not touched.
///
/// # Errors
/// The layer is empty or its copies are too large for 32-bit indices; there are no copies; there is
/// no such scale or layer; or weights do not have 2 to 8 bits (floats 16), or none of the bits that can fail.
pub fn plan(
    layer: StoredLayer,
    copies: Range<u32>,
    faults: Option<&Faults>,
    scale_index: u32,
    scales_len: u32,
    layers: u32,
) -> Result<Plan> {
    let StoredLayer { shape, order, groups, place, bits, meaning, fold, first_word, transposed } =
        layer;
    let index = place.layer;
    let (memory, counts) = (meaning.memory(), meaning.counts());
    match meaning.float {
        None => drop(check_bits(bits)?),
        Some(format) if bits == FloatFormat::BITS => {
            if meaning.per_channel || meaning.zero_point.is_some() {
                return Err(Error::Shape(format!(
                    "words of {format} with a scale or a zero point"
                )));
            }
        }
        Some(format) => return Err(Error::Shape(format!("words of {format} of {bits} bits"))),
    }
    for first in [Some(scale_index), meaning.zero_point].into_iter().flatten() {
        let last =
            if meaning.per_channel { first.saturating_add(shape.k.max(1) - 1) } else { first };
        check_scale(last, scales_len)?;
    }
    let drawn = faults.map(|faults| Drawn::of(faults, place, bits)).transpose()?;
    let drawn = drawn.unwrap_or_default();
    if fold.is_some_and(|(offset, len)| offset.checked_add(shape.k).is_none_or(|end| end > len)) {
        return Err(Error::Shape(format!("{} channel scales are not there", shape.k)));
    }
    if index >= layers {
        return Err(Error::Shape(format!("layer {index} is not one of {layers} layers")));
    }
    if copies.is_empty() {
        return Err(Error::Shape(format!("copies {} to {} are none", copies.start, copies.end)));
    }
    let per_tap = groups == 1 || order == Order::OutIn && transposed != Transposed::Flat;
    if groups == 0 || !shape.k.is_multiple_of(groups) || !per_tap {
        return Err(Error::Shape(format!("{groups} groups of stored weights {shape}")));
    }
    let other = of_gradient(shape, groups);
    let (elements, in_wt) = (elements(shape, copies.end)?, elements(other, copies.end)?);
    let words = shape.len().div_ceil(memory.per_word());
    let outer = if order == Order::OutIn { shape.k } else { shape.c };
    // If stored rows consist of whole words they are taken as rows, else the layer is one row.
    let whole = (shape.len() / outer).is_multiple_of(memory.per_word());
    let (rows, row_words) = if whole { (outer, words / outer) } else { (1, words) };
    let params = FaultDequantizeParams {
        taps: shape.r * shape.s,
        c: shape.c,
        k: shape.k,
        inner: if order == Order::OutIn { shape.c } else { shape.k },
        c_outer: u32::from(order == Order::InOut),
        copies: copies.end - copies.start,
        first_copy: copies.start,
        layer: index,
        layers,
        bits,
        scale: scale_index,
        zero: meaning.zero_point.unwrap_or(0),
        cells: drawn.cells,
        model: drawn.model,
        threshold: drawn.thresholds[0],
        threshold_10: drawn.thresholds[1],
        lot_lo: drawn.lot as u32,
        lot_hi: (drawn.lot >> 32) as u32,
        lot_cut: drawn.lot_cut.unwrap_or(0),
        fold: fold.map_or(0, |(offset, _)| offset),
        first_word,
        rows,
        row_words,
        map_words: drawn.map_words,
        map_stride: drawn.map_stride,
        map_first: drawn.map_first,
    };
    let copies64 = u64::from(copies.end);
    let bytes = vec![
        4 * u64::from(words),
        4 * u64::from(scales_len),
        8 * copies64,
        fold.map_or(16, |(_, len)| 4 * u64::from(len)),
        4 * elements,
        if transposed == Transposed::Absent { 16 } else { 4 * in_wt },
        4 * u64::from(counts) * copies64 * u64::from(layers),
        drawn.map_bytes(copies64),
    ];
    let pieces = row_words.div_ceil(EACH);
    let padding_of_wt = if groups == 1 || transposed == Transposed::Absent {
        0
    } else {
        other.padded_len() - other.len()
    };
    let padding = shape.padded_len() - shape.len();
    let Some(items) =
        (rows * pieces).checked_add(padding).and_then(|n| n.checked_add(padding_of_wt))
    else {
        return Err(Error::TooManyElements { what: format!("weights {shape}") });
    };
    // The shader computes these numbers in 32 bits, without run-time checks.
    if pieces.checked_mul(TOGETHER).is_none() || items.checked_add(MOST_LANES).is_none() {
        return Err(Error::TooManyElements { what: format!("weights {shape}") });
    }
    let grid = DispatchGrid::Tiles([items, params.copies, 1]);
    // Three calls of Philox per word, ten rounds of about thirty operations each.
    let per_word = if faults.is_some() { 1000 } else { 50 };
    let flops = per_word * u64::from(params.copies) * u64::from(words);
    let plan = Plan::new(&KERNEL, &params, grid, bytes).costing(flops);
    let transposed = match transposed {
        Transposed::Absent => 0,
        Transposed::PerTap => 1,
        Transposed::Flat => 2,
    };
    let plan = plan
        .with("FAULTS", u32::from(faults.is_some()))
        .with("FOLD", u32::from(fold.is_some() && transposed > 0))
        .with("TRANSPOSED", transposed)
        .with("GROUPS", groups)
        .with("MAPPED", drawn.mapped)
        .with("LOTS", u32::from(drawn.lot_cut.is_some()));
    // Symmetric words have the shader's defaults.
    let floats = meaning.float.is_some();
    let meant = [
        ("SIGNED", 0, !meaning.signed && !floats),
        ("CHANNELS", 1, meaning.per_channel),
        ("ZEROS", 1, meaning.zero_point.is_some()),
        ("FLOATS", if meaning.float == Some(FloatFormat::F16) { 1 } else { 2 }, floats),
        ("PER", memory.per_word(), floats),
        ("COUNTS", counts, floats),
        ("STREAM", memory.stream(), floats),
    ];
    let others = meant.into_iter().filter(|(.., differs)| *differs);
    Ok(others.fold(plan, |plan, (name, value, _)| plan.with(name, value)))
}

/// Shape of the weights of a layer's input gradient, [`Transposed::PerTap`]: C is the number of output channels of one
/// group, K that of all input channels.
#[must_use]
pub fn of_gradient(shape: Rsck, groups: u32) -> Rsck {
    Rsck { c: shape.k / groups, k: shape.c * groups, ..shape }
}

/// f32 elements of all copies in one layout, padding included.
fn elements(shape: Rsck, copies: u32) -> Result<u64> {
    let Rsck { r, s, c, k } = shape;
    let padded = |n: u32| n.checked_next_multiple_of(4);
    let factors = [Some(r), Some(s), padded(c), padded(k), Some(copies)];
    match factors.into_iter().try_fold(1u32, |product, n| product.checked_mul(n?)) {
        Some(0) => Err(Error::Shape(format!("weights {shape} are empty"))),
        Some(n) => Ok(n.into()),
        None => Err(Error::TooManyElements { what: format!("{copies} copies of weights {shape}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::stored::WordMeaning;
    use super::*;
    use crate::fault::{FaultModel, Place, Positions};

    #[test]
    fn a_wrong_layer_copy_scale_or_bit_is_refused() {
        let layer = StoredLayer {
            shape: Rsck::new(3, 3, 3, 64),
            order: Order::OutIn,
            groups: 1,
            place: Place { layer: 1, address: 432 },
            bits: 8,
            meaning: WordMeaning::SYMMETRIC,
            fold: None,
            first_word: 0,
            transposed: Transposed::PerTap,
        };
        let ok = |layer, copies| plan(layer, copies, None, 0, 1, 2).map(|p| p.bytes);
        assert_eq!(ok(layer, 0..2).unwrap(), [432 * 4, 4, 16, 16, 18_432, 18_432, 128, 16]);
        let absent = StoredLayer { transposed: Transposed::Absent, ..layer };
        assert_eq!(ok(absent, 0..2).unwrap()[5], 16);
        let meant =
            |meaning, len| plan(StoredLayer { meaning, ..layer }, 0..1, None, 1, len, 2).is_ok();
        let of_channels = WordMeaning { per_channel: true, ..WordMeaning::SYMMETRIC };
        assert!(meant(of_channels, 65) && !meant(of_channels, 64));
        let zeros = WordMeaning { zero_point: Some(65), ..of_channels };
        assert!(meant(zeros, 129) && !meant(zeros, 128));
        // Two weights to a word, 16 counts a layer.
        let floats = WordMeaning { float: Some(FloatFormat::F16), ..WordMeaning::SYMMETRIC };
        let halves = StoredLayer { bits: 16, meaning: floats, ..layer };
        assert_eq!(ok(halves, 0..2).unwrap(), [864 * 4, 4, 16, 16, 18_432, 18_432, 256, 16]);
        assert!(ok(StoredLayer { bits: 8, ..halves }, 0..1).is_err());
        assert!(ok(StoredLayer { bits: 16, ..layer }, 0..1).is_err());
        let scaled = WordMeaning { per_channel: true, ..floats };
        assert!(ok(StoredLayer { meaning: scaled, ..halves }, 0..1).is_err());
        let folded = |fold| ok(StoredLayer { fold: Some(fold), ..layer }, 0..1);
        assert_eq!(folded((2, 66)).unwrap()[3], 264);
        assert!(folded((3, 66)).is_err() && folded((u32::MAX, 66)).is_err());
        // 64 input channels in one row of four, and three groups that do not divide 64 output channels.
        let grouped = |groups| ok(StoredLayer { groups, ..layer }, 0..1);
        assert_eq!(grouped(64).unwrap()[4..6], [9216, 9 * 4 * 192 * 4]);
        assert!(grouped(3).is_err() && grouped(0).is_err());
        let inward = StoredLayer { groups: 2, order: Order::InOut, ..layer };
        assert!(ok(inward, 0..1).is_err());
        assert!(ok(layer, 0..0).is_err());
        assert!(ok(StoredLayer { place: Place { layer: 2, address: 0 }, ..layer }, 0..1).is_err());
        assert!(ok(StoredLayer { bits: 1, ..layer }, 0..1).is_err());
        assert!(ok(StoredLayer { shape: Rsck::new(1, 1, 0, 4), ..layer }, 0..1).is_err());
        assert!(ok(StoredLayer { shape: Rsck::new(1, 1, 25_088, 4096), ..layer }, 0..42).is_err());
        let one_row = |k| ok(StoredLayer { shape: Rsck::new(1, 1, 3, k), ..layer }, 0..1);
        assert!(one_row(2 << 28).is_ok() && one_row(3 << 28).is_err());
        assert!(plan(layer, 0..1, None, 1, 1, 2).is_err());
        let faults = Faults::new(FaultModel::Flip, 0.5).unwrap();
        assert!(plan(layer, 0..1, Some(&faults), 0, 1, 2).is_ok());
        let high = Positions::only(7);
        let seven = StoredLayer { bits: 7, ..layer };
        assert!(plan(seven, 0..1, Some(&faults.in_bits(high)), 0, 1, 2).is_err());
    }
}
