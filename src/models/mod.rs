//! The networks by name, as graphs.

mod generators;
mod resnet;
mod vgg;

use crate::{
    error::{Error, Result},
    files::Weights,
    nn::Graph,
};
use generators::GeneratorSize;
use resnet::{Block, ResnetForm};

/// Names of the generators: the paper's six, and its baseline of one learned image.
pub const GENERATORS: &[&str] = &["ConvL", "ConvS", "DeConvL", "DeConvS", "UNetL", "UNetS", "UIP"];
/// Bits of a generator's weights: 8 as in the paper, whatever the base network's precision is. They
/// are never faulty.
pub const GENERATOR_BITS: u32 = 8;

/// Most channels of the images of a generator.
pub const MAX_CHANNELS: u32 = 64;
/// Most rows or columns of the images of a generator.
pub const MAX_SIDE: u32 = 1 << 13;

/// A base network that can be named.
#[derive(Clone, Copy, Debug)]
pub struct BaseInfo {
    /// Name of the network.
    pub name: &'static str,
    /// Rows and columns of its images.
    pub side: u32,
    /// One-line description.
    pub title: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    VggSmall,
    Vgg([u32; 5]),
    /// Blocks of a stage.
    ResnetCifar(u32),
    Resnet(Block, [u32; 4]),
    ResnetWithoutReluBehindSum(Block, [u32; 4]),
}

/// Channels of the first stage of a ResNet in its CIFAR form.
const CIFAR_WIDTH: u32 = 16;

const fn entry(name: &'static str, side: u32, title: &'static str, kind: Kind) -> BaseInfo {
    BaseInfo { name, side, title, kind }
}

const RESNET18: Kind = Kind::Resnet(Block::Basic, [2, 2, 2, 2]);
const RESNET50: Kind = Kind::Resnet(Block::Bottleneck, [3, 4, 6, 3]);

/// The base networks: small ones, the paper's for 32x32 images, then those for 224x224 images.
pub const BASES: &[BaseInfo] = &[
    entry("vgg-small", 32, "four convolutions, for machines without a GPU", Kind::VggSmall),
    entry("resnet20", 32, "CIFAR form, option-A shortcuts", Kind::ResnetCifar(3)),
    entry("resnet32", 32, "CIFAR form, option-A shortcuts", Kind::ResnetCifar(5)),
    entry("resnet44", 32, "CIFAR form, option-A shortcuts", Kind::ResnetCifar(7)),
    entry("resnet56", 32, "CIFAR form, option-A shortcuts", Kind::ResnetCifar(9)),
    entry("resnet18", 32, "the paper's, for 32x32 images", RESNET18),
    entry("resnet50", 32, "the paper's, for 32x32 images", RESNET50),
    entry("vgg11", 32, "the paper's, one linear layer", Kind::Vgg(vgg::VGG11)),
    entry("vgg16", 32, "the paper's, one linear layer", Kind::Vgg(vgg::VGG16)),
    entry("vgg19", 32, "the paper's, one linear layer", Kind::Vgg(vgg::VGG19)),
    entry("resnet18-224", 224, "as in torchvision", RESNET18),
    entry("resnet50-224", 224, "as in torchvision", RESNET50),
    entry(
        "resnet18-224-norelu",
        224,
        "without the ReLU behind the residual addition: the reference code's variant",
        Kind::ResnetWithoutReluBehindSum(Block::Basic, [2, 2, 2, 2]),
    ),
    entry("vgg11-224", 224, "as in torchvision (vgg11_bn)", Kind::Vgg(vgg::VGG11)),
    entry("vgg16-224", 224, "as in torchvision (vgg16_bn)", Kind::Vgg(vgg::VGG16)),
    entry("vgg19-224", 224, "as in torchvision (vgg19_bn)", Kind::Vgg(vgg::VGG19)),
];

