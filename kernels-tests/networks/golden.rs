//! The generators against values that the public reference implementation computed
//! (`kernels-tests/networks/golden/README.md`), on every adapter.
use crate::{
    extent::{adapters, open, skipped},
    kernels::gradients_norm::every_rounding,
    networks::evaluator::{Evaluator, norm, relative_l2, wide},
};
use nf_gpu::{
    fault::{dequantize, quantize},
    files::{
        Weights,
        safetensors::{self, Dtype},
    },
    kernels::{elementwise, winograd::Form},
    models,
    nn::{Algorithm, FrozenNet, Graph, Mode, NodeValue, TrainableNet, initialise},
    run::{Gpu, Program, Tape},
    shape::{Nhwc, nchw_from_nhwc, nhwc_from_nchw},
};
use std::path::{Path, PathBuf};

const SHAPE: Nhwc = Nhwc { n: 2, h: 32, w: 32, c: 3 };
/// Relative L2 errors that f32 kernels must keep to (`kernels-tests/networks/golden/README.md`).
pub(crate) const OUTPUT: f64 = 5e-6;
pub(crate) const GRADIENT: f64 = 2e-4;

/// One file of golden values.
pub(crate) struct Golden {
    pub(crate) graph: Graph,
    pub(crate) file: Weights,
    pub(crate) parameters: Weights,
}

/// A file of golden values, from this repository or from the larger set beside it, which users do not
/// have. `None`, with a message, if it is in neither.
pub(crate) fn golden_file(folder: &str, name: &str) -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = root.join("kernels-tests/networks/golden").join(name);
    let beside = root.join("../shared/golden").join(folder).join(name);
    let found = [here, beside].into_iter().find(|path| path.exists());
    if found.is_none() {
        skipped(&format!("golden values {name} are not part of this repository"));
    }
    found
}

impl Golden {
    pub(crate) fn load(name: &str) -> Self {
        Self::open(name, &golden_file("generators", &format!("{name}.safetensors")).unwrap())
    }

    fn open(name: &str, path: &Path) -> Self {
        let file = Self::values(path);
        let parameters = Self::parameters(&file);
        Self { graph: models::generator(name, [3, SHAPE.h, SHAPE.h]).unwrap(), file, parameters }
    }

    /// The f32 tensors of a file.
    pub(crate) fn values(path: &Path) -> Weights {
        let (mut raw, metadata) = safetensors::load(path).unwrap();
        raw.retain(|_, tensor| tensor.dtype == Dtype::F32);
        let mut file = Weights { metadata, origin: path.to_owned(), ..Weights::default() };
        for (name, tensor) in raw {
            file.insert(name, &tensor.shape, tensor.to_f32().unwrap());
        }
        file
    }

    /// A generator's parameters among the tensors of a file.
    pub(crate) fn parameters(file: &Weights) -> Weights {
        let mut parameters = Weights::default();
        for (name, tensor) in &file.tensors {
            if let Some(name) = name.strip_prefix("param.") {
                parameters.tensors.insert(name.to_owned(), tensor.clone());
            }
        }
        parameters
    }

    fn images(&self, name: &str) -> &[f32] {
        &self.file.get(name, &[2, 3, 32, 32]).unwrap().data
    }

    /// NaN in the padding lanes: kernels must not read them.
    fn input(&self, name: &str) -> Vec<f32> {
        nhwc_from_nchw(self.images(name), SHAPE, f32::NAN)
    }

    fn evaluated(&self, gpu: &Gpu) -> Vec<f32> {
        let net = FrozenNet::new(gpu, &self.graph, &self.parameters, 8, 1).unwrap();
        net.injector(gpu, 1, None).unwrap().run(gpu, &[0]).unwrap();
        let mut tape = Tape::new();
        let x = tape.kept("images", SHAPE.bytes());
        let y = tape.kept("protected", SHAPE.bytes());
        let mut compiler = net.compiler(gpu, &mut tape, Mode::Inference);
        let g = compiler.forward(&mut tape, NodeValue { id: x, shape: SHAPE, copies: 1 }).unwrap();
        assert_eq!((g.shape, g.copies), (SHAPE, 1));
        tape.push(elementwise::fuse_clamp::plan(SHAPE).unwrap(), &[x, g.id, y]).unwrap();
        let program = Program::build(gpu, &tape).unwrap();
        program.write(gpu, x, 0, &self.input("input"));
        program.run(gpu).unwrap();
        nchw_from_nhwc(&program.read(gpu, y).unwrap(), SHAPE)
    }

