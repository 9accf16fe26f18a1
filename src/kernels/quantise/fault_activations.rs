//! Bit errors in quantised activations, `shaders/quantise/fault_activations.wgsl`.

use super::fault_dequantize::shader_code;
use crate::{
    error::{Error, Result},
    fault::{FaultModel, Faults, Flips, Lot, Memory, Place, threshold},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/quantise/fault_activations.wgsl`.
    pub struct FaultActivationsParams {
        /// Pixels of an image.
        pixels: u32,
        /// Channels without padding.
        c: u32,
        /// Images of a copy.
        n: u32,
        /// Copies of the network.
        copies: u32,
        /// Words of an image, four values each.
        words: u32,
        /// Index of the first image in its batch.
        first: u32,
        /// Index of the buffer among those of the network.
        layer: u32,
        /// Number of these buffers.
        layers: u32,
        /// Bits of a value, 2 to 8.
        bits: u32,
        /// Whether words are in two's complement; else they begin at 0.
        signed: u32,
    }
}

crate::kernel! {
    KERNEL: "quantise" / "fault_activations", FaultActivationsParams,
    lib: ["lib/grid", "lib/each", "lib/multiply", "lib/philox", "lib/cells", "lib/drawn"],
    bindings: [("faults", Read), ("y", ReadWrite), ("flips", ReadWrite)],
}

/// Words of the faults' buffer in front of the marks of buffers and the seeds of copies.
const HEAD: usize = 12;

/// Positions of a value whose flips are counted.
pub const COUNTS: u32 = 8;

/// A quantised activation, as the real numbers that its words stand for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantisedActivation {
    /// Shape of one copy.
    pub shape: Nhwc,
    /// Copies of the network.
    pub copies: u32,
    /// Real value of one step.
    pub step: f32,
    /// Steps of the least and of the largest word, whole numbers.
    pub range: [f32; 2],
    /// Whether words are in two's complement; else they begin at 0.
    pub signed: bool,
    /// Index of the buffer, and number of the network's buffers.
    pub layer: [u32; 2],
    /// Index of the first image in its batch.
    pub first: u32,
}

impl QuantisedActivation {
    /// Bits of a word, if they are from 2 to 8.
    fn bits(&self) -> Option<u32> {
        let [least, most] = self.range;
        (2..=8).find(|&bits| most - least + 1.0 == (1u32 << bits) as f32)
    }

    fn words_per_image(&self) -> u32 {
        let Nhwc { h, w, c, .. } = self.shape;
        (h * w * c).div_ceil(4)
    }
}

/// Bytes of the buffer of faults for so many buffers of activations and copies of the network.
#[must_use]
pub fn control_bytes(layers: u32, copies: u32) -> u64 {
    4 * (HEAD as u64 + u64::from(layers) + 2 * u64::from(copies))
}

/// Replaces activations by what is read of their words; bindings faults ([`control`]), y, and flips
/// `[copies, layers, 8]`, to which the flipped bits are added.
///
/// # Errors
/// Words that do not have 2 to 8 bits, no such buffer, or a shape too large for 32-bit indices.
pub fn plan(of: QuantisedActivation) -> Result<Plan> {
    let QuantisedActivation { shape, copies, step, range, signed, layer: [layer, layers], first } =
        of;
    let whole = Nhwc { n: shape.n * copies, ..shape }.checked()?;
    let Some(bits) = of.bits().filter(|_| step.is_normal() && range[0].fract() == 0.0) else {
        return Err(Error::Shape(format!("activations of {range:?} steps of {step}")));
    };
    if layer >= layers || copies == 0 {
        return Err(Error::Shape(format!("buffer {layer} of {layers}, in {copies} copies")));
    }
    let words = of.words_per_image();
    let params = FaultActivationsParams {
        pixels: shape.h * shape.w,
        c: shape.c,
        n: shape.n,
        copies,
        words,
        first,
        layer,
        layers,
        bits,
        signed: u32::from(signed),
    };
    let bytes = vec![
        control_bytes(layers, copies),
        whole.bytes(),
        4 * u64::from(COUNTS) * u64::from(copies) * u64::from(layers),
    ];
    let items = u64::from(words) * u64::from(whole.n);
    let plan = Plan::new(&KERNEL, &params, DispatchGrid::Items(items), bytes);
    // Three calls of Philox per word, ten rounds of about thirty operations each.
    let plan = plan.costing(1000 * items).with("STREAM", Memory::Activations.stream());
    Ok(plan.with("STEP", step).with("LEAST", range[0]).with("LOTS", 1u32))
}

/// The images of a set that a dispatch has: the index of the first, and the number of all.
pub type ImageRange = [u32; 2];

/// The images of a batch of training, all of which count.
pub const WHOLE_BATCH: ImageRange = [0, u32::MAX];

/// The contents of the buffer of faults: those of `seeds`, one per copy, in the buffers that `chosen` marks; the
/// first `clean` copies have none. `fixed` gives every image the cells of image 0.
#[must_use]
pub fn control(
    faults: &Faults,
    chosen: &[bool],
    seeds: &[u64],
    (clean, fixed): (u32, bool),
    images: ImageRange,
) -> Vec<u32> {
    let model = shader_code(faults.kind());
    let [to_1, to_0] = faults.rates().map(threshold);
    // A lot of which no cell follows is none.
    let (lot, cut) = faults.lot().map_or((0, 0), |lot| (lot.seed, lot.cut()));
    let cells = faults.positions.word(Memory::Activations);
    let [first, end] = images;
    let (low, high) = (lot as u32, (lot >> 32) as u32);
    let mut words =
        vec![first, end, clean, u32::from(fixed), model, to_1, to_0, low, high, cut, cells, 0];
    words.extend(chosen.iter().map(|&chosen| u32::from(chosen)));
    words.extend(seeds.iter().flat_map(|&seed| [seed as u32, (seed >> 32) as u32]));
    words
}

/// What the kernel makes of the images of one copy with the faults of a map: their values, `[N, H, W, C]` with padding,
/// and the flips. `index` is that of an image.
fn read(
    of: &QuantisedActivation,
    y: &mut [f32],
    (faults, seed): (&Faults, u64),
    index: impl Fn(u32) -> Option<u32>,
) -> Result<Flips> {
    let (map, bits) = (faults.map(seed)?, of.bits().unwrap_or(8));
    let Nhwc { n, h, w, c, .. } = of.shape;
    let pixels = h * w;
    let (field, place) = ((1u32 << bits) - 1, Place { layer: of.layer[0], address: 0 });
    let sign = if of.signed { 1u32 << (bits - 1) } else { 0 };
    let mut flips = Flips::default();
    for image in 0..n {
        let Some(index) = index(image) else { continue };
        for word in 0..of.words_per_image() {
            let at = |value: u32| {
                let pixel = image * pixels + value % pixels;
                (pixel * c.next_multiple_of(4) + value / pixels) as usize
            };
            let values = 4 * word..(4 * word + 4).min(c * pixels);
            let byte = |value: u32| {
                let steps = (f64::from(y[at(value)]) / f64::from(of.step)).round();
                ((steps - f64::from(of.range[0])) as u32 ^ sign) << (8 * (value % 4))
            };
            let stored = values.clone().fold(0, |stored, value| stored | byte(value));
            let there = values.clone().fold(0, |there, value| there | field << (8 * (value % 4)));
            let number = index.wrapping_mul(of.words_per_image()).wrapping_add(word);
            let cells = map.faulty_in(Memory::Activations, place, number);
            let mask = cells.xor_mask(stored) & there;
            flips += Flips::of(mask, Memory::Activations);
            for value in values.filter(|value| mask >> (8 * (value % 4)) & 0xff != 0) {
                let steps = ((stored ^ mask) >> (8 * (value % 4)) & field) ^ sign;
                y[at(value)] = (steps as f32 + of.range[0]) * of.step;
            }
        }
    }
    Ok(flips)
}

/// A case: faults in all buffers but the last, `fixed` or of an image range, the first `clean` copies without.
fn case(
    of: QuantisedActivation,
    faults: &Faults,
    (clean, fixed, images): (u32, bool, ImageRange),
    random: &mut Random,
) -> Result<Case> {
    let QuantisedActivation { shape, copies, step, range, layer: [layer, layers], .. } = of;
    let whole = Nhwc { n: shape.n * copies, ..shape };
    let cp = shape.c.next_multiple_of(4);
    let span = (range[1] - range[0]) as u32 + 1;
    // Values on the grid; the padding is 0, as the quantisation leaves it.
    let mut y: Vec<f32> = Vec::new();
    for at in 0..whole.pixels() * cp {
        let steps = random.below(span) as f32 + range[0];
        y.push(if at % cp < shape.c { steps * step } else { 0.0 });
    }
    let seeds: Vec<u64> =
        (0..copies).map(|_| u64::from(random.bits()) | u64::from(random.bits()) << 32).collect();
    let chosen: Vec<bool> = (0..layers).map(|i| layers == 1 || i + 1 < layers).collect();
    let before: Vec<u32> = (0..copies * layers * COUNTS).map(|i| 3 * i).collect();
    let (mut after, mut counts) = (y.clone(), before.clone());
    let of_copy = (shape.pixels() * cp) as usize;
    for (copy, &seed) in (0..copies).zip(&seeds) {
        if copy < clean || !chosen[layer as usize] {
            continue;
        }
        let values = &mut after[copy as usize * of_copy..][..of_copy];
        let flips = read(&of, values, (faults, seed), |image| {
            let index = images[0].wrapping_add(of.first).wrapping_add(image);
            (index < images[1]).then_some(if fixed { 0 } else { index })
        })?;
        let at = ((copy * layers + layer) * COUNTS) as usize;
        counts[at..].iter_mut().zip(flips.per_bit).take(8).for_each(|(to, n)| *to += n as u32);
    }
    let after: Vec<f64> = after.into_iter().map(f64::from).collect();
    let (kind, [ber01, ber10], bits) = (faults.kind(), faults.rates(), of.bits().unwrap_or(0));
    Ok(Case {
        label: format!(
            "{shape} copies={clean}..{copies} bits={bits} {} buffer {layer} of {layers} images {images:?}{} \
             {kind} {ber01} {ber10} in bits {}",
            if of.signed { "signed" } else { "unsigned" },
            if fixed { " fixed" } else { "" },
            faults.positions
        ),
        plan: plan(of)?,
        data: vec![
            Data::input(&control(faults, &chosen, &seeds, (clean, fixed), images)),
            // The product of a whole number and the step is rounded once.
            Data::in_out(&y, Want::flat(&after, |v| v.abs() * EPS).of(whole)),
            Data::in_out(&before, Want::words(counts)),
        ],
    })
}

/// An activation of signed bytes whose range is symmetric but for the least word.
fn activation(shape: Nhwc, copies: u32, layer: [u32; 2]) -> QuantisedActivation {
    let (step, range) = (0.047, [-128.0, 127.0]);
    QuantisedActivation { shape, copies, step, range, signed: true, layer, first: 0 }
}

fn cases() -> Result<Vec<Case>> {
    let flip = |ber| Faults::new(FaultModel::Flip, ber);
    let stuck = |ber| Faults::new(FaultModel::StuckAt, ber);
    let images = Nhwc::new;
    let unsigned = |range, of| QuantisedActivation { range, signed: false, ..of };
    let lot = |faults: Faults, shared| faults.of_lot(Lot::new(0x1_2345_6789, shared)?);
    let list = [
        (activation(images(1, 1, 1, 1), 1, [0, 1]), flip(0.5)?, (0, false, WHOLE_BATCH)),
        (activation(images(3, 5, 7, 6), 2, [1, 3]), flip(0.2)?, (1, false, WHOLE_BATCH)),
        (activation(images(2, 4, 4, 8), 3, [0, 2]), stuck(0.3)?, (0, false, [100, 1000])),
        // Only the first of three images is one of the set.
        (activation(images(3, 2, 3, 5), 2, [0, 2]), flip(0.4)?, (0, false, [7, 8])),
        (activation(images(3, 3, 3, 4), 1, [2, 4]), flip(0.3)?, (0, true, [5, 100])),
        (activation(images(2, 3, 3, 4), 2, [1, 2]), flip(0.3)?, (0, false, WHOLE_BATCH)),
        (
            unsigned([-3.0, 12.0], activation(images(2, 3, 3, 5), 2, [0, 1])),
            stuck(0.5)?,
            (0, false, WHOLE_BATCH),
        ),
        (
            unsigned([-128.0, 127.0], activation(images(1, 8, 8, 3), 2, [0, 1])),
            Faults::asymmetric(0.3, 0.02)?,
            (0, false, [1 << 20, u32::MAX]),
        ),
        (
            QuantisedActivation { first: 6, ..activation(images(2, 1, 1, 30), 2, [0, 1]) },
            lot(flip(0.3)?, 0.5)?,
            (0, false, WHOLE_BATCH),
        ),
        (
            unsigned([0.0, 255.0], activation(images(1, 4, 4, 4), 1, [0, 1])),
            lot(stuck(0.3)?, 1.0)?.in_bits("6-7".parse()?),
            (0, false, WHOLE_BATCH),
        ),
    ];
    let case = |(of, faults, how): (QuantisedActivation, Faults, (u32, bool, ImageRange))| {
        case(of, &faults, how, &mut Random::new(of.shape.pixels()))
    };
    list.into_iter().map(case).collect()
}

fn random(random: &mut Random) -> Result<Case> {
    let bits = random.between(2, 8);
    let signed = random.flag();
    let zero = random.below(1 << bits) as f32;
    let least = if signed { -((1 << (bits - 1)) as f32) } else { 0.0 };
    let layers = random.between(1, 4);
    let ber = random.of(&[0.0, 0.01, 0.3, 0.999]);
    let faults = match random.below(3) {
        0 => Faults::new(FaultModel::Flip, ber)?,
        1 => Faults::new(FaultModel::StuckAt, ber)?,
        _ => Faults::asymmetric(0.2, 0.05)?,
    };
    let copies = random.length(4);
    let range = [least - zero, least - zero + ((1 << bits) - 1) as f32];
    let of = QuantisedActivation {
        range,
        signed,
        first: random.below(9),
        layer: [random.below(layers), layers],
        ..activation(random.images(4000), copies, [0, 1])
    };
    let first = random.of(&[0, 5, 90_000]);
    let images = [first, first + random.of(&[2, 20, 100_000])];
    case(of, &faults, (random.below(copies), random.below(4) == 0, images), random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_two_to_eight_bits() {
        let of = activation(Nhwc::new(1, 2, 2, 3), 2, [0, 1]);
        assert_eq!(plan(of).unwrap().bytes, [4 * 17, 2 * 4 * 4 * 4, 64]);
        let ranged = |range| plan(QuantisedActivation { range, ..of }).is_ok();
        assert!(ranged([0.0, 15.0]) && ranged([-3.0, 0.0]));
        assert!(!ranged([0.0, 14.0]) && !ranged([-32_768.0, 32_767.0]) && !ranged([0.0, 1.0]));
        assert!(plan(QuantisedActivation { layer: [1, 1], ..of }).is_err());
        assert!(plan(QuantisedActivation { copies: 0, ..of }).is_err());
    }
}