/// The NeuralFuse generator of a name (case does not matter), for images `[C, H, W]`: C from 1 to
/// [`MAX_CHANNELS`], H and W from 1 to [`MAX_SIDE`].
///
/// # Errors
/// Unknown name, or images of other sizes.
pub fn generator(name: &str, chw: [u32; 3]) -> Result<Graph> {
    let [c, h, w] = chw;
    let sides = 1..=MAX_SIDE;
    if !(1..=MAX_CHANNELS).contains(&c) || !sides.contains(&h) || !sides.contains(&w) {
        return Err(Error::Shape(format!(
            "a generator takes images of 1 to {MAX_CHANNELS} channels and of sides from 1 to {MAX_SIDE}, not \
             {c}x{h}x{w} (channels x rows x columns)"
        )));
    }
    let known = GENERATORS.iter().find(|k| k.eq_ignore_ascii_case(name));
    let Some(&known) = known else { return Err(Error::unknown("generator", name, GENERATORS)) };
    let mut graph = Graph::new(known, chw);
    match known {
        "ConvL" => generators::conv(&mut graph, GeneratorSize::Large)?,
        "ConvS" => generators::conv(&mut graph, GeneratorSize::Small)?,
        "DeConvL" => generators::deconv(&mut graph, GeneratorSize::Large)?,
        "DeConvS" => generators::deconv(&mut graph, GeneratorSize::Small)?,
        "UNetL" => generators::unet(&mut graph, GeneratorSize::Large)?,
        "UNetS" => generators::unet(&mut graph, GeneratorSize::Small)?,
        _ => generators::uip(&mut graph),
    }
    Ok(graph)
}

/// Images `[C, H, W]` that a generator with these weights takes. Of most generators a file tells only the
/// channels, and rows and columns are `hw`; a learned image has all three.
///
/// # Errors
/// Unknown name.
pub fn generator_input(name: &str, weights: &Weights, hw: [u32; 2]) -> Result<[u32; 3]> {
    let graph = generator(name, [3, 8, 8])?;
    let shape = |param: usize| -> Option<Vec<u32>> {
        let tensor = weights.tensors.get(&graph.params[param].name)?;
        tensor.shape.iter().map(|&extent| u32::try_from(extent).ok()).collect()
    };
    let image = graph.learned().and_then(shape);
    if let Some(&[c, h, w]) = image.as_deref() {
        return Ok([c, h, w]);
    }
    // A file without that layer is refused when its tensors are compared with the network's.
    let first = graph.layers.first().and_then(|layer| shape(layer.weight));
    Ok([first.and_then(|shape| shape.get(1).copied()).unwrap_or(3), hw[0], hw[1]])
}

/// Names of the base networks.
#[must_use]
pub fn base_names() -> Vec<&'static str> {
    BASES.iter().map(|b| b.name).collect()
}

/// The entry of a base network's name (case does not matter).
pub fn base_info(name: &str) -> Result<&'static BaseInfo> {
    let unknown = || Error::unknown("model", name, BASES.iter().map(|b| b.name));
    BASES.iter().find(|b| b.name.eq_ignore_ascii_case(name)).ok_or_else(unknown)
}

/// The base network of a name, for images of its side.
///
/// `normalisation` is the mean and standard deviation (of values in [0, 1]) that it expects of its
/// input; `None` if it takes [-1, 1] as it comes.
///
/// # Errors
/// Unknown name, no class, or a normalisation that makes infinities.
pub fn base(
    name: &str,
    classes: u32,
    normalisation: Option<([f32; 3], [f32; 3])>,
) -> Result<Graph> {
    let info = base_info(name)?;
    if classes == 0 {
        return Err(Error::Shape(format!("{name} needs classes to tell apart")));
    }
    let mut graph = Graph::new(info.name, [3, info.side, info.side]);
    let images = match normalisation {
        None => graph.input(),
        // x in [-1, 1] is 2 t - 1; the network wants (t - mean) / std.
        Some((mean, std)) => {
            let scale = std.map(|s| 0.5 / s);
            let shift = [0, 1, 2].map(|i| (0.5 - mean[i]) / std[i]);
            if !scale.iter().chain(&shift).all(|v| v.is_finite()) {
                let what = format!("an input normalised by {mean:?} and {std:?} is not finite");
                let hint = "means and deviations of values from 0 to 1, as in 0.485,0.456,0.406 and \
                            0.229,0.224,0.225";
                return Err(Error::argument("--input-std", what, hint));
            }
            graph.affine(graph.input(), &scale, &shift)
        }
    };
    let g = &mut graph;
    let large_images = info.side == 224;
    let form = |block, blocks, relu_behind_sum| ResnetForm {
        block,
        blocks,
        large_images,
        relu_behind_sum,
    };
    match info.kind {
        Kind::VggSmall => vgg::vgg_small(g, images, classes)?,
        Kind::Vgg(convs) if large_images => vgg::vgg_224(g, images, classes, convs)?,
        Kind::Vgg(convs) => vgg::vgg(g, images, classes, convs)?,
        Kind::ResnetCifar(blocks) => {
            resnet::resnet_cifar(g, images, classes, (blocks, CIFAR_WIDTH))?;
        }
        Kind::Resnet(block, blocks) => {
            resnet::resnet(g, images, classes, form(block, blocks, true))?;
        }
        Kind::ResnetWithoutReluBehindSum(block, blocks) => {
            resnet::resnet(g, images, classes, form(block, blocks, false))?;
        }
    }
    Ok(graph)
}

