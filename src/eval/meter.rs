//! Runs a network over a set of images, clean and under one fault map after another.

use super::Evaluator;
use crate::{
    data::ImageSet,
    error::{Error, Result},
    fault::{Faults, Flips},
    files::{Weights, sha256_of},
    kernels::plan::Dtype,
    models::GENERATOR_BITS,
    nn::{DeviceImages, FrozenNet, Graph, most_images},
    report::eval_json::percent,
    run::Gpu,
};
use serde::{Deserialize, Serialize};

/// A set of images of more bytes than this is streamed to the device, batch by batch.
pub const RESIDENT: u64 = 8 << 30;
/// Sets of faulty weights that one pass over the images serves, at most: the ten maps of the paper are two passes.
const COPIES: usize = 5;
/// Bytes that they may take together.
const COPIES_BYTES: u64 = 1 << 30;

/// The networks and the images that are measured.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The base network and its weights.
    pub base: (&'a Graph, &'a Weights),
    /// A generator in front of it.
    pub generator: Option<(&'a Graph, &'a Weights)>,
    /// Text that distinguishes the generator from others in one journal, such as the SHA-256 of its file.
    pub generator_id: &'a str,
    /// Images with labels.
    pub set: &'a ImageSet,
    /// Bits per stored weight of the base network.
    pub precision: u32,
    /// Images per dispatch, at most.
    pub batch: u32,
    /// Precision in which inputs and weights enter products.
    pub dtype: Dtype,
}

impl Subject<'_> {
    /// Text of everything that results depend on beside the generator, the faults and the seed; `base_sha256`
    /// is that of the base network's file.
    pub fn identity(&self, gpu: &Gpu, base_sha256: &str) -> String {
        let (base, set) = (self.base.0, self.set);
        let words = match self.base.1.floats() {
            Some(format) => format.to_string(),
            None => format!("{} bits", self.precision),
        };
        let normalised = base.nodes.get(1).map(|node| format!("{:?}", node.op));
        let input = &sha256_of(normalised.unwrap_or_default().as_bytes())[..8];
        let labels: Vec<u8> = set.labels.iter().flat_map(|l| l.to_le_bytes()).collect();
        let [pixels, labels] = [&set.pixels, &labels].map(|bytes| sha256_of(bytes));
        let (model, sha256) = (&base.name, base_sha256.get(..16).unwrap_or(base_sha256));
        let (images, split, name) = (set.len(), set.split, &set.name);
        let dtype = self.dtype.name();
        format!(
            "{model} {sha256} input {input} in {words}, computed in {dtype}, on {images} {split} images of \
             {name} ({} {}), {}, commit {}",
            &pixels[..16],
            &labels[..8],
            gpu.report().line(),
            env!("NF_COMMIT")
        )
    }
}

/// How often the images of a class got an answer: `[class][answer]`. Rows are longer by one where images got none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answers(pub Vec<Vec<u64>>);

impl Answers {
    fn none(classes: u32) -> Self {
        Self(vec![vec![0; classes as usize]; classes as usize])
    }

    /// Counts an answer; an image without one goes into a column behind the classes.
    fn count(&mut self, label: u32, answer: Option<usize>) {
        let classes = self.0.len();
        let Some(row) = self.0.get_mut(label as usize) else { return };
        if answer.is_none() {
            row.resize(classes + 1, 0);
        }
        if let Some(n) = row.get_mut(answer.unwrap_or(classes)) {
            *n += 1;
        }
    }

    /// Accuracy in per cent; 0 without images.
    pub fn accuracy(&self) -> f64 {
        let all: u64 = self.0.iter().flatten().sum();
        let right: u64 = self.0.iter().enumerate().map(|(i, row)| row[i]).sum();
        percent(right, all)
    }

    /// Sums of counts, class by class.
    pub fn sum<'a>(of: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum: Vec<Vec<u64>> = Vec::new();
        for Self(rows) in of {
            sum.resize(rows.len(), Vec::new());
            for (sum, row) in sum.iter_mut().zip(rows) {
                sum.resize(sum.len().max(row.len()), 0);
                sum.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
            }
        }
        Self(sum)
    }
}

/// Results under one fault map, or without faults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfMap {
    /// Answers to all images.
    pub answers: Answers,
    /// Bits that read differently, per layer; empty without faults.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<Flips>,
    /// Bits of activations that read differently, per buffer; empty where none can fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub activation_flips: Vec<Flips>,
    /// Bits of biases that read differently, per bias; empty where none can fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bias_flips: Vec<Flips>,
}

