//! Quantised words: rounding, reading, and bit errors.
use super::{
    call::Call,
    elementwise::affine,
    engine::{Binding, Engine, floats_of},
    tensor::{Outcome, Tensor},
};
use nf_gpu::{
    fault::{CellMap, Faults, Mapping, Place},
    kernels::quantise::{
        fault_dequantize::{self, Order, StoredLayer, Transposed, WordMeaning},
        quantize,
    },
    shape::{Nhwc, Rsck},
};

/// Bits of an integer kind, and whether it has a sign.
fn kind(kind: i64) -> Outcome<(u32, bool)> {
    match kind {
        2 | 3 => Ok((8, kind == 3)),
        21 | 22 => Ok((4, kind == 22)),
        25 | 26 => Ok((2, kind == 26)),
        4..=7 | 12 | 13 => Err("words of more than 8 bits".into()),
        _ => Err("words that are not integers".into()),
    }
}

/// Index of the scale for each value of a tensor, whose runs along the scales' axis share a scale.
fn scales(call: &Call<'_>) -> Outcome<Vec<usize>> {
    let (x, scale) = (call.input(0), call.input(1));
    if call.int("block_size", 0) != 0 {
        return Err("scales of blocks".into());
    }
    if scale.len() == 1 {
        return Ok(vec![0; x.len()]);
    }
    let axis = call.axis(1);
    assert_eq!(scale.dims, [x.dims[axis]]);
    let after: usize = x.dims[axis + 1..].iter().product();
    Ok((0..x.len()).map(|i| i / after % x.dims[axis]).collect())
}

/// The kernel rounds to symmetric words of 8 bits; zero points and narrower words are handled here.
pub(super) fn quantize(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (x, scale) = (call.input(0), call.input(1));
    let to = call.optional(2).map_or(call.int("output_dtype", 2), |zero| zero.kind);
    let (bits, signed) = kind(to)?;
    let of = scales(call)?;
    let zeros = call.optional(2).map_or(Ok(&[0; 1][..]), Tensor::i64s)?;
    let (low, high) =
        if signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) };
    if zeros.iter().any(|zero| low - zero < -127 || high - zero > 127) {
        return Err("words that are not symmetric".into());
    }
    let (values, scale) = (x.f32s()?, scale.f32s()?);
    let mut q = vec![0; x.len()];
    for index in 0..scale.len() {
        let at: Vec<usize> = (0..x.len()).filter(|&i| of[i] == index).collect();
        let part: Vec<f32> = at.iter().map(|&i| values[i]).collect();
        let len = part.len() as u32;
        let plan = quantize::plan(0, len, len, index as u32, scale.len() as u32, 8).unwrap();
        let bindings = vec![Binding::floats(&part), Binding::floats(scale), Binding::Out];
        let words = engine.words(plan, bindings).swap_remove(0);
        let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
        for (&i, byte) in at.iter().zip(bytes) {
            q[i] = (i64::from(byte.cast_signed()) + zeros[index % zeros.len()]).clamp(low, high);
        }
    }
    Ok(vec![Tensor::ints(&x.dims, to, q)])
}

/// Up to four bytes as the word that holds them.
fn word(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))
}

/// Dequantises bytes with `bits` in use after bit errors: values, and flips per bit.
fn dequantized(
    engine: &mut Engine<'_>,
    bytes: &[u8],
    bits: u32,
    scale: f32,
    cells: Option<CellMap>,
) -> (Vec<f32>, Vec<u32>) {
    let shape = Rsck::new(1, 1, 1, bytes.len() as u32);
    let place = Place { layer: 0, address: 0 };
    let layer = StoredLayer {
        groups: 1,
        shape,
        order: Order::OutIn,
        place,
        bits,
        meaning: WordMeaning::SYMMETRIC,
        fold: None,
        first_word: 0,
        transposed: Transposed::Absent,
    };
    let mut map = cells
        .as_ref()
        .map_or(vec![0; 4], |cells| [cells.stuck_at_1.clone(), cells.stuck_at_0.clone()].concat());
    map.resize(map.len().max(4), 0);
    let faults = cells.map(|cells| Faults::profile(cells).unwrap());
    let plan = fault_dequantize::plan(layer, 0..1, faults.as_ref(), 0, 1, 1).unwrap();
    let bindings = vec![
        Binding::Words(bytes.chunks(4).map(word).collect()),
        Binding::floats(&[scale]),
        Binding::Words(vec![0; 2]),
        Binding::unused(),
        Binding::Out,
        Binding::unused(),
        Binding::Words(vec![0; 8]),
        Binding::Words(map),
    ];
    let mut words = engine.words(plan, bindings);
    let mut w = floats_of(&words[0]);
    assert!(w[bytes.len()..].iter().all(|v| v.to_bits() == 0), "padding is not 0");
    w.truncate(bytes.len());
    (w, words.swap_remove(2))
}

