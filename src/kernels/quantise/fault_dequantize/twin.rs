//! Twin of `shaders/quantise/fault_dequantize.wgsl`: the host's fault code and dequantiser, which must
//! agree exactly.

use crate::{
    error::Result,
    fault::{
        Along, CellMap, ClusterFaults, FaultEffect, FaultModel, Faults, FloatFormat, LineFaults,
        Lot, Mapping, Pattern, Place, Positions, QuantisationParameters, Quantized, StoredWords,
        dequantize, inject_from, quantize,
    },
    kernels::{
        quantise::{
            self,
            fault_dequantize::{
                Order, StoredLayer, Transposed, WordMeaning, layout, plan::of_gradient,
            },
        },
        twin::{Case, Data, Random, Want},
    },
    shape::Rsck,
};

pub(super) fn cases() -> Result<Vec<Case>> {
    use FaultModel::{Asymmetric, Flip, Reference, StuckAt};
    use Order::{InOut, OutIn};
    let layer = |r, s, c, k, order, index, bits| StoredLayer {
        shape: Rsck::new(r, s, c, k),
        order,
        groups: 1,
        place: Place { layer: index, address: 1000 * index },
        bits,
        meaning: WordMeaning::SYMMETRIC,
        // Every second layer has a batch norm behind it.
        fold: (index % 2 == 0).then_some((2, k + 5)),
        first_word: 0,
        transposed: Transposed::PerTap,
    };
    let with = |transposed, first_word, layer| StoredLayer { transposed, first_word, ..layer };
    let faults = |model, ber| Faults::new(model, ber).map(Some);
    let list = [
        (layer(1, 1, 1, 1, OutIn, 0, 8), 1, 0, faults(Flip, 0.5)?),
        (layer(1, 1, 16, 10, OutIn, 6, 8), 3, 1, faults(StuckAt, 0.5)?),
        (layer(1, 1, 10, 43, OutIn, 1, 5), 2, 0, faults(Flip, 0.1)?),
        (layer(3, 3, 3, 10, OutIn, 0, 8), 2, 1, faults(Flip, 0.5)?),
        (layer(3, 3, 3, 8, OutIn, 2, 4), 3, 0, faults(StuckAt, 0.3)?),
        (layer(3, 3, 16, 32, OutIn, 3, 8), 3, 1, faults(Flip, 0.01)?),
        (layer(3, 3, 16, 32, OutIn, 4, 8), 2, 0, faults(StuckAt, 0.01)?),
        (layer(2, 2, 9, 5, InOut, 5, 8), 2, 1, faults(Flip, 0.05)?),
        (layer(2, 3, 4, 7, InOut, 1, 6), 2, 0, faults(StuckAt, 0.5)?),
        (layer(5, 1, 5, 5, OutIn, 3, 3), 1, 0, faults(Flip, 0.999)?),
        (layer(3, 3, 6, 5, OutIn, 2, 2), 2, 0, faults(StuckAt, 0.7)?),
        (layer(3, 3, 5, 6, OutIn, 2, 7), 4, 0, faults(Flip, 0.0)?),
        (layer(3, 3, 3, 10, OutIn, 2, 8), 2, 0, None),
        (layer(2, 2, 8, 6, InOut, 0, 4), 1, 0, None),
        (layer(3, 1, 4, 8, OutIn, 1, 8), 4, 2, faults(Flip, 0.5)?),
        (layer(3, 3, 3, 10, OutIn, 0, 8), 2, 1, faults(Reference, 0.3)?),
        (layer(1, 1, 64, 33, OutIn, 3, 5), 3, 0, faults(Reference, 0.1)?),
        // A layer larger than the map: its words wrap round to the first rows.
        (layer(1, 1, 1024, 2056, OutIn, 1, 8), 1, 0, faults(Reference, 0.01)?),
        (with(Transposed::Flat, 0, layer(3, 2, 4, 6, OutIn, 2, 8)), 2, 0, faults(StuckAt, 0.2)?),
        (with(Transposed::Absent, 0, layer(3, 3, 4, 6, OutIn, 2, 8)), 2, 0, faults(Flip, 0.2)?),
        (with(Transposed::Flat, 36, layer(3, 3, 4, 6, OutIn, 2, 8)), 2, 1, faults(Flip, 0.2)?),
        (with(Transposed::PerTap, 9, layer(3, 3, 1, 7, OutIn, 3, 4)), 1, 0, faults(StuckAt, 0.2)?),
        (
            with(Transposed::Absent, 300, layer(1, 1, 40, 9, OutIn, 3, 8)),
            2,
            0,
            faults(Reference, 0.2)?,
        ),
    ];
    // Words as toolchains store them: with or without sign, scale and zero point for all or per output channel.
    let meant = |signed, per_channel, zeros: bool, layer| StoredLayer {
        meaning: WordMeaning { signed, per_channel, zero_point: zeros.then_some(0), float: None },
        ..layer
    };
    let theirs = [
        (meant(false, false, true, layer(3, 3, 5, 6, OutIn, 2, 8)), 2, 1, faults(Flip, 0.2)?),
        (meant(false, false, false, layer(3, 3, 5, 6, OutIn, 1, 5)), 1, 0, faults(StuckAt, 0.3)?),
        (meant(true, true, false, layer(3, 3, 4, 9, OutIn, 2, 8)), 2, 0, faults(Flip, 0.2)?),
        (meant(true, true, true, layer(1, 1, 10, 7, InOut, 3, 8)), 2, 0, faults(StuckAt, 0.2)?),
        (meant(false, true, true, layer(2, 2, 3, 5, InOut, 2, 4)), 1, 0, faults(Flip, 0.2)?),
        (meant(false, true, true, layer(1, 1, 40, 9, OutIn, 3, 8)), 1, 0, None),
    ];
    // Words that are floats: odd numbers of weights, rows of whole words, groups, slices, every fault model.
    let float = |format, layer| StoredLayer {
        bits: FloatFormat::BITS,
        meaning: WordMeaning { float: Some(format), ..WordMeaning::SYMMETRIC },
        ..layer
    };
    let [f16, bf16] = FloatFormat::ALL;
    let of_floats = |faults: Option<Faults>, format| -> Result<Option<Faults>> {
        faults.map(|faults| faults.stored_as(format)).transpose()
    };
    let bits = |text: &str| Positions::parse(text, FloatFormat::BITS);
    let floats = [
        (float(f16, layer(3, 3, 5, 7, OutIn, 2, 8)), 3, 1, of_floats(faults(Flip, 0.3)?, f16)?),
        (float(bf16, layer(3, 3, 4, 6, OutIn, 1, 8)), 2, 0, of_floats(faults(Flip, 0.3)?, bf16)?),
        (float(f16, layer(2, 2, 9, 5, InOut, 5, 8)), 2, 0, of_floats(faults(StuckAt, 0.2)?, f16)?),
        (float(f16, layer(3, 3, 16, 32, OutIn, 4, 8)), 2, 0, of_floats(faults(Flip, 0.01)?, f16)?),
        (float(bf16, layer(1, 1, 40, 9, OutIn, 3, 8)), 1, 0, None),
        (float(f16, layer(1, 1, 1, 1, OutIn, 1, 8)), 1, 0, of_floats(faults(Flip, 0.999)?, f16)?),
        (float(f16, layer(3, 3, 16, 12, OutIn, 3, 8)), 2, 0, {
            of_floats(Faults::profile(measured(40, Mapping::Linear)).map(Some)?, f16)?
        }),
        (float(f16, layer(3, 3, 16, 12, OutIn, 3, 8)), 3, 1, of_floats(lines(8, 128)?, f16)?),
        (with(Transposed::Flat, 18, float(f16, layer(3, 2, 4, 6, OutIn, 1, 8))), 2, 0, {
            let lot = Lot::new(0x1_2345_6789, 0.5)?;
            of_floats(Some(Faults::asymmetric(0.3, 0.02)?.of_lot(lot)?), f16)?
        }),
        (float(bf16, layer(3, 3, 5, 6, OutIn, 1, 8)), 2, 0, {
            of_floats(faults(Flip, 0.4)?, bf16)?
                .map(|f| Ok(f.in_bits(bits("0-6,15")?)))
                .transpose()?
        }),
    ];
    let grouped = |groups, layer| StoredLayer { groups, ..layer };
    // Depthwise, groups that end inside a vec4, several outputs for each input channel.
    let groups = [
        (grouped(10, layer(3, 3, 1, 10, OutIn, 2, 8)), 2, 1, faults(Flip, 0.2)?),
        (grouped(3, layer(3, 1, 2, 9, OutIn, 1, 8)), 1, 0, faults(StuckAt, 0.3)?),
        (grouped(6, layer(2, 2, 2, 12, OutIn, 4, 5)), 3, 0, faults(Reference, 0.2)?),
        (meant(false, true, true, grouped(8, layer(3, 3, 4, 8, OutIn, 2, 8))), 1, 0, None),
        (with(Transposed::Absent, 0, grouped(4, layer(3, 3, 1, 8, OutIn, 2, 8))), 2, 0, {
            faults(Flip, 0.2)?
        }),
    ];
    // Chips of a lot, rates per direction, chosen bit positions, measured maps.
    let lot = |faults: Faults, shared| faults.of_lot(Lot::new(0x1_2345_6789, shared)?);
    let drawn = |model| Faults::new(model, 0.2);
    let measured = |words, mapping| Faults::profile(measured(words, mapping)).map(Some);
    let more = [
        (layer(3, 3, 5, 6, OutIn, 2, 8), 3, 1, Some(lot(drawn(Flip)?, 0.5)?)),
        (layer(3, 3, 5, 6, OutIn, 1, 6), 2, 0, Some(lot(drawn(StuckAt)?, 0.7)?)),
        (layer(3, 3, 5, 6, OutIn, 1, 8), 2, 0, Some(lot(drawn(StuckAt)?, 1.0)?)),
        (layer(3, 3, 5, 6, OutIn, 1, 8), 2, 0, Some(lot(Faults::asymmetric(0.3, 0.02)?, 0.5)?)),
        (layer(3, 3, 16, 12, OutIn, 2, 8), 3, 1, Some(Faults::asymmetric(0.02, 0.3)?)),
        (layer(2, 3, 4, 7, InOut, 1, 5), 2, 0, Some(Faults::asymmetric(0.5, 0.0)?)),
        (layer(3, 3, 5, 6, OutIn, 2, 8), 2, 0, Some(drawn(Flip)?.in_bits("7".parse()?))),
        (layer(3, 3, 5, 6, OutIn, 2, 4), 2, 0, Some(drawn(StuckAt)?.in_bits("0,3".parse()?))),
        (layer(3, 3, 5, 6, OutIn, 2, 8), 2, 0, Some(drawn(Reference)?.in_bits("4-7".parse()?))),
        (layer(3, 3, 16, 12, OutIn, 3, 8), 2, 1, measured(40, Mapping::Linear)?),
        (layer(3, 3, 16, 12, OutIn, 3, 7), 2, 0, measured(5000, Mapping::Linear)?),
        (with(Transposed::Absent, 90, layer(1, 1, 40, 9, OutIn, 6, 8)), 1, 0, {
            measured(7, Mapping::Linear)?
        }),
        (layer(3, 3, 64, 12, OutIn, 3, 8), 2, 0, measured(12, Mapping::Reference)?),
        (layer(3, 3, 5, 6, OutIn, 2, 8), 2, 0, Some(drawn(Asymmetric)?)),
        (layer(3, 3, 16, 12, OutIn, 3, 8), 3, 1, lines(8, 128)?),
        (layer(3, 3, 5, 7, OutIn, 5, 6), 2, 0, lines(64, 256)?),
    ];
    list.into_iter()
        .chain(groups)
        .chain(theirs)
        .chain(floats)
        .chain(more)
        .map(|(layer, copies, first, faults)| {
            let mut random = Random::new(layer.shape.len() + layer.bits);
            case(layer, copies, first, faults.as_ref(), &mut random)
        })
        .collect()
}

