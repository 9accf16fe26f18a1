//! One case of one kernel: a plan, its inputs and its expected outputs.

use crate::{
    kernels::{plan::Plan, twin::Want},
    shape::{Nhwc, Window, pad_channels},
};

/// One use of a kernel with known results.
#[derive(Clone, Debug)]
pub struct Case {
    /// What distinguishes the case, usually the shape.
    pub label: String,
    /// The planned dispatch.
    pub plan: Plan,
    /// One entry per storage binding, in binding order.
    pub data: Vec<Data>,
}

/// Contents of one storage binding.
#[derive(Clone, Debug)]
pub enum Data {
    /// Bytes that the kernel reads (and must not change).
    Input(Vec<u8>),
    /// Expected contents, which the kernel must write into a poisoned buffer.
    Output(Want),
    /// Contents before the run, and expected contents after it.
    InOut(Vec<u8>, Want),
}

impl Data {
    /// An input of any plain element type.
    pub fn input<T: bytemuck::NoUninit>(values: &[T]) -> Self {
        Self::Input(bytemuck::cast_slice(values).to_vec())
    }

    /// A buffer changed in place.
    pub fn in_out<T: bytemuck::NoUninit>(before: &[T], after: Want) -> Self {
        Self::InOut(bytemuck::cast_slice(before).to_vec(), after)
    }
}

/// Values `[pixels, c]` as they lie in memory, with NaN in the padding lanes, so that a kernel that uses
/// a padding lane gives a wrong result.
pub fn nan_padded(values: &[f32], c: u32) -> Vec<f32> {
    pad_channels(values, c, f32::NAN)
}

/// A small random generator (PCG's output function over a counter). It is not a library's, so that a
/// seed gives the same case for ever.
#[derive(Clone, Debug)]
pub struct Random {
    state: u32,
    special: bool,
}

impl Random {
    /// A generator with a stream of numbers of its own for each seed.
    pub fn new(seed: u32) -> Self {
        Self { state: seed.wrapping_mul(2_654_435_769), special: false }
    }

    /// A generator that puts some NaN and infinities among the values of [`Self::floats`] and
    /// [`Self::integers`]: at least one, and few enough that some sums over parts of the values stay
    /// finite.
    pub fn special(seed: u32) -> Self {
        Self { special: true, ..Self::new(seed) }
    }

    /// Draws without NaN and infinities, for operands that never have any. Weights are checked when they
    /// are loaded, and it is not defined whether an infinite weight is multiplied by the zeros around an
    /// image.
    pub fn ordinary<T>(&mut self, draw: impl FnOnce(&mut Self) -> T) -> T {
        let special = std::mem::take(&mut self.special);
        let drawn = draw(self);
        self.special = special;
        drawn
    }

    fn with_specials(&mut self, mut values: Vec<f32>) -> Vec<f32> {
        if self.special && !values.is_empty() {
            for _ in 0..(values.len() / 8).clamp(1, 12) {
                let at = self.below(values.len() as u32) as usize;
                values[at] = self.of(&[f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
            }
        }
        values
    }

    /// 32 random bits.
    pub fn bits(&mut self) -> u32 {
        self.state = self.state.wrapping_add(1);
        let s = self.state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        let w = ((s >> ((s >> 28) + 4)) ^ s).wrapping_mul(277_803_737);
        (w >> 22) ^ w
    }

    /// One value in [-1, 1).
    pub fn float(&mut self) -> f32 {
        (f64::from(self.bits()) / 2_147_483_648.0 - 1.0) as f32
    }

    /// `len` values in [-1, 1).
    pub fn floats(&mut self, len: usize) -> Vec<f32> {
        let values = (0..len).map(|_| self.float()).collect();
        self.with_specials(values)
    }

    /// `len` whole numbers in [-max, max], as f32.
    pub fn integers(&mut self, len: usize, max: u32) -> Vec<f32> {
        let one = |bits: u32| (f64::from(bits % (2 * max + 1)) - f64::from(max)) as f32;
        let values = (0..len).map(|_| one(self.bits())).collect();
        self.with_specials(values)
    }

    /// One number below `end`.
    pub fn below(&mut self, end: u32) -> u32 {
        self.bits() % end
    }

    /// One number from `first` to `last`.
    pub fn between(&mut self, first: u32, last: u32) -> u32 {
        first + self.below(last - first + 1)
    }

    /// A random element of a list, which must not be empty.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    /// A random bool.
    pub fn flag(&mut self) -> bool {
        self.below(2) == 0
    }

    /// A length from 1 to `most`, often one at an edge of tiles, vectors or workgroups.
    pub fn length(&mut self, most: u32) -> u32 {
        const EDGES: [u32; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];
        let edge = (self.of(&EDGES) + self.below(3)).saturating_sub(1).max(1);
        let any = self.between(1, most.max(1));
        if edge <= most && self.below(4) > 0 { edge } else { any }
    }

    /// A shape of at most `most` values: an axis that is long leaves less for the others.
    pub fn images(&mut self, most: u32) -> Nhwc {
        let mut extents = [1; 4];
        let mut left = most;
        // Any axis may be drawn first and so be long.
        let first = self.below(4) as usize;
        for turn in 0..4 {
            let axis = (first + turn) % 4;
            extents[axis] = self.length(left.min(260));
            left /= extents[axis];
        }
        let [n, h, w, c] = extents;
        Nhwc::new(n, h, w, c)
    }

    /// A sliding window that fits images of h x w, from those that networks use and a few others.
    pub fn window(&mut self, h: u32, w: u32) -> Window {
        const KERNELS: [[u32; 2]; 8] =
            [[1, 1], [2, 2], [3, 3], [3, 3], [4, 4], [5, 5], [2, 3], [1, 3]];
        let kernel = self.of(&KERNELS);
        let stride = self.of(&[1, 1, 2, 2, 3]);
        let padding = self.below(kernel[0].min(kernel[1]).div_ceil(2) + 1);
        let padding = padding.min(kernel[0].min(kernel[1]) - 1);
        let mut window = Window::even(kernel, stride, padding);
        // Half of the windows differ between axes and sides.
        if self.flag() {
            window.stride[1] = self.of(&[1, 2, 3]);
            window.before = kernel.map(|extent| self.below(extent));
            window.after = kernel.map(|extent| self.below(extent));
        }
        if window.output(h, w).is_ok() { window } else { Window::square(1, stride, 0) }
    }
}
