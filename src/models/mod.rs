//! The networks by name, as graphs.

mod generators;
mod resnet;
mod vgg;

use crate::{
    error::{Error, Result},
    files::Weights,
    nn::Graph,
};

/// Names of the generators.
pub const GENERATORS: &[&str] = &["ConvS", "UNetS"];
/// Bits of a generator's weights: 8 as in the paper, whatever the base network's precision is. They
/// are never faulty.
pub const GENERATOR_BITS: u32 = 8;
/// Names of the base networks.
pub const BASES: &[&str] = &["vgg-small", "resnet20"];

/// The NeuralFuse generator of a name (case does not matter), for `[3, side, side]` images.
///
/// # Errors
/// Unknown name, or a side that three halvings do not divide.
pub fn generator(name: &str, side: u32) -> Result<Graph> {
    if !side.is_multiple_of(8) || side == 0 {
        return Err(Error::Shape(format!("a generator needs sides divisible by 8, not {side}")));
    }
    let known = GENERATORS.iter().find(|k| k.eq_ignore_ascii_case(name));
    match known {
        Some(&"ConvS") => generators::conv_s(side),
        Some(_) => generators::unet_s(side),
        None => Err(Error::unknown("generator", name, GENERATORS)),
    }
}

/// The base network of a name for `[3, 32, 32]` images.
///
/// `normalisation` is the mean and standard deviation (of values in [0, 1]) that it expects of its
/// input; `None` if it takes [-1, 1] as it comes.
///
/// # Errors
/// Unknown name.
pub fn base(
    name: &str,
    classes: u32,
    normalisation: Option<([f32; 3], [f32; 3])>,
) -> Result<Graph> {
    let known = BASES.iter().find(|k| k.eq_ignore_ascii_case(name));
    let Some(&known) = known else { return Err(Error::unknown("model", name, BASES)) };
    let mut graph = Graph::new(known, [3, 32, 32]);
    let images = match normalisation {
        None => graph.input(),
        // x in [-1, 1] is 2 t - 1; the network wants (t - mean) / std.
        Some((mean, std)) => {
            let scale = std.map(|s| 0.5 / s);
            let shift = [0, 1, 2].map(|i| (0.5 - mean[i]) / std[i]);
            graph.affine(graph.input(), &scale, &shift)
        }
    };
    match known {
        "resnet20" => resnet::resnet20(&mut graph, images, classes)?,
        _ => vgg::vgg_small(&mut graph, images, classes)?,
    }
    Ok(graph)
}

/// The network's name as it is written here (case does not matter), base or generator.
///
/// # Errors
/// Unknown name.
pub fn known(name: &str) -> Result<&'static str> {
    let all = || BASES.iter().chain(GENERATORS);
    let known = all().find(|known| known.eq_ignore_ascii_case(name));
    known.copied().ok_or_else(|| Error::unknown("model", name, all()))
}

/// Whether a generator has this name (case does not matter).
#[must_use]
pub fn is_generator(name: &str) -> bool {
    GENERATORS.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Classes that the last layer of a base network's weights tells apart.
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
        // Says which tensor is missing, or both shapes.
        _ => weights.get(&last.name, &last.shape).map(|_| 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_the_papers() {
        let conv_s = generator("convs", 32).unwrap();
        assert_eq!((conv_s.parameter_count(), conv_s.macs()), (113_187, 10_036_224));
        let unet_s = generator("UNetS", 32).unwrap();
        assert_eq!((unet_s.parameter_count(), unet_s.macs()), (121_195, 9_191_424));
        assert_eq!(base("resnet20", 10, None).unwrap().faultable_weights() * 8, 2_146_688);
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
        assert!(generator("ConvX", 32).unwrap_err().hint().unwrap().contains("ConvS"));
        assert!(generator("ConvS", 30).is_err());
    }
}
