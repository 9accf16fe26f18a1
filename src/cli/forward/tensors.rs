//! Reads and checks the tensors of `nf-gpu forward`.

use crate::{
    error::{Error, Result},
    files::npy::{self, Array},
    models,
};
use std::path::Path;

/// Images `[N, C, H, W]` for a network that takes this `[C, H, W]`.
pub(super) fn images(path: &Path, [c, rows, columns]: [u32; 3]) -> Result<Array<f32>> {
    let array = any_images(path, c, &format!("{rows}, {columns}"))?;
    let [h, w] = [array.shape[2], array.shape[3]];
    if [h, w] == [rows as usize, columns as usize] {
        return Ok(array);
    }
    let what = format!("its images are {h}x{w}; the network takes {rows}x{columns}");
    let fits = |base: &&models::BaseInfo| c == 3 && [h, w] == [base.side as usize; 2];
    let fitting: Vec<_> = models::BASES.iter().filter(fits).collect();
    let names: Vec<_> = fitting.iter().map(|base| base.name).collect();
    let resize = format!(
        "resize them, in PyTorch: F.interpolate(x, size=({rows}, {columns}), mode='bilinear', antialias=True)"
    );
    let hint = if names.is_empty() {
        format!("{resize}; the base networks here take images of 32x32 or 224x224")
    } else {
        format!("{resize}; or use a network for {h}x{w}: {}", names.join(", "))
    };
    Err(Error::format(path, what, hint))
}

/// Images `[N, C, H, W]` of `c` channels for a generator, which takes any rows and columns.
pub(super) fn generator_images(path: &Path, c: u32) -> Result<Array<f32>> {
    let array = any_images(path, c, "H, W")?;
    let [h, w] = [array.shape[2], array.shape[3]];
    let most = models::MAX_SIDE as usize;
    if h.max(w) <= most {
        return Ok(array);
    }
    let what = format!("its images are {h}x{w}; a generator takes sides of at most {most}");
    Err(Error::format(path, what, "crop or resize them"))
}

fn any_images(path: &Path, c: u32, sides: &str) -> Result<Array<f32>> {
    let (array, c) = (npy::load_f32(path)?, c as usize);
    let expected = format!("[N, {c}, {sides}]");
    match array.shape[..] {
        [n, own, h, w] if own == c && n > 0 && h > 0 && w > 0 => finite(path, array),
        [0, own, _, _] if own == c => {
            Err(Error::format(path, "it holds no images", "give at least one"))
        }
        [_, _, _, own] if own == c => {
            let hint = "make it so in NumPy: x.transpose(0, 3, 1, 2)";
            Err(shaped(path, &array.shape, &expected, hint))
        }
        [_, _, _] if c == 1 => {
            let hint = "grey images need their one channel too: x[:, None]";
            Err(shaped(path, &array.shape, &expected, hint))
        }
        _ => {
            let hint = "one image alone needs a first extent too: x[None]";
            Err(shaped(path, &array.shape, &expected, hint))
        }
    }
}

/// Labels `[n]`, each below `classes`.
pub(super) fn labels(path: &Path, n: usize, classes: u32) -> Result<Vec<u32>> {
    let array = npy::load_i32(path)?;
    if array.shape != [n] {
        return Err(shaped(path, &array.shape, &format!("[{n}]"), "one class an image"));
    }
    let class = |(i, &label): (usize, &i32)| match u32::try_from(label) {
        Ok(class) if class < classes => Ok(class),
        _ => {
            let what = format!("label {label} of image {i} is no class");
            let hint = format!("the network knows {classes} classes, counted from 0");
            Err(Error::format(path, what, hint))
        }
    };
    array.data.iter().enumerate().map(class).collect()
}

/// A tensor with the shape of the output.
pub(super) fn upstream(path: &Path, output: &[usize]) -> Result<Vec<f32>> {
    let array = npy::load_f32(path)?;
    if array.shape != output {
        let hint = "it is shaped like the output";
        return Err(shaped(path, &array.shape, &format!("{output:?}"), hint));
    }
    Ok(finite(path, array)?.data)
}

fn shaped(path: &Path, found: &[usize], expected: &str, hint: &str) -> Error {
    Error::format(path, format!("its shape is {found:?}, expected {expected}"), hint)
}

fn finite(path: &Path, array: Array<f32>) -> Result<Array<f32>> {
    match array.data.iter().position(|v| !v.is_finite()) {
        None => Ok(array),
        Some(i) => {
            let what = format!("element {i} is {}, not a number to compute with", array.data[i]);
            Err(Error::format(path, what, "look for it with np.isfinite(x).all()"))
        }
    }
}