pub(super) fn dequantize(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (x, scale) = (call.input(0), call.input(1));
    let (bits, signed) = kind(x.kind)?;
    let (of, scale) = (scales(call)?, scale.f32s()?);
    let zeros = call.optional(2).map_or(Ok(&[0; 1][..]), Tensor::i64s)?;
    // Unsigned words are stored as signed ones, lower by half their range, like their zero point.
    let half = if signed { 0 } else { 1 << (bits - 1) };
    let mut y = vec![0.0; x.len()];
    let stored = x.i64s()?;
    for (index, &scale) in scale.iter().enumerate() {
        let at: Vec<usize> = (0..x.len()).filter(|&i| of[i] == index).collect();
        let field = (1 << bits) - 1;
        let bytes: Vec<u8> = at.iter().map(|&i| ((stored[i] - half) & field) as u8).collect();
        let (values, _) = dequantized(engine, &bytes, bits, scale, None);
        let shift = -((zeros[index % zeros.len()] - half) as f32) * scale;
        let column = Nhwc::new(1, 1, values.len() as u32, 1);
        let values = affine(engine, column, &values, &[1.0], &[shift]);
        for (&i, value) in at.iter().zip(values) {
            y[i] = value;
        }
    }
    Ok(vec![Tensor::floats(&x.dims, y)])
}

/// `a ^ b` as errors in stored words: a cell stuck at both 0 and 1 reads the opposite of its bit.
pub(super) fn xor(engine: &mut Engine<'_>, call: &Call<'_>) -> Outcome<Vec<Tensor>> {
    let (a, b) = (call.input(0), call.input(1));
    let width = match a.kind {
        2 | 3 => 1,
        4 | 5 => 2,
        6 | 12 => 4,
        _ => 8,
    };
    let bytes = |values: &[i64]| -> Vec<u8> {
        values.iter().flat_map(|v| v.to_le_bytes()[..width].to_vec()).collect()
    };
    // The second operand is repeated along the first axes.
    assert!(a.dims.ends_with(&b.dims));
    let repeated: Vec<i64> = b.i64s()?.iter().copied().cycle().take(a.len()).collect();
    let (stored, mask) = (bytes(a.i64s()?), bytes(&repeated));
    let faulty: Vec<u32> = mask.chunks(4).map(word).collect();
    let cells =
        CellMap { stuck_at_1: faulty.clone(), stuck_at_0: faulty, mapping: Mapping::Linear };
    let (values, flips) = dequantized(engine, &stored, 8, 1.0, Some(cells));
    for (bit, &flips) in flips.iter().enumerate() {
        let ones = mask.iter().filter(|&&b| b >> bit & 1 == 1).count();
        assert_eq!(flips as usize, ones, "flips of bit {bit}");
    }
    let read: Vec<u8> = values.iter().map(|&v| (v as i8).cast_unsigned()).collect();
    let signed = matches!(a.kind, 3 | 5 | 6);
    let value = |b: &[u8]| {
        let wide = b.iter().rev().fold(0, |v: u64, &b| v << 8 | u64::from(b));
        let unused = 64 - 8 * width as u32;
        if signed { (wide << unused).cast_signed() >> unused } else { wide.cast_signed() }
    };
    Ok(vec![Tensor::ints(&a.dims, a.kind, read.chunks(width).map(value).collect())])
}
