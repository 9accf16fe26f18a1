//! The steps as programs, with random weights and images.

use super::{Repeated, StepSettings};
use crate::{
    data::{ImageSet, LabelsFrom, Split},
    error::Result,
    fault::{FaultModel, Faults, Maps},
    kernels::{elementwise, plan::Dtype},
    models::{self, GENERATOR_BITS},
    nn::{
        Cut, DeviceImages, FrozenNet, Graph, Mode, Node, NodeValue, Op, Pick, Together,
        TrainableNet, fit, initialise,
    },
    run::{BufferId, Gpu, Program, StepTime, Tape},
    shape::Nhwc,
    step::{self, EopmSettings, Loss, LossHead, TrainingStep as _, loss_scale},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Classes of the base networks: CIFAR-10's.
pub(in crate::bench) const CLASSES: u32 = 10;
/// Rows and columns of a generator's images.
const SIDE: u32 = 32;
/// Bits of a base network's weights.
pub(super) const BASE_BITS: u32 = 8;

pub(super) fn image_set(side: u32, images: u32) -> ImageSet {
    let mut random = StdRng::seed_from_u64(1);
    ImageSet {
        name: "random".into(),
        split: Split::Train,
        channels: 3,
        height: side,
        width: side,
        classes: CLASSES,
        class_names: Vec::new(),
        pixels: (0..images * 3 * side * side).map(|_| random.random()).collect(),
        labels: (0..images).map(|i| (i % CLASSES) as u16).collect(),
        subset: None,
        labels_from: LabelsFrom::DataSet,
    }
}

/// Operations of a generator in training for one image: forward, weight gradients, and input gradients
/// of all layers but those that read the images.
pub(super) fn training_flops(graph: &Graph) -> u64 {
    let first = |n: &&Node| matches!(n.op, Op::Conv { .. }) && n.inputs.contains(&graph.input());
    let first = graph.nodes.iter().filter(first).map(|node| {
        let Op::Conv { layer, transposed, .. } = node.op else { return 0 };
        let [_, h, w] = if transposed { graph.nodes[graph.input()].chw } else { node.chw };
        u64::from(graph.layers[layer].shape.len()) * u64::from(h * w)
    });
    2 * (3 * graph.macs() - first.sum::<u64>())
}

/// Operations of `copies` of a frozen network for one image: forward and input gradients.
pub(super) fn frozen_flops(graph: &Graph, copies: u32) -> u64 {
    2 * 2 * u64::from(copies) * graph.macs()
}

/// A training step, its update included.
pub(in crate::bench) struct GeneratorStep {
    program: step::Eopm,
    conv_flops: u64,
    images: DeviceImages,
    picks: Vec<Pick>,
    step: u64,
}

impl GeneratorStep {
    pub(super) fn new(
        gpu: &Gpu,
        (generator, base): (&str, &str),
        settings: StepSettings,
    ) -> Result<Self> {
        let base = models::base(base, CLASSES, None)?;
        let generator = models::generator(generator, base.nodes[base.input()].chw)?;
        Self::of(gpu, (&generator, &base), settings)
    }

    /// The step of any generator in front of any base network that takes images as large as wide.
    pub(in crate::bench) fn of(
        gpu: &Gpu,
        (generator, base): (&Graph, &Graph),
        StepSettings { batch, copies, dtype, loss }: StepSettings,
    ) -> Result<Self> {
        let side = base.nodes[base.input()].chw[1];
        let weights = initialise(generator, false, 1);
        let generator =
            TrainableNet::new(gpu, generator, &weights, GENERATOR_BITS)?.with_dtype(dtype);
        let images = DeviceImages::upload(gpu, &image_set(side, batch))?;
        let settings = EopmSettings {
            base: (base, &initialise(base, true, 2)),
            precision: BASE_BITS,
            perturbed: copies,
            faults: &Faults::new(FaultModel::StuckAt, 0.01)?,
            maps: Maps::Fresh { run_seed: 3 },
            lambda: 5.0,
            loss,
            batch,
            micro_batch: None,
            group: None,
        };
        let program = step::Eopm::new(gpu, &generator, &images, &settings)?;
        let pick = |index| Pick { index, dy: 2, dx: -3, flip: index % 2 == 0, ..Pick::default() };
        let picks = (0..batch).map(pick).collect();
        let conv_flops = training_flops(&generator.graph) + frozen_flops(base, 1 + copies);
        Ok(Self { program, conv_flops, images, picks, step: 0 })
    }

    /// Bytes of its buffers on the device.
    pub(in crate::bench) fn bytes(&self) -> u64 {
        let memory = self.program.program().memory();
        memory.shared + memory.kept + memory.imported
    }
}

impl Repeated for GeneratorStep {
    fn run(&mut self, gpu: &Gpu) -> Result<()> {
        self.program.run(gpu, &self.images, (&self.picks, &[]), (self.step, 1e-3))?;
        self.step += 1;
        Ok(())
    }

    fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        self.program.profile(gpu)
    }

    fn cut(&self) -> String {
        self.program.cut().describe()
    }

    fn conv_flops(&self) -> u64 {
        self.conv_flops
    }
}