/// ResNet-20 in its CIFAR form for images of `side` rows and columns, whose first stage has `width` channels: to
/// measure how a step grows with both.
pub(crate) fn resnet20_of(side: u32, width: u32, classes: u32) -> Result<Graph> {
    let mut graph = Graph::new("resnet20", [3, side, side]);
    let images = graph.input();
    resnet::resnet_cifar(&mut graph, images, classes, (3, width))?;
    Ok(graph)
}

/// The spelling of a base network's or generator's name that is used here (case does not matter).
pub fn known(name: &str) -> Result<&'static str> {
    let all = || BASES.iter().map(|b| b.name).chain(GENERATORS.iter().copied());
    let known = all().find(|known| known.eq_ignore_ascii_case(name));
    known.ok_or_else(|| Error::unknown("model", name, all()))
}

/// Whether a generator has this name (case does not matter).
#[must_use]
pub fn is_generator(name: &str) -> bool {
    GENERATORS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Number of classes that a base network with these weights tells apart, from its last layer.
///
/// # Errors
/// Unknown name, or no such layer in the file.
pub fn classes(name: &str, weights: &Weights) -> Result<u32> {
    let graph = base(name, 1, None)?;
    let last = graph.layers.last().map(|layer| &graph.params[layer.weight]);
    let Some(last) = last else { return Err(Error::Shape(format!("{name} has no layers"))) };
    let there = weights.tensors.get(&last.name).map_or(&[][..], |tensor| &tensor.shape);
    match there.first().map(|&classes| u32::try_from(classes)) {
        Some(Ok(classes)) if classes > 0 && there[1..] == last.shape[1..] => Ok(classes),
        // The error says which tensor is missing, or names both shapes.
        _ => weights.get(&last.name, &last.shape).map(|_| 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::Op;

    #[test]
    fn generators_have_the_papers_counts() {
        for (name, parameters, macs) in [
            ("ConvL", 723_273, 79_626_240),
            ("convs", 113_187, 10_036_224),
            ("DeConvL", 647_785, 50_298_880),
            ("DeConvS", 156_777, 11_501_568),
            ("UNetL", 482_771, 36_274_176),
            ("UNetS", 121_195, 9_191_424),
            ("UIP", 3 * 32 * 32, 0),
        ] {
            let g = generator(name, [3, 32, 32]).unwrap();
            assert_eq!((g.parameter_count(), g.macs()), (parameters, macs), "{name}");
            assert_eq!(g.nodes[g.output()].chw, [3, 32, 32], "{name}");
            assert_eq!(
                generator(name, [3, 224, 224]).unwrap().nodes[g.output()].chw,
                [3, 224, 224]
            );
        }
    }

    #[test]
    fn generators_take_any_image() {
        for name in GENERATORS {
            for chw in [[1, 28, 28], [64, 1, 1], [2, 9, 40], [5, 33, 7], [1, 32, 32], [4, 8, 24]] {
                let g = generator(name, chw).unwrap();
                assert_eq!(g.nodes[g.output()].chw, chw, "{name}");
                let weights = crate::nn::initialise(&g, false, 1);
                assert_eq!(generator_input(name, &weights, [chw[1], chw[2]]).unwrap(), chw);
                let uip = *name == "UIP";
                let gathers = |n: &&crate::nn::Node| matches!(n.op, Op::Gather(_));
                let there = g.nodes.iter().filter(gathers).count();
                let unet = if name.starts_with("UNet") { 3 } else { 0 };
                let small = |side: &u32| unet > 0 && *side < 16;
                let padded =
                    !uip && [chw[1], chw[2]].iter().any(|side| side % 8 > 0 || small(side));
                assert_eq!(there, unet + if padded { 2 } else { 0 }, "{name} {chw:?}");
            }
            for wrong in [[0, 8, 8], [65, 8, 8], [3, 0, 8], [3, 8, 0], [3, 8, MAX_SIDE + 1]] {
                let error = generator(name, wrong).unwrap_err().to_string();
                assert!(error.contains("1 to 64 channels"), "{error}");
            }
        }
        // The layer of ConvS before its last doubling has the channels of the image.
        let g = generator("ConvS", [5, 8, 8]).unwrap();
        let shape = |name: &str| g.params.iter().find(|p| p.name == name).unwrap().shape.clone();
        assert_eq!(shape("conv6_1.weight"), [5, 32, 3, 3]);
        assert_eq!(shape("convout.weight"), [5, 5, 3, 3]);
        // A file of another network, or of nothing, is refused by its tensors later.
        assert_eq!(generator_input("ConvS", &Weights::default(), [4, 6]).unwrap(), [3, 4, 6]);
    }

    /// Parameters, weights in faultable memory, multiply-adds, faultable layers: the reference code's
    /// (its paper.md, 6.1), and those of the CIFAR form from He et al., table 6 (0.27 M to 0.85 M).
    #[test]
    fn bases_have_the_papers_counts() {
        for (name, parameters, faultable, macs, layers) in [
            ("resnet18", 11_173_962, 11_164_352, 555_422_720, 21),
            ("resnet50", 23_520_842, 23_467_712, 1_297_829_888, 54),
            ("vgg11", 9_231_114, 9_222_848, 152_769_536, 9),
            ("vgg16", 14_728_266, 14_715_584, 313_201_664, 14),
            ("vgg19", 20_040_522, 20_024_000, 398_136_320, 17),
            ("resnet18-224", 11_181_642, 11_172_032, 1_813_566_464, 21),
            ("resnet18-224-norelu", 11_181_642, 11_172_032, 1_813_566_464, 21),
            ("resnet50-224", 23_528_522, 23_475_392, 4_087_156_736, 54),
            ("vgg11-224", 128_812_810, 128_796_352, 7_605_035_008, 11),
            ("vgg16-224", 134_309_962, 134_289_088, 15_466_209_280, 16),
            ("vgg19-224", 139_622_218, 139_597_504, 19_628_007_424, 19),
            ("resnet20", 269_722, 268_336, 40_551_040, 20),
            ("resnet56", 853_018, 848_944, 125_485_696, 56),
        ] {
            let g = base(name, 10, None).unwrap();
            let counts = (g.parameter_count(), g.faultable_weights(), g.macs(), g.layers.len());
            assert_eq!(counts, (parameters, faultable, macs, layers), "{name}");
            let relus = |g: &Graph| g.nodes.iter().filter(|n| n.op == Op::Relu).count();
            if name == "resnet18-224-norelu" {
                assert_eq!(relus(&g) + 8, relus(&base("resnet18-224", 10, None).unwrap()));
            }
        }
        for (name, classes, parameters) in [
            ("resnet18", 43, 11_190_891),
            ("resnet18", 100, 11_220_132),
            ("resnet50", 43, 23_588_459),
            ("resnet50", 100, 23_705_252),
            ("vgg11", 43, 9_248_043),
            ("vgg11", 100, 9_277_284),
            ("vgg16", 43, 14_745_195),
            ("vgg16", 100, 14_774_436),
        ] {
            let g = base(name, classes, None).unwrap();
            assert_eq!(g.parameter_count(), parameters, "{name}, {classes} classes");
        }
    }

    #[test]
    fn classes_are_counted_in_the_last_layer() {
        let graph = base("resnet20", 43, None).unwrap();
        let mut weights = crate::nn::initialise(&graph, true, 1);
        assert_eq!(classes("resnet20", &weights).unwrap(), 43);
        let error = classes("vgg-small", &weights).unwrap_err().to_string();
        assert!(error.contains("no tensor classifier.weight"), "{error}");
        weights.insert("linear.weight", &[43, 65], vec![0.0; 43 * 65]);
        let error = classes("resnet20", &weights).unwrap_err().to_string();
        assert!(error.contains("linear.weight is [43, 65]"), "{error}");
        weights.insert("linear.weight", &[0, 64], Vec::new());
        assert!(classes("resnet20", &weights).is_err());
    }

    #[test]
    fn a_mistyped_name_gets_a_suggestion() {
        let e = base("resnet-20", 10, None).unwrap_err();
        assert!(e.hint().unwrap().contains("did you mean resnet20"), "{e:?}");
        assert!(generator("ConvX", [3, 32, 32]).unwrap_err().hint().unwrap().contains("ConvS"));
        assert!(base("resnet18", 0, None).is_err());
    }
}
