//! `nf-gpu transform`: what a generator does to an image.

use super::{gpu::GpuArgs, interrupt, places::Places, terminal};
use crate::{
    data::{self, ImageSet, LabelsFrom, Preprocess, PreprocessArgs, Preprocessing, Side, Split},
    error::{Error, Result},
    eval::fuse_images,
    models,
    nn::{DeviceImages, FrozenNet, most_images},
    report::images::{self, Image},
    train::{Generator, GeneratorFile, planar},
};
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `nf-gpu transform`.
#[derive(Args, Debug)]
pub struct TransformArgs {
    /// Weights of the generator
    #[arg(long, value_name = "FILE")]
    generator: PathBuf,
    /// PNG, JPEG or PPM images, which are resized
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Folder for NAME.original.png, NAME.transformed.png and NAME.difference.png
    #[arg(long, value_name = "DIR")]
    out_dir: PathBuf,
    /// Size that images are resized to, with rows first (default: what the generator was trained for where its file
    /// says so, else 32); with --preprocess center-crop, N is the shorter side before the crop
    #[arg(long, value_name = "N|HxW")]
    side: Option<Side>,
    /// How images of another size become the generator's (default: squash)
    #[arg(long, value_enum)]
    preprocess: Option<Preprocess>,
    #[command(flatten)]
    gpu: GpuArgs,
    /// No messages
    #[arg(long)]
    quiet: bool,
}

/// Maximum number of images that are computed together: a Ctrl-C waits for them.
const TOGETHER: u32 = 16;

/// Writes original, transformed and difference of each image.
pub fn run(args: &TransformArgs) -> Result<()> {
    let file = GeneratorFile::load_network(&args.generator)?;
    let form = args.form(&file)?;
    let Generator { graph, weights, .. } = file.network(form.chw)?;
    args.check_images()?;
    let gpu = args.gpu.open(args.quiet)?;
    interrupt::watch(args.quiet);
    let net = FrozenNet::for_inference(&gpu, &graph, &weights, models::GENERATOR_BITS, 1)?;
    net.injector(&gpu, 1, None)?.run(&gpu, &[0])?;
    let mut together = most_images(&gpu, &[(&graph, 1)], u64::MAX).clamp(1, TOGETHER) as usize;
    let mut printed = Ok(());
    let mut left = &args.images[..];
    while !left.is_empty() {
        if interrupt::pressed() {
            return Err(Error::Interrupted);
        }
        let part = &left[..together.min(left.len())];
        let images = DeviceImages::upload(&gpu, &args.read(part, form)?)?;
        let fused = match fuse_images(&gpu, &net, &images) {
            Err(error) if error.is_size() && together > 1 => {
                together /= 2;
                continue;
            }
            Err(error) if error.is_size() => {
                let hint = "give a smaller one, as the generator was trained for";
                return Err(Error::argument("--side", error.to_string(), hint));
            }
            fused => fused?.map(|images| planar(&images, part.len(), form.chw[0])),
        };
        std::fs::create_dir_all(&args.out_dir).map_err(|e| Error::write(&args.out_dir, e))?;
        let [originals, transformed] = &fused;
        for (path, images) in part.iter().zip(originals.iter().zip(transformed)) {
            let line = args.save(path, form.chw, images)?;
            // An image is written even if its line cannot be printed.
            printed = printed.and(terminal::print(&line));
        }
        left = &left[part.len()..];
    }
    printed
}

impl TransformArgs {
    /// Checks that each image has a name of its own and a readable header, and that no written picture
    /// replaces an input.
    fn check_images(&self) -> Result<()> {
        let mut stems: Vec<_> = self.images.iter().map(|path| stem(path)).collect();
        stems.sort();
        if let Some(twice) = stems.windows(2).find(|pair| pair[0] == pair[1]) {
            let what = format!("two are called {}", twice[0]);
            return Err(Error::argument("IMAGE", what, "one at a time, into folders of their own"));
        }
        Places::default()
            .reads("IMAGE", &self.images)
            .reads("--generator", [&self.generator])
            .makes("--out-dir", self.images.iter().flat_map(|path| self.pictures(path)))
            .check()?;
        // Pipes are skipped, because they can be read only once.
        let files = self.images.iter().filter(|path| !is_pipe(path));
        files.into_iter().try_for_each(|path| data::image_size(path).map(drop))
    }

    /// The output paths for an image: original, transformed and difference.
    fn pictures(&self, image: &Path) -> [PathBuf; 3] {
        let stem = stem(image);
        ["original", "transformed", "difference"]
            .map(|kind| self.out_dir.join(format!("{stem}.{kind}.png")))
    }

    /// What images become: those that the generator was trained for, unless the flags say otherwise.
    fn form(&self, file: &GeneratorFile) -> Result<Preprocessing> {
        let trained = file.trained.as_ref().map(|trained| trained.images_form).unwrap_or_default();
        let side = self.side.or(trained.side);
        let preprocess = self.preprocess.or(trained.preprocess);
        let crops = preprocess == Some(Preprocess::CenterCrop);
        let known = file.images()?.is_some();
        // The size before a crop says what is left only where nothing else does.
        let hw = side.filter(|_| !(crops && known)).map(Side::hw);
        PreprocessArgs { side, preprocess }.for_input(file.input(hw)?)
    }

    fn read(&self, paths: &[PathBuf], form: Preprocessing) -> Result<ImageSet> {
        let load = |path: &PathBuf| data::load_image(path, form);
        let pixels = paths.iter().map(load).collect::<Result<Vec<_>>>()?;
        let [channels, height, width] = form.chw;
        Ok(ImageSet {
            name: "images".into(),
            split: Split::Test,
            channels,
            height,
            width,
            classes: 1,
            class_names: vec!["image".into()],
            labels: vec![0; paths.len()],
            subset: None,
            labels_from: LabelsFrom::DataSet,
            pixels: pixels.concat(),
        })
    }

    /// Writes the pictures of an image, and returns the line that reports them.
    fn save(
        &self,
        path: &Path,
        chw: [u32; 3],
        (original, fused): (&Vec<f32>, &Vec<f32>),
    ) -> Result<String> {
        let (original, fused) = (Image::new(chw, original)?, Image::new(chw, fused)?);
        let (difference, factor) = images::difference(original, fused)?;
        let pictures = [original, fused, Image::new(chw, &difference)?];
        let drawn = original.drawn().map_or(String::new(), |drawn| format!("; {drawn}"));
        let files = self.pictures(path);
        files.iter().zip(pictures).try_for_each(|(file, picture)| images::save(file, picture))?;
        Ok(format!("{} (difference times {factor}{drawn})\n", files[1].display()))
    }
}

/// The name of an image without its extension.
fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "image".into(), |stem| stem.to_string_lossy().into_owned())
}

/// Whether a path exists and is neither a file nor a folder.
fn is_pipe(path: &Path) -> bool {
    path.metadata().is_ok_and(|there| !there.is_file() && !there.is_dir())
}
