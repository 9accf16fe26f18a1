//! Twin of `shaders/quantise/fault_dequantize.wgsl`: the host's fault code and dequantiser, which must
//! agree exactly.

use crate::{
    error::Result,
    fault::{
        CellMap, FaultModel, Faults, Lot, Mapping, Place, Positions, dequantize, inject_from,
        quantize,
    },
    kernels::{
        quantise::{
            self,
            fault_dequantize::{Order, StoredLayer, Transposed, layout, plan::of_gradient},
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
    let grouped = |groups, layer| StoredLayer { groups, ..layer };
    // Depthwise, groups that end inside a vec4, several outputs for each input channel.
    let groups = [
        (grouped(10, layer(3, 3, 1, 10, OutIn, 2, 8)), 2, 1, faults(Flip, 0.2)?),
        (grouped(3, layer(3, 1, 2, 9, OutIn, 1, 8)), 1, 0, faults(StuckAt, 0.3)?),
        (grouped(6, layer(2, 2, 2, 12, OutIn, 4, 5)), 3, 0, faults(Reference, 0.2)?),
        (grouped(8, layer(3, 3, 4, 8, OutIn, 2, 8)), 1, 0, None),
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
    ];
    list.into_iter()
        .chain(groups)
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
        fold: random.flag().then_some((2, k + 5)),
        first_word: random.of(&[0, 0, 9, 300]),
        transposed: random.of(if groups > 1 { &layouts[..2] } else { &layouts }),
    };
    let copies = random.length(5);
    case(layer, copies, random.below(copies), faults.as_ref(), random)
}

/// A map with one cell in eight stuck at 1, and one in eight stuck at 0.
fn measured(words: u32, mapping: Mapping) -> CellMap {
    let mut random = Random::new(words);
    let mut draw = || (0..words).map(|_| random.bits() & random.bits() & random.bits()).collect();
    CellMap { stuck_at_1: draw(), stuck_at_0: draw(), mapping }
}

/// A case that computes the copies `first..copies` of a layer; earlier copies must stay unchanged.
fn case(
    layer: StoredLayer,
    copies: u32,
    first: u32,
    faults: Option<&Faults>,
    random: &mut Random,
) -> Result<Case> {
    let (scale_index, scales_len, layers) = (1, 3, 7);
    let StoredLayer { shape, order, groups, place, bits, fold, first_word, transposed } = layer;
    let index = place.layer;
    let stored = quantize(&random.ordinary(|r| r.floats(shape.len() as usize)), bits)?;
    let mut scales = vec![f32::NAN; scales_len as usize];
    scales[scale_index as usize] = stored.scale;
    let (mut seeds, mut w, mut wt) = (Vec::new(), Vec::new(), Vec::new());
    let affine = random.ordinary(|r| r.floats(fold.map_or(4, |(_, len)| len) as usize));
    // Counts of earlier dispatches, to which the kernel adds.
    let before: Vec<u32> = (0..copies * layers * 8).map(|i| 3 * i).collect();
    let mut after = before.clone();
    let mapped = faults.is_some_and(|f| f.kind() == FaultModel::Reference);
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
            let at = ((copy * layers + index) * 8) as usize;
            for (count, flips) in after[at..].iter_mut().zip(flips.per_bit) {
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
        scales_len,
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
