//! Batches of stored images, shifted and flipped, `shaders/images/image_batch.wgsl`.

use crate::{
    error::{Error, Result},
    kernels::{
        plan::{DispatchGrid, Plan},
        twin::{Case, Data, Random, Suite, Want, numbers::EPS, suite},
    },
    shape::Nhwc,
};

crate::params! {
    /// Uniform block of `shaders/images/image_batch.wgsl`.
    pub struct ImageBatchParams {
        /// Images in the batch.
        n: u32,
        /// Rows.
        h: u32,
        /// Columns.
        w: u32,
        /// Channels.
        c: u32,
        /// Index in the set of the shard's first image.
        first: u32,
        /// Images in the shard.
        count: u32,
    }
}

crate::kernel! {
    KERNEL: "images" / "image_batch", ImageBatchParams,
    lib: ["lib/grid", "lib/each", "lib/lanes"],
    bindings: [("pixels", Read), ("picks", Read), ("y", ReadWrite)],
}

/// Fills the slots of a batch `y` whose images lie in one shard of the image set.
///
/// Bindings: pixels, the shard's bytes `[count, C, H, W]` in whole words; picks u32 `[N, 4]`, the
/// image's index in the set, [`shift`] and [`motion`]; y f32 `[N, H, W, C]` in [-1, 1], of which other slots
/// keep their contents.
///
/// # Errors
/// There is nothing to compute, images of more than 1024 rows or columns, or more bytes or pixels than 32-bit
/// indices reach.
pub fn plan(y: Nhwc, first: u32, count: u32) -> Result<Plan> {
    let Nhwc { n, h, w, c } = y.checked()?;
    let shard = u64::from(count) * u64::from(c) * u64::from(h) * u64::from(w);
    if h.max(w) > MAX_SIDE
        || shard == 0
        || shard > u64::from(u32::MAX)
        || first.checked_add(count).is_none()
    {
        return Err(Error::Shape(format!("a shard of {count} images of {h}x{w} from {first}")));
    }
    let params = ImageBatchParams { n, h, w, c, first, count };
    let bytes = vec![shard.next_multiple_of(4), u64::from(n) * 16, y.bytes()];
    Ok(Plan::new(&KERNEL, &params, DispatchGrid::Items(u64::from(y.vec4s())), bytes)
        .costing(u64::from(y.pixels()) * u64::from(c) * 4))
}

/// Most rows or columns of an image, so that the products of a motion fit 32 bits.
pub const MAX_SIDE: u32 = 1024;
/// Largest factor by which a motion enlarges or reduces an image.
const MAX_SCALE: f64 = 8.0;

/// The last words of a pick: an image scaled by `scale` about its middle and moved `down` and `right`
/// by whole pixels.
pub fn motion(down: i32, right: i32, scale: f64) -> [u32; 2] {
    let most = MAX_SIDE.cast_signed();
    let half = |d: i32| d.clamp(-most, most).cast_unsigned() & 0xffff;
    let inverse = (65_536.0 / scale.clamp(1.0 / MAX_SCALE, MAX_SCALE)).round() as u32;
    [half(down) | half(right) << 16, inverse]
}

/// The second word of a pick: the source of pixel (r, c) is (r + dy, c + dx), after mirroring c
/// when `flip`. Clamped to -128..=127.
pub fn shift(dy: i32, dx: i32, flip: bool) -> u32 {
    let byte = |d: i32| (d.clamp(-128, 127) + 128).unsigned_abs();
    byte(dy) | byte(dx) << 8 | u32::from(flip) << 16
}

/// One pick: an image that is scaled and moved, then shifted by `dy` and `dx` as a crop window, then mirrored
/// or not.
#[derive(Clone, Copy, Debug)]
struct PickedImage {
    image: u32,
    dy: i32,
    dx: i32,
    flip: bool,
    motion: (i32, i32, f64),
}

/// One plane `[h][w]` of an image, cropped from its zero-padded form and then mirrored.
fn crop(plane: &[u8], w: usize, pick: PickedImage) -> Vec<u8> {
    let h = plane.len() / w;
    let (down, right, scale) = pick.motion;
    // The inverse scale as a pick holds it, in steps of 2^-16. Coordinates are those of the pixels' centres.
    let inverse = (65_536.0 / scale).round() / 65_536.0;
    let from = |at: i32, size: usize, by: i32| {
        let middle = size as f64 / 2.0;
        ((f64::from(at) + 0.5 - middle - f64::from(by)) * inverse + middle).floor() as i32
    };
    let inside = |r: i32, c: i32| (0..h as i32).contains(&r) && (0..w as i32).contains(&c);
    let pixel = |r: i32, c: i32| {
        let (row, column) = (from(r, h, down), from(c, w, right));
        let there = inside(r, c) && inside(row, column);
        if there { plane[row as usize * w + column as usize] } else { 0 }
    };
    let mut out = Vec::new();
    for r in 0..h as i32 {
        let mut row: Vec<u8> = (0..w as i32).map(|c| pixel(r + pick.dy, c + pick.dx)).collect();
        if pick.flip {
            row.reverse();
        }
        out.extend(row);
    }
    out
}

