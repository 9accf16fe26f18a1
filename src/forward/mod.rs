//! A network on a user's tensors, once: outputs, losses and gradients. The door for comparing with
//! PyTorch; training runs the same EOPM tape.

mod base;
mod eopm;
mod generator;

pub use base::{BasePass, BaseRequest, base};
pub use eopm::{EopmBuffers, EopmPass, EopmRequest, eopm, eopm_tape, loss_weights};
pub use generator::{GeneratorPass, GeneratorRequest, generator};

use crate::{
    error::{Error, Result},
    gpu::{BufferId, Tape},
    nn::Value,
    ops,
    shape::Nhwc,
};

/// Images `[N, 3, side, side]` in [-1, 1], in PyTorch's order (NCHW).
#[derive(Clone, Copy, Debug)]
pub struct Images<'a> {
    data: &'a [f32],
    shape: Nhwc,
}

impl<'a> Images<'a> {
    /// Images from a tensor of extents `shape`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless they are `[N, 3, side, side]`, N at least 1, and `data` fills them.
    pub fn new(shape: &[usize], data: &'a [f32]) -> Result<Self> {
        let wrong = || Error::Shape(format!("images are [N, 3, side, side], not {shape:?}"));
        let &[n, 3, h, w] = shape else { return Err(wrong()) };
        let extent = |v: usize| u32::try_from(v).ok().filter(|&v| v > 0).ok_or_else(wrong);
        let shape = Nhwc::new(extent(n)?, extent(h)?, extent(w)?, 3).checked()?;
        if h != w || data.len() != n * 3 * h * w {
            return Err(wrong());
        }
        Ok(Self { data, shape })
    }

    /// Images.
    #[must_use]
    pub fn n(self) -> u32 {
        self.shape.n
    }

    /// Rows, and columns, of an image.
    #[must_use]
    pub fn side(self) -> u32 {
        self.shape.h
    }

    /// `NotFit` unless a network of this input `[C, H, W]` takes them.
    fn fit(self, name: &str, chw: [u32; 3]) -> Result<()> {
        let Nhwc { h, w, c, .. } = self.shape;
        if chw == [c, h, w] {
            return Ok(());
        }
        Err(Error::Shape(format!(
            "{name} takes images of {}x{} pixels; these have {h}x{w}",
            chw[1], chw[2]
        )))
    }
}

/// A scalar made of the output, whose gradient is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Loss<'a> {
    /// Mean cross-entropy with these classes, one an image.
    CrossEntropy(&'a [u32]),
    /// `sum(output * upstream)`; as many numbers as the output has, in its order.
    Upstream(&'a [f32]),
}

/// `sum(a * b)` in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

/// As many numbers as there must be.
fn same_length(what: &str, has: usize, needs: usize) -> Result<()> {
    if has == needs {
        return Ok(());
    }
    Err(Error::Shape(format!("{what}: {has} numbers, expected {needs}")))
}

/// Appends a copy of a transient value that outlives the run.
fn keep(tape: &mut Tape, label: &str, value: Value) -> Result<BufferId> {
    let whole = Nhwc { n: value.shape.n * value.copies, ..value.shape };
    let kept = tape.kept(label, whole.bytes());
    let same = ops::gather2d::Gather::channels(0);
    tape.push(ops::gather2d::plan(whole, whole, same)?, &[value.id, kept])?;
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_square_colour_images_are_images() {
        let data = vec![0.0; 2 * 3 * 8 * 8];
        let images = Images::new(&[2, 3, 8, 8], &data).unwrap();
        assert_eq!((images.n(), images.side()), (2, 8));
        assert!(images.fit("net", [3, 8, 8]).is_ok());
        let error = images.fit("net", [3, 32, 32]).unwrap_err().to_string();
        assert_eq!(error, "net takes images of 32x32 pixels; these have 8x8");
        for wrong in [
            &[2, 8, 8, 3][..],
            &[3, 8, 8],
            &[0, 3, 8, 8],
            &[2, 3, 4, 16],
            &[1, 3, 8, 8],
            &[2, 3, 8, 8, 1],
            &[],
            &[2, 3, 1 << 40, 1 << 40],
        ] {
            let error = Images::new(wrong, &data).unwrap_err();
            assert!(matches!(error, Error::Shape(_) | Error::TooManyElements { .. }), "{wrong:?}");
        }
    }
}