    /// One training pass: the output, the gradients, and parameters with running statistics after it.
    fn trained(&self, gpu: &Gpu) -> (Vec<f32>, Weights, Weights) {
        let net = TrainableNet::new(gpu, &self.graph, &self.parameters, 8).unwrap();
        let mut tape = Tape::new();
        let x = tape.kept("images", SHAPE.bytes());
        let y = tape.kept("protected", SHAPE.bytes());
        let dy = tape.kept("upstream", SHAPE.bytes());
        let gradients = tape.import("gradients", &net.gradients);
        let mut compiler = net.compiler(gpu, &mut tape).unwrap();
        let g = compiler.forward(&mut tape, NodeValue { id: x, shape: SHAPE, copies: 1 }).unwrap();
        let dg = tape.transient("gradient of G", SHAPE.bytes());
        tape.push(elementwise::fuse_clamp::plan(SHAPE).unwrap(), &[x, g.id, y]).unwrap();
        let plan = elementwise::fuse_clamp::plan_grad(SHAPE).unwrap();
        tape.push(plan, &[dy, x, g.id, dg]).unwrap();
        let dx = compiler.backward(&mut tape, dg, Some(gradients), false).unwrap();
        assert!(dx.is_none(), "nobody asked for the gradient of the images");
        let program = Program::build(gpu, &tape).unwrap();
        program.write(gpu, x, 0, &self.input("input"));
        program.write(gpu, dy, 0, &self.input("upstream"));
        program.run(gpu).unwrap();
        let output = nchw_from_nhwc(&program.read(gpu, y).unwrap(), SHAPE);
        let gradients = net.named(&net.gradients.read::<f32>(gpu).unwrap());
        (output, gradients, net.weights(gpu).unwrap())
    }
}

/// Weights and biases of every layer whose output is read by a batch norm only: in training the
/// gradient of such a bias is zero.
pub(crate) fn biases_before_norms(graph: &Graph) -> Vec<(&str, &str)> {
    use nf_gpu::nn::Op;
    let is_norm = |&n: &usize| matches!(graph.nodes[n].op, Op::BatchNorm(_));
    let layers = graph.nodes.iter().zip(0..).filter_map(|(node, i)| match node.op {
        Op::Conv { layer, .. } if graph.sole_consumer(i).filter(is_norm).is_some() => {
            Some(graph.layers[layer])
        }
        _ => None,
    });
    let name = |i: usize| graph.params[i].name.as_str();
    layers.filter_map(|l| Some((name(l.weight), name(l.bias?)))).collect()
}

/// The largest relative error of the compared tensors, and the tensors past the bound.
pub(crate) struct Worst {
    bound: f64,
    error: f64,
    tensor: String,
    wrong: Vec<String>,
}

impl Worst {
    pub(crate) fn new(bound: f64) -> Self {
        Self { bound, error: 0.0, tensor: String::new(), wrong: Vec::new() }
    }

    pub(crate) fn take(&mut self, tensor: &str, got: &[f32], want: &[f64]) {
        let error = relative_l2(got, want);
        // NaN must not pass.
        if error.is_nan() || error > self.bound {
            self.wrong.push(format!("{tensor}: {error:.1e}"));
        }
        if error.is_nan() || error > self.error {
            (self.error, self.tensor) = (error, tensor.to_owned());
        }
    }

    #[track_caller]
    pub(crate) fn report(&self, what: &str) {
        println!("{what}: {:.1e} ({}), bound {:.0e}", self.error, self.tensor, self.bound);
        assert!(self.wrong.is_empty(), "{what}: {:#?}", self.wrong);
    }
}

