use super::*;
use crate::{models, nn::initialise, shape::Window};

fn net() -> Graph {
    let mut g = Graph::new("net", [3, 4, 4]);
    let x = g.conv(g.input(), "conv1", 2, Window::square(3, 1, 1), true).unwrap();
    let x = g.batch_norm(x, "bn1");
    let x = g.global_avg_pool(x);
    g.linear(x, "linear", 10).unwrap();
    g
}

/// Weights that are cheap to make for large networks: each tensor is filled with its own index.
fn marked(graph: &Graph) -> Weights {
    let mut weights = Weights::default();
    for (i, param) in graph.params.iter().enumerate() {
        weights.insert(param.name.clone(), &param.shape, vec![i as f32; param.len()]);
    }
    weights
}

/// Contents of a file that holds these weights under other names.
fn file(weights: &Weights, name: impl Fn(&str) -> String) -> Tensors {
    let raw = |(n, t): (&String, &crate::files::Tensor)| (name(n), Raw::f32(&t.shape, &t.data));
    weights.tensors.iter().map(raw).collect()
}

fn find(graph: &Graph, tensors: &Tensors, selection: &Selection) -> Result<Adopted> {
    graph.find((tensors.clone(), BTreeMap::new()), Path::new("w"), selection)
}

/// The tensors that the network finds in a file, and the notes.
fn found(graph: &Graph, tensors: &Tensors) -> (BTreeMap<String, crate::files::Tensor>, String) {
    let Adopted { weights, notes, .. } = find(graph, tensors, &Selection::default()).unwrap();
    (graph.adopt(weights).unwrap().tensors, notes.join("\n"))
}

fn refused(graph: &Graph, tensors: &Tensors, says: &[&str]) {
    let taken = find(graph, tensors, &Selection::default());
    let error = taken.and_then(|adopted| graph.adopt(adopted.weights)).unwrap_err();
    let text = crate::error::report(&error);
    for says in says {
        assert!(text.contains(says), "{says:?} in {text}");
    }
}

fn integer(dtype: Dtype, shape: &[usize]) -> Raw {
    let elements: usize = shape.iter().product();
    Raw { dtype, shape: shape.to_vec(), bytes: vec![1; elements * dtype.bitsize() / 8] }
}

#[test]
fn prefixes_are_dropped_and_values_kept() {
    let (graph, ours) = (net(), initialise(&net(), true, 3));
    for prefix in
        ["", "module.", "model.", "module.model.", "module._orig_mod.model.", "net.conv1."]
    {
        let mut theirs = file(&ours, |name| format!("{prefix}{name}"));
        theirs.insert(format!("{prefix}bn1.num_batches_tracked"), Raw::f32(&[], &[7.0]));
        let adopted = find(&graph, &theirs, &Selection::default()).unwrap();
        assert_eq!(adopted.prefix, prefix);
        assert_eq!(graph.adopt(adopted.weights).unwrap().tensors, ours.tensors);
    }
}

#[test]
fn wrappers_inside_names_are_dropped() {
    let graph = models::base("resnet20", 10, None).unwrap();
    let ours = initialise(&graph, true, 3);
    for (wrapped, with) in [
        ("layer1.0.", "layer1.0._orig_mod."),
        ("layer2.", "layer2.module."),
        ("layer", "model._fsdp_wrapped_module.layer"),
    ] {
        let theirs = file(&ours, |name| name.replace(wrapped, with));
        // Most names have the prefix without the wrapper; those with the wrapper are found too.
        if with.starts_with("model.") {
            assert!(
                found(
                    &graph,
                    &file(&ours, |name| format!("model.{}", name.replace(wrapped, &with[6..])))
                )
                .0 == ours.tensors
            );
            continue;
        }
        assert!(found(&graph, &theirs).0 == ours.tensors, "{with}");
    }
    let mut twice = file(&ours, str::to_owned);
    twice.insert("layer1.module.0.conv1.weight".into(), Raw::f32(&[1], &[1.0]));
    refused(&graph, &twice, &["layer1.0.conv1.weight", "--drop"]);
}

#[test]
fn one_of_several_copies_is_taken_only_where_it_is_clear_which() {
    let (graph, ours) = (net(), initialise(&net(), true, 3));
    let copy = |prefix: &str, seed: u64| {
        file(&initialise(&graph, true, seed), |name| format!("{prefix}{name}"))
    };
    for (plain, average) in [
        ("", "ema."),
        ("model.", "model_ema."),
        ("module.", "ema_model.module."),
        ("net.", "swa_net."),
    ] {
        let mut both = copy(plain, 3);
        both.append(&mut copy(average, 4));
        both.insert(format!("{average}decay"), Raw::f32(&[], &[0.99]));
        let (tensors, notes) = found(&graph, &both);
        assert_eq!(tensors, ours.tensors, "{average}");
        assert!(
            notes.contains("average of the weights is left out") && notes.contains("--prefix"),
            "{notes}"
        );
        let selection = Selection {
            prefix: Some(average.trim_end_matches('.').into()),
            drop: vec!["*decay".into()],
            ..Selection::default()
        };
        let chosen = graph.adopt(find(&graph, &both, &selection).unwrap().weights).unwrap();
        assert_eq!(chosen.tensors, initialise(&graph, true, 4).tensors);
    }
    // A moving average is taken if the file holds nothing else.
    assert_eq!(found(&graph, &copy("ema.", 3)).0, ours.tensors);
    for others in [["student.", "teacher."], ["", "best."], ["ema_a.", "ema_b."]] {
        let both = others.iter().zip(3..).flat_map(|(prefix, seed)| copy(prefix, seed)).collect();
        refused(&graph, &both, &["2 copies of net", "--prefix"]);
    }
}