pub(super) fn random(random: &mut Random) -> Result<Case> {
    use FaultModel::{Flip, Reference, StuckAt};
    let (r, s, c) = (random.between(1, 4), random.between(1, 4), random.length(70));
    let k = random.length((12_000 / (r * s * c)).clamp(1, 130));
    let shape = Rsck::new(r, s, c, k);
    let bits = random.between(2, 8);
    let index = random.below(7);
    let ber = random.of(&[0.0, 0.01, 0.2, 0.999]);
    let asymmetric = random.of(&[(0.3, 0.02), (0.0, 0.5), (0.01, 0.01)]);
    let faults = match random.below(6) {
        0 => None,
        1 => Some(Faults::new(Flip, ber)?),
        2 => Some(Faults::new(StuckAt, ber)?),
        3 => Some(Faults::new(Reference, ber)?),
        4 => Some(Faults::asymmetric(asymmetric.0, asymmetric.1)?),
        _ => {
            // The reference code's mapping has rows of 4 words.
            let (rows, mapping) = random.of(&[(1, Mapping::Linear), (4, Mapping::Reference)]);
            Some(Faults::profile(measured(random.length(5_000 / rows) * rows, mapping))?)
        }
    };
    let drawn = |f: &Faults| matches!(f.kind(), Flip | StuckAt);
    let faults = match faults {
        Some(faults) if drawn(&faults) && random.flag() => {
            Some(faults.of_lot(Lot::new(0x1_2345_6789, random.of(&[0.0, 0.5, 1.0]))?)?)
        }
        Some(faults) if random.below(3) == 0 => {
            Some(faults.in_bits(Positions::only(random.below(bits))))
        }
        other => other,
    };
    let groups = random.of(&[1, 1, 1, 2, 3]);
    let shape = if groups > 1 { Rsck { k: k.div_ceil(groups) * groups, ..shape } } else { shape };
    let k = shape.k;
    let orders: &[Order] = if groups > 1 { &[Order::OutIn] } else { &[Order::OutIn, Order::InOut] };
    let layouts = [Transposed::Absent, Transposed::PerTap, Transposed::Flat];
    let layer = StoredLayer {
        shape,
        order: random.of(orders),
        groups,
        place: Place { layer: index, address: random.below(9_000) },
        bits,
        meaning: WordMeaning {
            signed: random.flag(),
            per_channel: random.flag(),
            zero_point: random.flag().then_some(0),
            float: None,
        },
        fold: random.flag().then_some((2, k + 5)),
        first_word: random.of(&[0, 0, 9, 300]),
        transposed: random.of(if groups > 1 { &layouts[..2] } else { &layouts }),
    };
    let float = WordMeaning { float: Some(FloatFormat::F16), ..WordMeaning::SYMMETRIC };
    let layer = match random.below(4) {
        0 => StoredLayer { bits: FloatFormat::BITS, meaning: float, ..layer },
        _ => layer,
    };
    let copies = random.length(5);
    case(layer, copies, random.below(copies), faults.as_ref(), random)
}