/// Whether the base network is measured alone or behind the generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arrangement {
    /// The base network alone.
    Alone,
    /// The base network behind the generator.
    Behind,
}

/// Is told how many more images are done; its answer `false` stops the measurement.
pub type Tick<'a> = &'a mut dyn FnMut(u64) -> bool;

/// How many of so many maps of a base network run together.
pub(super) fn together(base: &Graph, maps: usize) -> usize {
    let fit = COPIES_BYTES / (4 * base.faultable_weights()).max(1);
    let most = usize::try_from(fit).map_or(COPIES, |fit| fit.clamp(1, COPIES));
    in_a_pass(maps, most)
}

/// Maps in each of the fewest passes of at most `most`. All passes run as many copies, whether they have as many maps
/// or not, so passes of like sizes waste the least.
fn in_a_pass(maps: usize, most: usize) -> usize {
    let maps = maps.max(1);
    maps.div_ceil(maps.div_ceil(most))
}

/// A network on a device with all that is needed to measure it again and again.
#[derive(Debug)]
pub struct Meter<'a> {
    gpu: &'a Gpu,
    subject: Subject<'a>,
    images: DeviceImages,
    fuse: Option<FrozenNet>,
    /// The base network, with room for copies with faults.
    faulty: FrozenNet,
    alone: Evaluator,
    behind: Option<Evaluator>,
    copies: usize,
    batch: u32,
}

impl<'a> Meter<'a> {
    /// Puts a network, and a generator if there is one, on the device, with room for as many faulty
    /// copies as are of use for `maps` maps. A set of images of more than `resident` bytes is streamed.
    pub fn new(gpu: &'a Gpu, subject: Subject<'a>, maps: usize, resident: u64) -> Result<Self> {
        let Subject { base, generator, set, precision, batch, dtype, .. } = subject;
        if set.is_empty() {
            return Err(Error::Shape("there are no images to evaluate".into()));
        }
        let images = DeviceImages::resident(gpu, set, resident)?;
        let copies = together(base.0, maps);
        let mut nets = vec![(base.0, copies as u32)];
        nets.extend(generator.map(|(graph, _)| (graph, 1)));
        let batch = batch.min(set.len() as u32).min(most_images(gpu, &nets, u64::MAX)).max(1);
        let fuse = generator
            .map(|(graph, weights)| -> Result<FrozenNet> {
                let net = FrozenNet::for_inference(gpu, graph, weights, GENERATOR_BITS, 1)?
                    .with_dtype(dtype);
                net.injector(gpu, 1, None)?.run(gpu, &[0])?;
                Ok(net)
            })
            .transpose()?;
        let faulty = FrozenNet::for_inference(gpu, base.0, base.1, precision, copies as u32)?
            .with_dtype(dtype);
        let evaluator = |fuse: Option<&FrozenNet>| -> Result<Evaluator> {
            let evaluator = Evaluator::new(gpu, &faulty, fuse, &images, batch)?;
            Ok(evaluator.with_faults_in_floats(faulty.stores_floats()))
        };
        let alone = evaluator(None)?;
        let behind = fuse.as_ref().map(|fuse| evaluator(Some(fuse))).transpose()?;
        Ok(Self { gpu, subject, images, fuse, faulty, alone, behind, copies, batch })
    }

    /// Number of maps that run together.
    pub fn together(&self) -> usize {
        self.copies
    }

    fn evaluator(&self, kind: Arrangement) -> Result<&Evaluator> {
        match kind {
            Arrangement::Alone => Ok(&self.alone),
            Arrangement::Behind => {
                self.behind.as_ref().ok_or_else(|| Error::Shape("there is no generator".into()))
            }
        }
    }

    /// Measures without faults.
    pub fn clean(&self, kind: Arrangement, tick: Tick<'_>) -> Result<OfMap> {
        self.evaluator(kind)?;
        // A program of its own: one copy is enough.
        let Subject { base, precision, dtype, .. } = self.subject;
        let clean =
            FrozenNet::for_inference(self.gpu, base.0, base.1, precision, 1)?.with_dtype(dtype);
        clean.injector(self.gpu, 1, None)?.run(self.gpu, &[0])?;
        let fuse = self.fuse.as_ref().filter(|_| kind == Arrangement::Behind);
        let evaluator = Evaluator::new(self.gpu, &clean, fuse, &self.images, self.batch)?;
        let name = |_| self.name(kind, "without faults");
        let answers = self.answers(&evaluator, (1, &name), None, tick)?.pop().unwrap_or_default();
        Ok(OfMap { answers, ..OfMap::default() })
    }