fn case(
    [h, w, c]: [usize; 3],
    first: u32,
    count: u32,
    picks: &[PickedImage],
    random: &mut Random,
) -> Result<Case> {
    let (plane, lanes) = (h * w, c.next_multiple_of(4));
    let shape = Nhwc::new(picks.len() as u32, h as u32, w as u32, c as u32);
    let mut bytes: Vec<u8> =
        (0..count as usize * c * plane).map(|_| random.below(256) as u8).collect();
    // Bytes that fill the last word, which must not be read as pixels.
    bytes.resize(bytes.len().next_multiple_of(4), 0x55);
    let mut pick_words = Vec::new();
    let untouched = 7.5f32;
    let before = vec![untouched; picks.len() * plane * lanes];
    let (mut y, mut bounds) = (Vec::new(), Vec::new());
    for &pick in picks {
        let (down, right, scale) = pick.motion;
        pick_words.extend([pick.image, shift(pick.dy, pick.dx, pick.flip)]);
        pick_words.extend(motion(down, right, scale));
        let Some(image) = pick.image.checked_sub(first).filter(|&i| i < count) else {
            y.resize(y.len() + plane * lanes, f64::from(untouched));
            bounds.resize(y.len(), 0.0);
            continue;
        };
        let image = &bytes[image as usize * c * plane..][..c * plane];
        let planes: Vec<Vec<u8>> = image.chunks(plane).map(|p| crop(p, w, pick)).collect();
        for i in 0..plane {
            for plane in &planes {
                let unit = f64::from(plane[i]) / 255.0;
                y.push(2.0 * unit - 1.0);
                // A division within 2.5 ulp, doubled, and one rounding; a byte of 0 is exact.
                bounds.push(if plane[i] == 0 { 0.0 } else { EPS * (5.0 * unit + 1.0) });
            }
            y.resize(y.len() + lanes - c, 0.0);
            bounds.resize(y.len(), 0.0);
        }
    }
    Ok(Case {
        label: format!("{shape}, shard {first}+{count}"),
        plan: plan(shape, first, count)?,
        data: vec![
            Data::input(&bytes),
            Data::input(&pick_words),
            Data::in_out(&before, Want::bounded(y, bounds).of(shape)),
        ],
    })
}

fn cases() -> Result<Vec<Case>> {
    let mut random = Random::new(14);
    let pick = |image, dy, dx, flip| PickedImage { image, dy, dx, flip, motion: (0, 0, 1.0) };
    let moved = |motion, pick| PickedImage { motion, ..pick };
    let plain = [pick(0, 0, 0, false)];
    let odd = [
        pick(9, 0, 0, false), // past the shard, which ends at 9
        pick(5, 0, 0, true),
        pick(8, -2, 3, false),
        pick(6, 4, -4, true),
        pick(4, 1, 1, false), // before the shard
        pick(7, -128, 127, false),
        pick(5, 1, -1, true), // an image twice
        moved((1, -2, 1.0), pick(5, 0, 0, false)),
        moved((0, 0, 1.35), pick(6, 0, 0, false)),
        moved((-1, 2, 0.65), pick(7, 1, 2, true)),
        moved((700, -900, 0.125), pick(8, 0, 0, false)),
    ];
    let cifar: Vec<PickedImage> = (0..3)
        .map(|image| {
            let mut shift = || random.below(9) as i32 - 4;
            let motion = (shift() * 2, shift() * 2, 0.65 + 0.3 * f64::from(image));
            moved(motion, pick(image, shift(), shift(), image == 1))
        })
        .collect();
    Ok(vec![
        case([1, 1, 3], 0, 1, &plain, &mut random)?,
        case([5, 7, 3], 5, 4, &odd, &mut random)?,
        case([32, 32, 3], 0, 3, &cifar, &mut random)?,
        case([28, 28, 1], 0, 3, &cifar, &mut random)?,
        case([7, 5, 6], 5, 4, &odd, &mut random)?,
    ])
}

fn random(random: &mut Random) -> Result<Case> {
    let (h, w) = (random.length(33), random.length(33));
    let (first, count) = (random.below(40), random.length(8));
    let pick = |random: &mut Random| {
        let mut shift = |most: u32| random.below(2 * most + 1) as i32 - most as i32;
        let (dy, dx, down, right) = (shift(4), shift(4), shift(9), shift(9));
        // A few picks lie outside the shard.
        let image = (first + random.below(count + 2)).saturating_sub(1);
        let scale = random.of(&[1.0, 1.0, 0.65, 1.35, 0.125]);
        PickedImage { image, dy, dx, flip: random.flag(), motion: (down, right, scale) }
    };
    let picks: Vec<PickedImage> = (0..random.length(17)).map(|_| pick(random)).collect();
    let c = random.of(&[1, 2, 3, 3, 4, 5, 9]);
    case([h as usize, w as usize, c], first, count, &picks, random)
}

/// The kernel with its cases.
pub static SUITES: [Suite; 1] = [suite!(KERNEL, cases, random)];