/// A pattern of lines and clusters in a memory of this size.
fn lines(rows: u32, columns: u32) -> Result<Option<Faults>> {
    let (effect, share) = (FaultEffect::StuckAt, 0.9);
    let line = LineFaults { along: Along::Row, rate: 0.3, length: None, share, effect };
    let cluster =
        ClusterFaults { rate: 0.01, rows: 2, columns: 3, share, effect: FaultEffect::Flip };
    let (lines, clusters) = (vec![line], vec![cluster]);
    let pattern = Pattern { rows, columns, lines, clusters, ..Pattern::default() };
    Faults::of_pattern(pattern).map(Some)
}

/// A map with one cell in eight stuck at 1, and one in eight stuck at 0.
fn measured(words: u32, mapping: Mapping) -> CellMap {
    let mut random = Random::new(words);
    let mut draw = || (0..words).map(|_| random.bits() & random.bits() & random.bits()).collect();
    CellMap { stuck_at_1: draw(), stuck_at_0: draw(), mapping }
}

/// Sets what words mean: drawn scales and zero points, as many as there are channels or one of each.
fn meant<'a>(
    parameters: &'a mut QuantisationParameters,
    (meaning, shape, order): (WordMeaning, Rsck, Order),
    bits: u32,
    random: &mut Random,
) -> &'a QuantisationParameters {
    parameters.signed = meaning.signed;
    if meaning.per_channel {
        parameters.scales = (0..shape.k).map(|_| random.float().abs() + 0.01).collect();
        let taps = (shape.r * shape.s) as usize;
        parameters.inner = if order == Order::OutIn { taps * shape.c as usize } else { taps };
    }
    if meaning.zero_point.is_some() {
        let least = if meaning.signed { -(1 << (bits - 1)) } else { 0 };
        let draw = |_: &f32| random.below(1 << bits).cast_signed() + least;
        parameters.zero_points = parameters.scales.iter().map(draw).collect();
    }
    parameters
}

