//! Logits of batches of images, for every copy of a base network.

use crate::{
    data::ImageSet,
    error::{Error, Result},
    gpu::Buffer,
    kernels::{elementwise, layout},
    nn::{Batch, DeviceImages, FrozenNet, Mode, NodeValue, Pick, check_finite, first_not_finite},
    run::{BufferId, Gpu, Program, Tape},
    shape::unpad_channels,
};

/// A program that computes logits of a batch for every copy of a base network.
#[derive(Debug)]
pub struct Evaluator {
    program: Program,
    batch: Batch,
    logits: BufferId,
    fused: BufferId,
    /// Channels of an image.
    channels: u32,
    n: u32,
    copies: u32,
    classes: u32,
    /// Whether logits may be infinite or NaN.
    may_be_undecided: bool,
    /// Where the images of a batch are named whose activations have faults.
    faults: Option<Buffer>,
}

impl Evaluator {
    /// Compiles the evaluation of `base`, behind `generator` if there is one, in batches of `n`.
    pub fn new(
        gpu: &Gpu,
        base: &FrozenNet,
        generator: Option<&FrozenNet>,
        images: &DeviceImages,
        n: u32,
    ) -> Result<Self> {
        let mut tape = Tape::new();
        let batch = images.batch(&mut tape, &[n])?;
        let mut x = batch.images()[0];
        if let Some(generator) = generator {
            x.id = fused(gpu, &mut tape, generator, x)?;
        }
        let y = base.compiler(gpu, &mut tape, Mode::Inference).forward(&mut tape, x)?;
        let logits = tape.kept("logits", y.shape.bytes() * u64::from(y.copies));
        // Logits must outlive the run: a copy, since the network's output is a transient.
        let whole = crate::shape::Nhwc { n: y.shape.n * y.copies, ..y.shape };
        let same = layout::gather2d::Gather::channels(0);
        tape.push(layout::gather2d::plan(whole, whole, same)?, &[y.id, logits])?;
        let program = Program::build(gpu, &tape)?;
        let (channels, classes) = (x.shape.c, y.shape.c);
        Ok(Self {
            program,
            batch,
            logits,
            fused: x.id,
            channels,
            n,
            copies: y.copies,
            classes,
            may_be_undecided: false,
            faults: base.activation_faults().cloned(),
        })
    }

    /// Takes logits that are infinite or NaN as they are, if `floats` is set: faults in stored floats make such numbers.
    #[must_use]
    pub fn with_faults_in_floats(self, floats: bool) -> Self {
        Self { may_be_undecided: floats, ..self }
    }

    /// The class that an image's logits answer with; `None` where faults in stored floats left nothing to decide by.
    #[must_use]
    pub fn answer(&self, row: &[f32]) -> Option<usize> {
        if self.may_be_undecided { decided(row) } else { Some(argmax(row)) }
    }

    /// Logits `[copies, n, classes]` of images `first ..` of `set`; `images` are the same images on the device.
    /// Logits past the end of the set have no meaning. `name` says which network a copy is.
    ///
    /// # Errors
    /// The device failed; [`Error::NotFiniteOutput`] for a logit that is infinite or NaN, which would
    /// count as an answer otherwise, except after [`Self::with_faults_in_floats`].
    pub fn logits(
        &self,
        gpu: &Gpu,
        (images, set): (&DeviceImages, &ImageSet),
        first: usize,
        name: &dyn Fn(usize) -> String,
    ) -> Result<Vec<f32>> {
        let last = images.len() - 1;
        let pick = |i: usize| Pick { index: (first + i).min(last) as u32, ..Pick::default() };
        let picks: Vec<Pick> = (0..self.n as usize).map(pick).collect();
        let mut pixels = Vec::new();
        if images.is_streamed() {
            picks.iter().for_each(|p| pixels.extend_from_slice(set.image(p.index as usize)));
        }
        self.batch.choose(gpu, &self.program, images, &picks, &pixels)?;
        if let Some(faults) = &self.faults {
            faults.write(gpu, 0, &[first as u32, images.len() as u32]);
        }
        self.program.run(gpu)?;
        let padded: Vec<f32> = self.program.read(gpu, self.logits)?;
        let rows = (self.copies * self.n * self.classes.next_multiple_of(4)) as usize;
        let logits = unpad_channels(&padded[..rows], self.classes);
        let classes = self.classes as usize;
        for (row, of_image) in logits.chunks(classes).enumerate() {
            let (copy, image) = (row / self.n as usize, (first + row % self.n as usize).min(last));
            if self.may_be_undecided || of_image.iter().all(|v| v.is_finite()) {
                continue;
            }
            let network = format!("{}, image {image} of {}", name(copy), set.name);
            let place = || first_not_finite(gpu, &self.program, self.program.entries());
            check_finite([&network, "logits"], &[classes], of_image, place)?;
        }
        Ok(logits)
    }

