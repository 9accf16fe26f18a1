//! A data set on the device as u8, and batches of it made there.

use super::compiler::NodeValue;
use crate::{
    data::ImageSet,
    error::{Error, Result},
    gpu::Buffer,
    kernels::images,
    run::{BufferId, Gpu, Program, Tape},
    shape::Nhwc,
};

/// Images of a data set for a device: all of them on it, in as many buffers as its binding limit asks
/// for, or streamed to it batch by batch.
#[derive(Debug)]
pub struct DeviceImages {
    /// `None` if the images are streamed.
    shards: Option<Vec<ImageShard>>,
    /// Channels, rows and columns of an image.
    chw: [u32; 3],
    /// Class of each image.
    pub labels: Vec<u32>,
}

#[derive(Debug)]
struct ImageShard {
    buffer: Buffer,
    first: u32,
    count: u32,
}

/// Which image of a data set to take, and how it is changed: scaled about its middle and moved, then
/// cropped, then mirrored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pick {
    /// Index in the data set.
    pub index: u32,
    /// Rows that the crop is moved down.
    pub dy: i32,
    /// Columns that the crop is moved right.
    pub dx: i32,
    /// Mirrored left to right.
    pub flip: bool,
    /// Rows that the image is moved down, before the crop.
    pub down: i32,
    /// Columns that the image is moved right.
    pub right: i32,
    /// Enlargement about the middle.
    pub scale: f64,
}

impl Default for Pick {
    /// The first image as it is.
    fn default() -> Self {
        Self { index: 0, dy: 0, dx: 0, flip: false, down: 0, right: 0, scale: 1.0 }
    }
}

impl Pick {
    fn words(&self) -> [u32; 4] {
        let [moved, scale] = images::motion(self.down, self.right, self.scale);
        [self.index, images::shift(self.dy, self.dx, self.flip), moved, scale]
    }
}

impl DeviceImages {
    /// Uploads a data set.
    pub fn upload(gpu: &Gpu, set: &ImageSet) -> Result<Self> {
        let bytes = set.image_len();
        let limit = gpu.limits().max_storage_buffer_binding_size.min(gpu.limits().max_buffer_size);
        let most = (limit as usize / bytes).max(1);
        let mut shards = Vec::new();
        for (i, chunk) in set.pixels.chunks(most * bytes).enumerate() {
            let buffer = Buffer::with(gpu, "images", chunk)?;
            let (first, count) = ((i * most) as u32, (chunk.len() / bytes) as u32);
            shards.push(ImageShard { buffer, first, count });
        }
        Ok(Self { shards: Some(shards), ..Self::streamed(set.chw(), &set.labels) })
    }

    /// Uploads a data set, unless it has more than `most` bytes or the device has no room for it: its pixels come with each
    /// batch then.
    ///
    /// # Errors
    /// The device failed for another reason than a lack of memory.
    pub fn resident(gpu: &Gpu, set: &ImageSet, most: u64) -> Result<Self> {
        if set.pixels.len() as u64 > most {
            return Ok(Self::streamed(set.chw(), &set.labels));
        }
        match Self::upload(gpu, set) {
            Err(Error::OutOfMemory { .. }) => Ok(Self::streamed(set.chw(), &set.labels)),
            uploaded => uploaded,
        }
    }

    /// A data set of images `[C, H, W]` whose pixels come with each batch: one larger than the device's
    /// memory, or one that the host makes anew.
    #[must_use]
    pub fn streamed(chw: [u32; 3], labels: &[u16]) -> Self {
        let labels = labels.iter().map(|&l| u32::from(l)).collect();
        Self { shards: None, chw, labels }
    }

    /// Whether each batch must bring its pixels.
    #[must_use]
    pub fn is_streamed(&self) -> bool {
        self.shards.is_none()
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Appends the dispatches that make a batch of images in [-1, 1]. `parts` has the number of images
    /// of each part.
    pub fn batch(&self, tape: &mut Tape, parts: &[u32]) -> Result<Batch> {
        let part = |&n: &u32| self.part(tape, n);
        Ok(Batch { parts: parts.iter().map(part).collect::<Result<_>>()? })
    }

    fn part(&self, tape: &mut Tape, n: u32) -> Result<BatchPart> {
        let [c, h, w] = self.chw;
        let shape = Nhwc::new(n, h, w, c);
        let picks = tape.kept("picks", u64::from(n) * 16);
        let labels = tape.kept("labels", u64::from(n) * 4);
        let id = tape.kept("images", shape.bytes());
        let mut pixels = None;
        match &self.shards {
            Some(shards) => {
                for ImageShard { buffer, first, count } in shards {
                    let from = tape.import("images", buffer);
                    let plan = images::plan(shape, *first, *count)?;
                    tape.push(plan, &[from, picks, id])?;
                }
            }
            None => {
                let plan = images::plan(shape, 0, n)?;
                let from = tape.kept("streamed images", plan.bytes[0]);
                tape.push(plan, &[from, picks, id])?;
                pixels = Some(from);
            }
        }
        Ok(BatchPart { images: NodeValue { id, shape, copies: 1 }, labels, picks, pixels })
    }
}

/// A batch on a tape.
#[derive(Clone, Debug)]
pub struct Batch {
    parts: Vec<BatchPart>,
}

#[derive(Clone, Copy, Debug)]
struct BatchPart {
    images: NodeValue,
    labels: BufferId,
    picks: BufferId,
    /// Buffer that receives streamed pixels.
    pixels: Option<BufferId>,
}

impl Batch {
    /// The images of each part, in [-1, 1].
    #[must_use]
    pub fn images(&self) -> Vec<NodeValue> {
        self.parts.iter().map(|part| part.images).collect()
    }

    /// The classes of each part, u32.
    #[must_use]
    pub fn labels(&self) -> Vec<BufferId> {
        self.parts.iter().map(|part| part.labels).collect()
    }

    /// Chooses the images of the next run. A streamed set also needs their pixels, u8 `[n, C, H, W]` in
    /// the order of `picks`.
    ///
    /// # Errors
    /// `pixels` has another length than the picked images (of a streamed set) or is not empty (of any
    /// other).
    pub fn choose(
        &self,
        gpu: &Gpu,
        program: &Program,
        images: &DeviceImages,
        picks: &[Pick],
        pixels: &[u8],
    ) -> Result<()> {
        let image = images.chw.iter().map(|&extent| extent as usize).product::<usize>();
        let wanted = if images.is_streamed() { picks.len() * image } else { 0 };
        if pixels.len() != wanted {
            let what = format!("{} bytes of pixels, expected {wanted}", pixels.len());
            return Err(Error::Shape(what));
        }
        let mut first = 0;
        for part in &self.parts {
            let own = first..picks.len().min(first + part.images.shape.n as usize);
            let mut words: Vec<[u32; 4]> = picks[own.clone()].iter().map(Pick::words).collect();
            let label = |p: &Pick| images.labels[p.index as usize];
            let labels: Vec<u32> = picks[own.clone()].iter().map(label).collect();
            if let Some(to) = part.pixels {
                for (word, slot) in words.iter_mut().zip(0..) {
                    word[0] = slot;
                }
                program.write(gpu, to, 0, &pixels[own.start * image..own.end * image]);
            }
            program.write(gpu, part.picks, 0, &words);
            program.write(gpu, part.labels, 0, &labels);
            first = own.end;
        }
        Ok(())
    }
}