/// Checks that the f64 evaluator, with which other tests compare, computes the golden values too.
fn check_evaluator(name: &str) {
    let golden = Golden::load(name);
    let weights = golden.graph.layers.iter().map(|layer| {
        let name = &golden.graph.params[layer.weight].name;
        dequantize(&quantize(&golden.parameters.tensors[name].data, 8).unwrap())
    });
    let mut twin = Evaluator {
        graph: &golden.graph,
        parameters: &golden.parameters,
        weights: weights.collect(),
        training: false,
    };
    let x = wide(golden.images("input"));
    let fuse = |g: &[f64]| -> Vec<f64> {
        x.iter().zip(g).map(|(x, g)| (x + g).clamp(-1.0, 1.0)).collect()
    };
    let mut outputs = Worst::new(OUTPUT);
    let output = fuse(twin.forward(&x).output());
    outputs.take("output.eval", golden.images("output.eval"), &output);
    twin.training = true;
    let values = twin.forward(&x);
    let output = fuse(values.output());
    outputs.take("output.train", golden.images("output.train"), &output);
    let running = twin.running(&values);
    let dy = wide(golden.images("upstream"));
    let inside = |i: usize| (x[i] + values.output()[i]).abs() <= 1.0;
    let dg: Vec<f64> = (0..dy.len()).map(|i| if inside(i) { dy[i] } else { 0.0 }).collect();
    let gradients = twin.backward(&values, &dg).parameters;
    let mut grads = Worst::new(GRADIENT);
    let exempt = biases_before_norms(&golden.graph);
    for (name, tensor) in &golden.file.tensors {
        if let Some(name) = name.strip_prefix("after.") {
            outputs.take(name, &tensor.data, &running[name]);
        } else if let Some(name) = name.strip_prefix("grad.")
            && !exempt.iter().any(|(_, bias)| *bias == name)
        {
            grads.take(name, &tensor.data, &gradients[name]);
        }
    }
    outputs.report(&format!("{name} outputs, evaluator"));
    grads.report(&format!("{name} gradients, evaluator"));
}

#[test]
fn the_evaluator_is_the_reference_implementation_too() {
    check_evaluator("ConvS");
    check_evaluator("UNetS");
    check_evaluator("DeConvS");
}

/// The bound does not tell in the small generators which of Winograd's forms made their images.
#[test]
fn images_are_made_with_small_tiles() {
    let gpu = open(&adapters()[0]);
    let graphs = [models::generator("ConvL", [3, 32, 32]), models::base("vgg11", 10, None)];
    let [generator, base] = graphs.map(|graph| {
        let graph = graph.unwrap();
        let net = FrozenNet::new(&gpu, &graph, &initialise(&graph, true, 1), 8, 1).unwrap();
        let mut tape = Tape::new();
        let x = tape.kept("images", SHAPE.bytes());
        let mut compiler = net.compiler(&gpu, &mut tape, Mode::Inference);
        compiler.forward(&mut tape, NodeValue { id: x, shape: SHAPE, copies: 1 }).unwrap();
        let large = Algorithm::Winograd(Form::F4);
        compiler.convolutions().iter().filter(|c| c.algorithm == large).count()
    });
    assert_eq!(generator, 0);
    assert!(base > 0 || !gpu.report().is_software(), "elsewhere measurement decides");
}

fn check(name: &str) {
    let Some(path) = golden_file("generators", &format!("{name}.safetensors")) else { return };
    let golden = Golden::open(name, &path);
    let exempt = biases_before_norms(&golden.graph);
    every_rounding(|gpu, on| {
        let mut outputs = Worst::new(OUTPUT);
        outputs.take("output.eval", &golden.evaluated(gpu), &wide(golden.images("output.eval")));
        let (output, gradients, after) = golden.trained(gpu);
        outputs.take("output.train", &output, &wide(golden.images("output.train")));
        let mut grads = Worst::new(GRADIENT);
        for (name, want) in &golden.file.tensors {
            if let Some(name) = name.strip_prefix("after.") {
                let got = after.get(name, &want.shape).unwrap();
                outputs.take(name, &got.data, &wide(&want.data));
            } else if let Some(name) = name.strip_prefix("grad.") {
                let got = &gradients.get(name, &want.shape).unwrap().data;
                if let Some((weight, _)) = exempt.iter().find(|(_, bias)| *bias == name) {
                    // In theory this gradient is zero, because the norm removes the mean: the file
                    // holds rounding noise.
                    let weight = &golden.file.tensors[&format!("grad.{weight}")].data;
                    let bound = 1e-5 * norm(&wide(weight));
                    assert!(norm(&wide(got)) <= bound, "{name} on {on}: not zero");
                } else {
                    grads.take(name, got, &wide(&want.data));
                }
            }
        }
        outputs.report(&format!("{name} outputs on {on}"));
        grads.report(&format!("{name} gradients on {on}"));
    });
}

#[test]
fn conv_s_is_the_reference_implementations() {
    check("ConvS");
}

#[test]
fn unet_s_is_the_reference_implementations() {
    check("UNetS");
}

#[test]
fn deconv_s_is_the_reference_implementations() {
    check("DeConvS");
}

#[test]
fn conv_l_is_the_reference_implementations() {
    check("ConvL");
}

#[test]
fn deconv_l_is_the_reference_implementations() {
    check("DeConvL");
}

#[test]
fn unet_l_is_the_reference_implementations() {
    check("UNetL");
}