#[test]
fn other_names_of_the_same_tensor_are_translated() {
    let small = models::base("resnet20", 10, None).unwrap();
    let ours = marked(&small);
    for other in ["fc", "classifier", "head.fc"] {
        let theirs = file(&ours, |name| name.replace("linear.", &format!("{other}.")));
        let (tensors, notes) = found(&small, &theirs);
        assert!(tensors == ours.tensors);
        assert!(notes.contains("is read as linear"), "{notes}");
    }
    let wide = models::base("resnet18", 10, None).unwrap();
    let ours = marked(&wide);
    let theirs = file(&ours, |name| name.replace("shortcut.", "downsample."));
    let (tensors, notes) = found(&wide, &theirs);
    assert!(tensors == ours.tensors);
    assert!(notes.contains("downsample is read as shortcut, 6 times"), "{notes}");
    let torchvision = models::base("resnet18-224", 10, None).unwrap();
    let ours = marked(&torchvision);
    let theirs =
        file(&ours, |name| name.replace("downsample", "shortcut").replace("fc.", "linear."));
    assert!(found(&torchvision, &theirs).0 == ours.tensors);
    // A batch norm inside its convolution, as in quantisation-aware training.
    let (small, ours) = (net(), initialise(&net(), true, 3));
    assert_eq!(
        found(&small, &file(&ours, |name| name.replace("bn1.", "conv1.bn."))).0,
        ours.tensors
    );
    // Nothing is renamed where both names are in the file.
    let mut both = file(&ours, str::to_owned);
    both.insert("fc.weight".into(), Raw::f32(&[10, 2], &[0.0; 20]));
    refused(&small, &both, &["1 not known: fc.weight [10, 2]", "--drop"]);
}

#[test]
fn what_is_no_weight_is_left_out_and_said() {
    let (graph, ours) = (net(), initialise(&net(), true, 3));
    let mut theirs = file(&ours, str::to_owned);
    for (name, tensor) in [
        ("n_averaged", integer(Dtype::I64, &[])),
        ("bn1.num_batches_tracked", integer(Dtype::I32, &[])),
        ("epoch", integer(Dtype::U8, &[1])),
        ("conv1.step_size", Raw::f32(&[], &[1.0])),
        ("conv1.b_w", Raw::f32(&[8, 1], &[1.0; 8])),
        ("total_ops", Raw::f32(&[1], &[1e9])),
        ("conv1.weight_fake_quant.scale", Raw::f32(&[1], &[0.1])),
        ("conv1.weight_fake_quant.zero_point", integer(Dtype::I32, &[1])),
        ("activation_post_process_0.min_val", Raw::f32(&[], &[0.1])),
    ] {
        theirs.insert(name.into(), tensor);
    }
    let (tensors, notes) = found(&graph, &theirs);
    assert_eq!(tensors, ours.tensors);
    for says in [
        "3 integers",
        "3 tensors are left out: b_w, step_size, total_ops",
        "simulated quantisation",
        "3 tensors of observers",
    ] {
        assert!(notes.contains(says), "{says:?} in {notes}");
    }
}