/// A case that computes the copies `first..copies` of a layer; earlier copies must stay unchanged.
fn case(
    layer: StoredLayer,
    copies: u32,
    first: u32,
    faults: Option<&Faults>,
    random: &mut Random,
) -> Result<Case> {
    let layers = 7;
    let StoredLayer { shape, order, groups, place, bits, meaning, fold, first_word, transposed } =
        layer;
    let index = place.layer;
    let values = random.ordinary(|r| r.floats(shape.len() as usize));
    let mut stored = match meaning.float {
        None => quantize(&values, bits)?,
        Some(format) => Quantized::from(&StoredWords::floats(&values, format)?),
    };
    let of = meant(&mut stored.parameters, (meaning, shape, order), bits, random);
    // Scales, then zero points, each between numbers that nobody may read.
    let (nan, zeros) = ([f32::NAN], of.zero_points.iter().map(|&zero| zero as f32));
    let scale_index = 1;
    let zero_index = 2 + of.scales.len() as u32;
    let scales: Vec<f32> =
        nan.into_iter().chain(of.scales.clone()).chain(nan).chain(zeros).chain(nan).collect();
    let layer = StoredLayer {
        meaning: WordMeaning { zero_point: meaning.zero_point.and(Some(zero_index)), ..meaning },
        ..layer
    };
    let (mut seeds, mut w, mut wt) = (Vec::new(), Vec::new(), Vec::new());
    let affine = random.ordinary(|r| r.floats(fold.map_or(4, |(_, len)| len) as usize));
    // Counts of earlier dispatches, to which the kernel adds.
    let counts = meaning.counts();
    let before: Vec<u32> = (0..copies * layers * counts).map(|i| 3 * i).collect();
    let mut after = before.clone();
    let of_seed = |f: &Faults| matches!(f.kind(), FaultModel::Reference | FaultModel::Pattern);
    let mapped = faults.is_some_and(of_seed);
    let mut maps: Vec<u32> = Vec::new();
    for copy in 0..copies {
        // The reference code's seeds are 32 bits.
        let [lo, hi] = [random.bits(), if mapped { 0 } else { random.bits() }];
        seeds.push([lo, hi]);
        let mut read = stored.clone();
        if let Some(faults) = faults.filter(|_| copy >= first) {
            let map = faults.map(u64::from(lo) | u64::from(hi) << 32)?;
            let (faulty, flips) = inject_from(&stored, &map, place, first_word);
            if let Some(cells) = map.cells() {
                // A measured map is shared by all copies.
                let copy = if mapped { copy } else { 0 };
                maps.truncate(2 * (copy * cells.words()) as usize);
                maps.resize(2 * (copy * cells.words()) as usize, 0);
                maps.extend(cells.stuck_at_1.iter().chain(&cells.stuck_at_0));
            }
            read = faulty;
            let at = ((copy * layers + index) * counts) as usize;
            for (count, flips) in after[at..][..counts as usize].iter_mut().zip(flips.per_bit) {
                *count += flips as u32;
            }
        }
        let read: Vec<f64> = dequantize(&read).into_iter().map(f64::from).collect();
        let copy = layout::laid_out(shape, order, &read);
        let factor = |k| fold.map_or(1.0, |(offset, _)| f64::from(affine[offset as usize + k]));
        wt.extend(layout::transposed((shape, groups), transposed, &copy, factor));
        w.extend(copy);
    }
    // Earlier copies must keep 7; NaN must be overwritten.
    let other = of_gradient(shape, groups);
    let keep = |new: &mut Vec<f64>, of: Rsck| {
        let kept = (first * of.padded_len()) as usize;
        let mut old = vec![f32::NAN; new.len()];
        old[..kept].fill(7.0);
        new[..kept].fill(7.0);
        old
    };
    // Bindings that are not used have 16 bytes.
    let unused = wt.is_empty();
    let old = keep(&mut w, shape);
    let old_wt = if unused { Vec::new() } else { keep(&mut wt, other) };
    let plan = quantise::fault_dequantize::plan(
        layer,
        first..copies,
        faults,
        scale_index,
        scales.len() as u32,
        layers,
    )?;
    maps.resize(plan.bytes[7] as usize / 4, 0);
    let what = faults.map_or("clean".into(), |f| {
        let lot = f.lot().map_or(String::new(), |lot| format!(" lot {}", lot.shared));
        let (kind, [ber01, ber10]) = (f.kind(), f.rates());
        format!("{kind} {ber01} {ber10} in bits {}{lot}", f.positions)
    });
    Ok(Case {
        label: format!(
            "{shape}{} {order:?} {transposed:?} bits={bits} copies={first}..{copies} \
             word {first_word} {what}",
            if groups > 1 { format!(" groups={groups}") } else { String::new() }
        ),
        plan,
        data: vec![
            Data::input(&stored.words),
            Data::input(&scales),
            Data::input(&seeds),
            Data::input(&affine),
            Data::in_out(&old, Want::exact(&w).of(shape)),
            // A folded scale adds one product, which is rounded once.
            if unused {
                Data::in_out(&[5u32; 4], Want::words(vec![5; 4]))
            } else {
                let eps = if fold.is_some() { f64::from(f32::EPSILON) } else { 0.0 };
                let want = Want::flat(&wt, |v| v.abs() * eps);
                let per_tap = layer.transposed == Transposed::PerTap;
                let want = if per_tap { want.of(other) } else { want };
                Data::in_out(&old_wt, want)
            },
            Data::in_out(&before, Want::words(after)),
            Data::input(&maps),
        ],
    })
}