    /// Measures under the maps of as many seeds as run [`Self::together`], or fewer; keeps the logits
    /// `[image][class]` of each map if `logits` is there.
    pub fn maps(
        &self,
        kind: Arrangement,
        faults: &Faults,
        seeds: &[u64],
        logits: Option<&mut Vec<Vec<f32>>>,
        tick: Tick<'_>,
    ) -> Result<Vec<OfMap>> {
        let (gpu, len) = (self.gpu, seeds.len());
        if len == 0 || len > self.copies {
            return Err(Error::Shape(format!("{len} maps in room for {}", self.copies)));
        }
        let evaluator = self.evaluator(kind)?;
        let injector = self.faulty.injector(gpu, 0, Some(faults))?;
        // Copies that are not needed repeat the last seed; what comes of them is dropped.
        let seeds: Vec<u64> = (0..self.copies).map(|i| seeds[i.min(len - 1)]).collect();
        injector.run(gpu, &seeds)?;
        let name = |copy: usize| self.name(kind, &format!("{faults}, seed {}", seeds[copy]));
        let answers = self.answers(evaluator, (len, &name), logits, tick)?;
        let (flips, mut of_activations) = (injector.flips(gpu)?, injector.activation_flips(gpu)?);
        let mut of_biases = injector.bias_flips();
        of_activations.resize(flips.len(), Vec::new());
        of_biases.resize(flips.len(), Vec::new());
        let maps = answers.into_iter().zip(flips).zip(of_activations.into_iter().zip(of_biases));
        let of_map = |((answers, flips), (activation_flips, bias_flips))| OfMap {
            answers,
            flips,
            activation_flips,
            bias_flips,
        };
        Ok(maps.map(of_map).collect())
    }

    /// What is measured, in words, for messages.
    fn name(&self, kind: Arrangement, faults: &str) -> String {
        let base = &self.subject.base.0.name;
        match self.subject.generator.filter(|_| kind == Arrangement::Behind) {
            Some((generator, _)) => format!("{base} behind {}, {faults}", generator.name),
            None => format!("{base}, {faults}"),
        }
    }

    /// Answers of the first `copies` copies to all images; `name` is that of a copy.
    fn answers(
        &self,
        of: &Evaluator,
        (copies, name): (usize, &dyn Fn(usize) -> String),
        mut logits: Option<&mut Vec<Vec<f32>>>,
        tick: Tick<'_>,
    ) -> Result<Vec<Answers>> {
        let mut answers = vec![Answers::none(self.subject.set.classes); copies];
        if let Some(kept) = &mut logits {
            kept.resize(copies, Vec::new());
        }
        of.run(self.gpu, (&self.images, self.subject.set), name, |copy, image, row| {
            if let Some(answers) = answers.get_mut(copy) {
                answers.count(self.images.labels[image], of.answer(row));
            }
            if let Some(kept) = logits.as_mut().and_then(|kept| kept.get_mut(copy)) {
                kept.extend_from_slice(row);
            }
            // Every copy that counts has seen the image when the last one has.
            copy + 1 != copies || tick(copies as u64)
        })?;
        Ok(answers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_run_few_copies_for_nothing() {
        for (maps, copies) in [(0, 1), (1, 1), (4, 4), (5, 5), (6, 3), (7, 4), (10, 5), (12, 4)] {
            assert_eq!(in_a_pass(maps, 5), copies, "{maps} maps");
        }
        assert!((0..100).all(|maps| (1..=7).all(|most| in_a_pass(maps, most) <= most)));
    }

    #[test]
    fn answers_add_up() {
        let mut a = Answers::none(2);
        (0..9173).for_each(|_| a.count(0, Some(0)));
        (0..827).for_each(|_| a.count(1, Some(0)));
        a.count(5, Some(0)); // no such class: ignored
        assert_eq!(a.accuracy().to_string(), "91.73");
        assert_eq!(Answers::sum([&a, &a]).0, [[18_346, 0], [1654, 0]]);
        assert_eq!(Answers::sum([]).accuracy(), 0.0);
        // An image without an answer is a wrong one.
        let mut undecided = Answers::none(2);
        undecided.count(1, None);
        undecided.count(1, Some(1));
        assert_eq!((undecided.accuracy(), &undecided.0), (50.0, &vec![vec![0, 0], vec![0, 1, 1]]));
        assert_eq!(Answers::sum([&undecided, &Answers::none(2)]), undecided);
    }
}