#[test]
fn weights_in_pieces_are_put_together() {
    let (graph, ours) = (net(), initialise(&net(), true, 3));
    let name = "conv1.weight".to_owned();
    let weight = &ours.tensors[&name];
    let mask: Vec<u8> = (0..weight.data.len()).map(|i| u8::from(i % 3 > 0)).collect();
    let pruned: Vec<f32> = weight.data.iter().zip(&mask).map(|(w, &m)| w * f32::from(m)).collect();
    let mut theirs = file(&ours, |name| name.replace("conv1.weight", "conv1.weight_orig"));
    let bool = Raw { dtype: Dtype::BOOL, ..Raw::u8(&weight.shape, &mask) };
    let floats: Vec<f32> = mask.iter().map(|&m| f32::from(m)).collect();
    for mask in [bool, Raw::f32(&weight.shape, &floats)] {
        theirs.insert("conv1.weight_mask".into(), mask);
        let (tensors, notes) = found(&graph, &theirs);
        assert_eq!(tensors[&name].data, pruned);
        assert!(notes.contains("mask that prunes"), "{notes}");
    }
    // Weight norm with length 2 for each of two rows, in both of PyTorch's spellings.
    for (g, v) in [
        ("conv1.weight_g", "conv1.weight_v"),
        ("conv1.parametrizations.weight.original0", "conv1.parametrizations.weight.original1"),
    ] {
        let mut theirs = file(&ours, |name| name.replace("conv1.weight", v));
        theirs.insert(g.into(), Raw::f32(&[2, 1, 1, 1], &[2.0, 2.0]));
        let (tensors, notes) = found(&graph, &theirs);
        for (row, before) in tensors[&name].data.chunks(27).zip(weight.data.chunks(27)) {
            let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
            assert!((length - 2.0).abs() < 1e-5 && row[0].signum() == before[0].signum());
        }
        assert!(notes.contains("weight norm"), "{notes}");
    }
    // Stored words with their scale beside them.
    let words: Vec<f32> = (0..weight.data.len()).map(|i| i as f32 - 20.0).collect();
    let mut theirs = file(&ours, str::to_owned);
    theirs.insert(name.clone(), Raw::f32(&weight.shape, &words));
    theirs.insert("conv1.step_size".into(), Raw::f32(&[1], &[0.25]));
    let (tensors, notes) = found(&graph, &theirs);
    assert_eq!(tensors[&name].data[..3], [-5.0, -4.75, -4.5]);
    assert!(notes.contains("times their step_size"), "{notes}");
    // Pieces that only PyTorch can put together.
    for pieces in [
        &["weight_orig", "weight_u"][..],
        &["parametrizations.weight.original", "parametrizations.weight.0._u"],
    ] {
        let mut theirs =
            file(&ours, |name| name.replace("conv1.weight", &format!("conv1.{}", pieces[0])));
        theirs.insert(format!("conv1.{}", pieces[1]), Raw::f32(&[2], &[1.0; 2]));
        refused(&graph, &theirs, &["conv1.weight is kept in pieces", "remove_spectral_norm"]);
    }
}

#[test]
fn quantised_words_are_called_so() {
    let (graph, ours) = (net(), initialise(&net(), true, 3));
    for (name, tensor, keeps) in [
        ("conv1.weight", integer(Dtype::I8, &[2, 3, 3, 3]), true),
        ("conv1.weight", integer(Dtype::F8_E4M3, &[2, 3, 3, 3]), true),
        ("linear.qweight", integer(Dtype::I32, &[1, 10]), false),
        ("linear._packed_params._packed_params", integer(Dtype::U8, &[20]), false),
        ("linear.SCB", Raw::f32(&[10], &[1.0; 10]), false),
    ] {
        let mut theirs = file(&ours, str::to_owned);
        if !keeps {
            theirs.remove("linear.weight");
        }
        theirs.insert(name.into(), tensor);
        refused(&graph, &theirs, &["quantised", name, "export the floats", "convert()"]);
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let graph = net();
    let mut theirs = initialise(&graph, true, 3);
    theirs.tensors.remove("linear.bias");
    theirs.insert("linear.weight", &[100, 2], vec![0.0; 200]);
    theirs.insert("loss.scale", &[1], vec![0.0]);
    let error = graph.adopt(theirs.clone()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "weights: these are not the tensors of net: 1 missing: linear.bias [10]; \
         1 of another shape: linear.weight [100, 2] instead of [10, 2]; \
         1 not known: loss.scale [1]"
    );
    assert!(error.hint().unwrap().starts_with("check --model"));
    theirs.metadata.insert("model".into(), "resnet18".into());
    assert!(graph.adopt(theirs).unwrap_err().hint().unwrap().contains("holds resnet18"));
    let error = graph.adopt(Weights::default()).unwrap_err().to_string();
    assert!(
        error.contains("8 missing: bn1.bias [2]") || error.contains("8 missing: conv1.weight"),
        "{error}"
    );
    let large = models::base("resnet20", 10, None).unwrap();
    let error = large.adopt(Weights::default()).unwrap_err().to_string();
    assert!(error.ends_with(", ..."), "{error}");
}

#[test]
fn a_missing_tensor_comes_with_the_nearest_of_its_shape() {
    let graph = net();
    let mut theirs = initialise(&graph, true, 3);
    let norm = theirs.tensors.remove("bn1.weight").unwrap();
    theirs.tensors.insert("norm1.weight".into(), norm);
    let hint = graph.adopt(theirs).unwrap_err().hint().unwrap();
    assert!(
        hint.ends_with(
            "the nearest of bn1.weight is norm1.weight: nf-gpu import --rename norm1=bn1"
        ),
        "{hint}"
    );
    let mut theirs = Weights::default();
    theirs.insert("generator.a", &[1], vec![0.0]);
    let hint = graph.adopt(theirs).unwrap_err().hint().unwrap();
    assert!(hint.contains("it holds generator (1 tensor)"), "{hint}");
}