    /// The images that the base network saw in the last run, `[n, H, W, C]` in [-1, 1].
    pub fn seen(&self, gpu: &Gpu) -> Result<Vec<f32>> {
        Ok(unpad_channels(&self.program.read(gpu, self.fused)?, self.channels))
    }

    /// Classifies the whole set; `each` gets `(copy, image, logits)` in batches, and stops the
    /// evaluation with `false`. `name` says which network a copy is. Returns the right answers per copy.
    pub fn run(
        &self,
        gpu: &Gpu,
        (images, set): (&DeviceImages, &ImageSet),
        name: &dyn Fn(usize) -> String,
        mut each: impl FnMut(usize, usize, &[f32]) -> bool,
    ) -> Result<Vec<u64>> {
        let (n, classes) = (self.n as usize, self.classes as usize);
        let mut right = vec![0; self.copies as usize];
        for first in (0..images.len()).step_by(n) {
            let logits = self.logits(gpu, (images, set), first, name)?;
            for (copy, rows) in logits.chunks(n * classes).enumerate() {
                for (i, row) in rows.chunks(classes).enumerate().take(images.len() - first) {
                    let label = images.labels[first + i] as usize;
                    right[copy] += u64::from(self.answer(row) == Some(label));
                    if !each(copy, first + i, row) {
                        return Err(Error::Interrupted);
                    }
                }
            }
        }
        Ok(right)
    }
}

/// Index of the first largest value; as in PyTorch the first NaN is larger than everything.
pub fn argmax(row: &[f32]) -> usize {
    let mut best = 0;
    for (i, &v) in row.iter().enumerate() {
        if v > row[best] || v.is_nan() && !row[best].is_nan() {
            best = i;
        }
    }
    best
}

/// The one largest value of a row, or the first largest finite one. `None` where a value is NaN, or the largest is an
/// infinity that several values share: no adapter promises which of them are larger.
fn decided(row: &[f32]) -> Option<usize> {
    let best = argmax(row);
    let largest = *row.get(best)?;
    let shared = row.iter().filter(|&&v| v == largest).count() > 1;
    (!largest.is_nan() && (largest.is_finite() || !shared)).then_some(best)
}

/// Appends what a generator makes of images.
fn fused(gpu: &Gpu, tape: &mut Tape, generator: &FrozenNet, x: NodeValue) -> Result<BufferId> {
    let g = generator.compiler(gpu, tape, Mode::Inference).forward(tape, x)?;
    let fused = tape.kept("fused images", x.shape.bytes());
    tape.push(elementwise::fuse_clamp::plan(x.shape)?, &[x.id, g.id, fused])?;
    Ok(fused)
}

/// Images as they are and as a generator makes them, `[N, H, W, C]` in [-1, 1] each.
pub fn fuse_images(
    gpu: &Gpu,
    generator: &FrozenNet,
    images: &DeviceImages,
) -> Result<[Vec<f32>; 2]> {
    let n = images.len() as u32;
    let mut tape = Tape::new();
    let batch = images.batch(&mut tape, &[n])?;
    let x = batch.images()[0];
    let fused = fused(gpu, &mut tape, generator, x)?;
    let program = Program::build(gpu, &tape)?;
    let picks: Vec<Pick> = (0..n).map(|index| Pick { index, ..Pick::default() }).collect();
    batch.choose(gpu, &program, images, &picks, &[])?;
    program.run(gpu)?;
    let [originals, fused] = [program.read(gpu, x.id)?, program.read(gpu, fused)?]
        .map(|v| unpad_channels(&v, x.shape.c));
    let shape = [n, x.shape.h, x.shape.w, x.shape.c].map(|extent| extent as usize);
    let place = || first_not_finite(gpu, &program, program.entries());
    check_finite([&generator.graph.name, "transformed images"], &shape, &fused, place)?;
    Ok([originals, fused])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_decide_unless_one_is_nan_or_infinities_are_alike() {
        let (inf, nan) = (f32::INFINITY, f32::NAN);
        for (row, answer) in [
            (&[0.5, 2.0, 2.0][..], Some(1)),
            (&[-inf, -3.0, -inf], Some(1)),
            (&[1.0, inf, -inf], Some(1)),
            (&[inf, 1.0, inf], None),
            (&[-inf, -inf], None),
            (&[9.0, nan], None),
            (&[nan, nan], None),
        ] {
            assert_eq!(decided(row), answer, "{row:?}");
        }
        assert_eq!(argmax(&[1.0, nan, nan]), 1);
    }
}
