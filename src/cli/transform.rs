//! `nf-gpu transform`: what a generator does to an image.

use super::{gpu::GpuArgs, terminal};
use crate::{
    data::{self, ImageSet, Split},
    error::{Error, Result},
    eval::fuse_images,
    files::Weights,
    models,
    nn::{DeviceImages, FrozenNet},
    report::images::{self, Image},
    train::planar,
};
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `nf-gpu transform`.
#[derive(Args, Debug)]
pub struct TransformArgs {
    /// Weights of the generator
    #[arg(long, value_name = "FILE")]
    generator: PathBuf,
    /// PNG, JPEG or PPM images; they are resized to 32x32
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Folder for NAME.original.png, NAME.transformed.png and NAME.difference.png
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// Rows and columns that images are resized to, as the generator was trained for
    #[arg(long, value_name = "N", default_value_t = 32)]
    side: u32,
    #[command(flatten)]
    gpu: GpuArgs,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Writes original, transformed and difference of each image.
///
/// # Errors
/// Files that cannot be read or written.
pub fn run(args: &TransformArgs) -> Result<()> {
    let weights = Weights::load(&args.generator)?;
    let Some(name) = weights.meta("model") else {
        let hint = "give a file that `nf-gpu train` wrote";
        let what = "the file does not say which generator it holds";
        return Err(Error::format(&args.generator, what, hint));
    };
    let graph = models::generator(name, args.side)?;
    graph.check(&weights)?;
    let stem = |path: &Path| path.file_stem().map(|s| s.to_string_lossy().into_owned());
    let mut stems: Vec<_> = args.images.iter().map(|p| stem(p)).collect();
    stems.sort();
    if let Some(twice) = stems.windows(2).find(|pair| pair[0] == pair[1]) {
        let what = format!("two are called {}", twice[0].as_deref().unwrap_or_default());
        return Err(Error::argument("IMAGE", what, "one at a time, into folders of their own"));
    }
    let mut pixels = Vec::new();
    for path in &args.images {
        pixels.extend(data::load_image(path, args.side)?);
    }
    let set = ImageSet {
        name: "images".into(),
        split: Split::Test,
        height: args.side,
        width: args.side,
        classes: 1,
        class_names: vec!["image".into()],
        labels: vec![0; args.images.len()],
        pixels,
    };
    let gpu = args.gpu.open(args.quiet)?;
    let images = DeviceImages::upload(&gpu, &set)?;
    let net = FrozenNet::for_inference(&gpu, &graph, &weights, models::GENERATOR_BITS, 1)?;
    net.injector(&gpu, 1, None)?.run(&gpu, &[0])?;
    let [originals, fused] = fuse_images(&gpu, &net, &images)?;
    let (originals, fused) = (planar(&originals, set.len()), planar(&fused, set.len()));
    std::fs::create_dir_all(&args.out_dir).map_err(|e| Error::write(&args.out_dir, e))?;
    let side = args.side as usize;
    for (path, (original, fused)) in args.images.iter().zip(originals.iter().zip(&fused)) {
        let stem = stem(path).unwrap_or_else(|| "image".into());
        let file = |kind: &str| args.out_dir.join(format!("{stem}.{kind}.png"));
        let (original, fused) = (Image::new(side, side, original)?, Image::new(side, side, fused)?);
        let (difference, factor) = images::difference(original, fused)?;
        images::save(file("original"), original)?;
        images::save(file("transformed"), fused)?;
        images::save(file("difference"), Image::new(side, side, &difference)?)?;
        let line = format!("{} (difference times {factor})\n", file("transformed").display());
        terminal::print(&line)?;
    }
    Ok(())
}
