//! Where results are kept until the document is whole, and what they depend on.

use super::Setup;
use crate::{files::sha256_of, gpu::Gpu, ops::operands::Operands};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where an evaluation keeps what it has measured until its document is whole.
pub(super) fn journal_of(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// What results depend on beside the generator, the faults and the seed.
pub(super) fn identity(gpu: &Gpu, setup: &Setup, operands: Operands) -> String {
    let Setup { base, set, precision, .. } = setup;
    let (model, sha256) = (&base.model, &base.sha256[..16]);
    let normalised = base.graph.nodes.get(1).map(|node| format!("{:?}", node.op));
    let input = &sha256_of(normalised.unwrap_or_default().as_bytes())[..8];
    let labels: Vec<u8> = set.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
    let [pixels, labels] = [&set.pixels, &labels].map(|bytes| sha256_of(bytes));
    let (images, split, name) = (set.len(), set.split, &set.name);
    let dtype = operands.name();
    format!(
        "{model} {sha256} input {input} in {precision} bits, computed in {dtype}, on {images} {split} images of {name} \
         ({} {}), {}, commit {}",
        &pixels[..16],
        &labels[..8],
        gpu.report().line(),
        env!("NF_COMMIT")
    )
}

/// Whether a path is there and is no file, such as `/dev/null`.
pub(super) fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| !m.is_file())
}