/// Kept buffers of random values in [-1, 1], one for each part of a batch of colour images.
struct RandomImages {
    parts: Vec<NodeValue>,
}

impl RandomImages {
    fn new(tape: &mut Tape, side: u32, cut: &Cut) -> Self {
        let mut part = |&n: &u32| {
            let shape = Nhwc::new(n, side, side, 3);
            NodeValue { id: tape.kept("random images", shape.bytes()), shape, copies: 1 }
        };
        Self { parts: cut.parts.iter().map(&mut part).collect() }
    }

    fn write(&self, gpu: &Gpu, program: &Program) {
        let mut random = StdRng::seed_from_u64(2);
        for part in &self.parts {
            let floats = part.shape.bytes() / 4;
            let values: Vec<f32> = (0..floats).map(|_| random.random_range(-1.0..1.0)).collect();
            program.write(gpu, part.id, 0, &values);
        }
    }
}

/// A network by itself.
pub(super) struct Alone {
    program: Program,
    cut: Cut,
    conv_flops: u64,
}

impl Alone {
    /// A generator, forward and backward to its parameters.
    pub(super) fn generator(gpu: &Gpu, name: &str, batch: u32, dtype: Dtype) -> Result<Self> {
        let graph = models::generator(name, [3, SIDE, SIDE])?;
        let weights = initialise(&graph, false, 1);
        let net = TrainableNet::new(gpu, &graph, &weights, GENERATOR_BITS)?.with_dtype(dtype);
        fit(gpu, batch, 1, &[(&graph, 1)], Together::default(), |cut| {
            let mut tape = Tape::new();
            let (images, upstream) =
                (RandomImages::new(&mut tape, SIDE, cut), RandomImages::new(&mut tape, SIDE, cut));
            let gradients = tape.import("gradients", &net.gradients);
            let mut compiler = net.compiler(gpu, &mut tape)?;
            let outputs = compiler.forward_parts(&mut tape, &images.parts)?;
            let mut masked = Vec::new();
            for ((x, g), dy) in images.parts.iter().zip(&outputs).zip(&upstream.parts) {
                let fused = tape.transient("fused images", x.shape.bytes());
                tape.push(elementwise::fuse_clamp::plan(x.shape)?, &[x.id, g.id, fused])?;
                let dg = tape.transient("gradient of G", x.shape.bytes());
                tape.push(elementwise::fuse_clamp::plan_grad(x.shape)?, &[dy.id, x.id, g.id, dg])?;
                masked.push(dg);
            }
            compiler.backward_parts(&mut tape, &masked, Some(gradients), false)?;
            let program = Program::build(gpu, &tape)?;
            images.write(gpu, &program);
            upstream.write(gpu, &program);
            Ok(Self { program, cut: cut.clone(), conv_flops: training_flops(&graph) })
        })
    }

    /// A frozen base network without faults, forward and back to its images.
    pub(super) fn base(gpu: &Gpu, name: &str, batch: u32, dtype: Dtype) -> Result<Self> {
        let graph = models::base(name, CLASSES, None)?;
        let side = graph.nodes[graph.input()].chw[1];
        let net = FrozenNet::new(gpu, &graph, &initialise(&graph, true, 2), BASE_BITS, 1)?
            .with_dtype(dtype);
        net.injector(gpu, 1, None)?.run(gpu, &[0])?;
        fit(gpu, batch, 1, &[(&graph, 1)], Together::default(), |cut| {
            let mut tape = Tape::new();
            let images = RandomImages::new(&mut tape, side, cut);
            let head = LossHead::new(&mut tape, 1, Loss::Labels);
            let mut labels: Vec<(BufferId, u32)> = Vec::new();
            for x in &images.parts {
                let n = x.shape.n;
                let mut compiler = net.compiler(gpu, &mut tape, Mode::Frozen);
                let y = compiler.forward(&mut tape, *x)?;
                let of_part = tape.kept("labels", u64::from(n) * 4);
                labels.push((of_part, n));
                let dlogits = head.append(&mut tape, y, of_part)?;
                compiler.backward(&mut tape, dlogits, None, true)?;
            }
            let program = Program::build(gpu, &tape)?;
            images.write(gpu, &program);
            let scale = loss_scale(dtype, 1.0 / f64::from(batch));
            program.write(gpu, head.weights, 0, &[scale / batch as f32]);
            for (id, n) in labels {
                let classes: Vec<u32> = (0..n).map(|i| i % CLASSES).collect();
                program.write(gpu, id, 0, &classes);
            }
            Ok(Self { program, cut: cut.clone(), conv_flops: frozen_flops(&graph, 1) })
        })
    }
}

impl Repeated for Alone {
    fn run(&mut self, gpu: &Gpu) -> Result<()> {
        self.program.run(gpu)
    }

    fn profile(&self, gpu: &Gpu) -> Result<Vec<StepTime>> {
        self.program.profile(gpu)
    }

    fn cut(&self) -> String {
        self.cut.describe()
    }

    fn conv_flops(&self) -> u64 {
        self.conv_flops
    }
}
