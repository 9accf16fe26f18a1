//! What cannot be run, and what is said about it.

use super::{
    super::*,
    write::{Attr, Draft, bytes, int},
};

/// The error and its hint.
fn refused(network: &Draft) -> String {
    let error = network.read().unwrap_err();
    format!("{error} / {}", error.hint().unwrap())
}

fn says(network: &Draft, parts: &[&str]) {
    let said = refused(network);
    for part in parts {
        assert!(said.contains(part), "{said:?} lacks {part:?}");
    }
}

/// An image `[1, 2, 4, 4]` and one operator on it, behind a convolution and in front of a layer.
fn around(op: &str, attributes: &[(&str, Attr)]) -> Draft {
    around_with(op, &["c"], attributes)
}

fn around_with(op: &str, inputs: &[&str], attributes: &[(&str, Attr)]) -> Draft {
    Draft::new(13, &[1, 2, 4, 4])
        .floats("w", &[2, 2, 1, 1])
        .floats("four", &[4])
        .node("Conv", &["x", "w"], "c")
        .node_with(op, inputs, "o", attributes)
        .head("o", 32)
}

#[test]
fn every_operator_that_is_not_run_says_what_to_do() {
    for (op, what, advice) in [
        ("Gelu", "GELU is not computed", "ReLU, SiLU or HardSwish"),
        ("Erf", "GELU is not computed", "ReLU, SiLU or HardSwish"),
        ("Elu", "this activation is not computed", "train with one of these"),
        ("Softplus", "this activation is not computed", "train with one of these"),
        ("LayerNormalization", "statistics of each image", "BatchNormalization is"),
        ("LRN", "statistics of each image", "BatchNormalization is"),
        ("QLinearSoftmax", "of quantised tensors is not computed", "--precision"),
        ("ConvInteger", "at run time", "quantise statically"),
        ("DynamicQuantizeLinear", "at run time", "quantise statically"),
        ("If", "decided while it runs", "onnxsim"),
        ("Loop", "decided while it runs", "onnxsim"),
        ("Attention", "attention is not computed", "convolutional network"),
        ("Softmax", "inside of the network", "convolutional network"),
        ("LSTM", "recurrent layers", "convolutional network"),
        ("NonZero", "this operator is not computed", "replace the layer"),
        ("Abs", "Abs of a tensor that depends on the image", "replace the layer"),
    ] {
        says(&around(op, &[]), &[&format!("net.onnx: {op}_o ({op}): "), what, advice]);
    }
    let foreign =
        Draft::new(13, &[1, 2, 4, 4]).node_of("com.acme", "Conv", &["x"], "c", &[]).head("c", 32);
    says(&foreign, &["an operator of com.acme", "ONNX's own operators only"]);
    let mut own =
        Draft::new(13, &[1, 2, 4, 4]).node_of("local", "Block", &["x"], "c", &[]).head("c", 32);
    own.rest = bytes(25, &bytes(1, b"Block"));
    says(&own, &["the file defines this operator itself", "inline_local_functions"]);
}

#[test]
fn all_reasons_are_listed_at_once() {
    let network = Draft::new(13, &[1, 2, 4, 4])
        .floats("w", &[2, 2, 1, 1])
        .node("Conv", &["x", "w"], "c")
        .node("Gelu", &["c"], "a")
        .node("Gelu", &["a"], "b")
        .node("LRN", &["b"], "e")
        .node("Unheard", &["e"], "f")
        .head("f", 31);
    assert_eq!(
        refused(&network),
        "net.onnx: it cannot be run, for 4 reasons: (1) Gelu_a, Gelu_b (Gelu): GELU is not computed; (2) LRN_e \
         (LRN): this normalisation computes with statistics of each image, and is not computed; (3) Unheard_f (Unheard): this operator is not computed; (4) Gemm_y (Gemm): its \
         weights take 31 numbers, and its input has 32 / train with ReLU, SiLU or HardSwish instead, or use a network \
         with one of these; BatchNormalization is: use a network with it; replace the layer and export the network anew; README lists the \
         operators that can be run; check the size of the input that the network is made for, and --input-shape"
    );
}

#[test]
fn layers_that_share_weights_are_refused() {
    let network = Draft::new(13, &[1, 2, 4, 4]).floats("w", &[2, 2, 1, 1]);
    let network =
        network.node("Conv", &["x", "w"], "c").node("Conv", &["c", "w"], "d").head("d", 32);
    says(&network, &["Conv_d (Conv): its weights w are those of Conv_c too", "its own weights"]);
}

#[test]
fn attributes_that_cannot_be_meant_are_refused() {
    let ints = |list: &[i64]| Attr::Ints(list.to_vec());
    let pool =
        |name, value| around("MaxPool", &[("kernel_shape", Attr::Ints(vec![2, 2])), (name, value)]);
    says(&pool("dilations", ints(&[2, 2])), &["its windows have gaps"]);
    says(&pool("pads", ints(&[-1, 0, 0, 0])), &["are no paddings", "crop in front"]);
    says(&pool("strides", ints(&[0, 1])), &["have a 0"]);
    says(&pool("auto_pad", Attr::Text("SAME")), &["its auto_pad is SAME"]);
    says(
        &around("MaxPool", &[("kernel_shape", ints(&[9, 9]))]),
        &["its window of 9 does not fit into 4"],
    );
    says(&around("MaxPool", &[("kernel_shape", ints(&[2, 2, 2]))]), &["are not those of an image"]);
    says(
        &around("Pad", &[("pads", ints(&[0; 8])), ("mode", Attr::Text("reflect"))]),
        &["it pads with reflect"],
    );
    says(
        &around("Pad", &[("pads", ints(&[1, 0, 0, 0, 0, 0, 0, 0]))]),
        &["adds images to the batch"],
    );
    says(&around("Pad", &[("pads", ints(&[0, 0, 0, -1, 0, 0, 0, 0]))]), &["it pads by -1"]);
    says(&around("Transpose", &[("perm", ints(&[1, 0, 2, 3]))]), &["it transposes the batch"]);
    says(&around("Transpose", &[("perm", ints(&[0, 0, 2, 3]))]), &["axes"]);
    says(&around("Cast", &[("to", Attr::Int(6))]), &["it makes int32 of the network's values"]);
    says(
        &around("Clip", &[("min", Attr::Float(3.0)), ("max", Attr::Float(1.0))]),
        &["its bounds are 3 and 1"],
    );
    says(&around("ReduceMean", &[]), &["it reduces the batch"]);
    says(
        &around_with("Add", &["c", "w"], &[]),
        &["its constant [2, 2, 1, 1] does not fit [2, 4, 4]"],
    );
    says(&around_with("Div", &["four", "c"], &[]), &["it divides a constant by a tensor"]);
    says(&around_with("Div", &["c", "c"], &[]), &["of two tensors that both depend on the image"]);
    says(&around_with("MatMul", &["c", "c"], &[]), &["both of its inputs depend on the image"]);
    says(
        &around_with("Concat", &["c", "four"], &[("axis", Attr::Int(1))]),
        &["its input four is constant"],
    );
    says(&around_with("Relu", &["nowhere"], &[]), &["nothing before it makes its input nowhere"]);
    says(
        &around_with("ConvTranspose", &["c", "v"], &[("group", Attr::Int(2))]),
        &["nothing before it makes"],
    );
    says(
        &around("BatchNormalization", &[("training_mode", Attr::Int(1))]),
        &["statistics of the batch", "model.eval()"],
    );
}

#[test]
fn inputs_and_outputs_are_checked() {
    let body = |network: Draft| {
        network.floats("w", &[2, 2, 1, 1]).node("Conv", &["x", "w"], "c").head("c", 32)
    };
    says(
        &body(Draft::new(13, &[-1, 2, -1, -1])),
        &["input x: it is [n, 2, n, n]: its size is not fixed", "--input-shape 2,224,224"],
    );
    let open = body(Draft::new(13, &[-1, 2, -1, -1]));
    let shaped = |chw| open.read_with(&ReadOptions { input_shape: Some(chw), normalisation: None });
    assert_eq!(shaped([2, 4, 4]).unwrap().graph.nodes[0].chw, [2, 4, 4]);
    let error = shaped([3, 4, 4]).unwrap_err();
    assert!(
        error.to_string().contains("it is [n, 2, n, n], and --input-shape is 3,4,4"),
        "{error}"
    );
    says(
        &body(Draft::new(6, &[1, 2, 4, 4])),
        &["operator set 6, older than 7", "version_converter"],
    );
    let two =
        |field, name| body(Draft::new(13, &[1, 2, 4, 4])).value(field, name, 1, Some(&[1, 2]));
    says(&two(11, "other"), &["it has 2 inputs: x, other"]);
    says(&two(12, "c"), &["it has 2 outputs: y, c", "extract_model"]);
    let bytes_in =
        body(Draft::empty(13).value(11, "x", 2, Some(&[1, 2, 4, 4])).value(12, "y", 1, None));
    says(&bytes_in, &["input x: it is uint8, not float", "--input-mean"]);
    says(&body(Draft::new(13, &[1, 2, 4, 4, 4])), &["it is [1, 2, 4, 4, 4]"]);
    says(&body(Draft::new(13, &[1, 2, 99_999, 99_999])), &["too large"]);
    let image =
        Draft::new(13, &[1, 2, 4, 4]).floats("w", &[2, 2, 1, 1]).node("Conv", &["x", "w"], "y");
    says(&image, &["output y: it is [2, 4, 4] per image, not a list of scores"]);
    says(
        &Draft::new(13, &[1, 9]).node("Relu", &["x"], "y"),
        &["no layer in front of it has weights"],
    );
    let along_batch =
        Draft::new(13, &[1, 2, 4, 4]).floats("w", &[3, 32]).node("Flatten", &["x"], "f");
    let along_batch = along_batch
        .node_with("Gemm", &["f", "w"], "g", &[("transB", Attr::Int(1))])
        .node_with("ArgMax", &["g"], "y", &[("axis", Attr::Int(0))]);
    says(&along_batch, &["along axis 0 of [1, 3]"]);
}

#[test]
fn damaged_files_are_called_so() {
    let whole = Draft::new(13, &[1, 2, 4, 4]).head("x", 32).file();
    let read = |bytes: Vec<u8>| {
        parse(bytes, Path::new("net.onnx"), &ReadOptions::default()).unwrap_err().to_string()
    };
    assert!(read(whole[..whole.len() / 2].to_vec()).contains("damaged: at byte"));
    assert!(read(b"PK\x03\x04 zip".to_vec()).contains("not an ONNX network"));
    assert!(read(int(1, 8)).contains("it has no nodes"));
    let short = Draft::new(13, &[1, 2, 4, 4]).tensor("w", 1, &[2, 2, 1, 1], &[0; 12]).node(
        "Conv",
        &["x", "w"],
        "c",
    );
    says(&short.head("c", 32), &["tensor w is [2, 2, 1, 1] and has 3 elements", "check_model"]);
    let huge = Draft::new(13, &[1, 2, 4, 4]).tensor("w", 1, &[1 << 40, 1 << 40], &[0; 4]).node(
        "Conv",
        &["x", "w"],
        "c",
    );
    says(&huge.head("c", 32), &["says that it is [1099511627776"]);
    let nan = Draft::new(13, &[1, 1, 1, 1]).tensor("w", 1, &[1, 1, 1, 1], &f32::NAN.to_le_bytes());
    says(
        &nan.node("Conv", &["x", "w"], "c").head("c", 1),
        &["element 0 of its parameter w is NaN"],
    );
    let ints = Draft::new(13, &[1, 1, 1, 1]).tensor("w", 3, &[1, 1, 1, 1], &[1]).node(
        "Conv",
        &["x", "w"],
        "c",
    );
    says(&ints.head("c", 1), &["its parameter w is of integers", "give them scales"]);
}

#[test]
fn shared_parameters_without_faults_are_copied() {
    let norm = |network: Draft, from: &str, to: &str| {
        network.node("BatchNormalization", &[from, "one", "one", "one", "one"], to)
    };
    let network = Draft::new(13, &[1, 2, 4, 4]).floats("one", &[2]);
    let imported = norm(norm(network, "x", "a"), "a", "b").head("b", 32).read().unwrap();
    let names: Vec<&str> = imported.graph.params.iter().map(|param| param.name.as_str()).collect();
    assert_eq!(
        names,
        ["one", "one#2", "one#3", "one#4", "one#5", "one#6", "one#7", "one#8", "head"]
    );
}

#[test]
fn lists_of_every_type_are_read() {
    use super::super::{model::OnnxModel, value::decode};
    for (kind, field, contents, want) in [
        (1, 4, [1.5f32, -2.0].map(f32::to_le_bytes).concat(), [1.5, -2.0]),
        (11, 10, [1.5f64, -2.0].map(f64::to_le_bytes).concat(), [1.5, -2.0]),
        // 1.5 and -2 as float16 and bfloat16, in a list of 32-bit integers.
        (10, 5, [&[0x80, 0x7c][..], &[0x80, 0x80, 0x03]].concat(), [1.5, -2.0]),
        (16, 5, [&[0xc0, 0x7f][..], &[0x80, 0x80, 0x03]].concat(), [1.5, -2.0]),
        (7, 7, [int(0, 3)[1..].to_vec(), int(0, -4)[1..].to_vec()].concat(), [3.0, -4.0]),
        (9, 5, vec![1, 0], [1.0, 0.0]),
    ] {
        let tensor = [int(1, 2), int(2, kind), bytes(8, b"t"), bytes(field, &contents)].concat();
        let graph = [bytes(5, &tensor), bytes(1, &bytes(4, b"Relu"))].concat();
        let file = [bytes(7, &graph), bytes(8, &int(2, 13))].concat();
        let model = OnnxModel::parse(file, Path::new("t")).unwrap();
        let value = decode(&model, &model.graph.initialisers[0], Path::new("")).unwrap();
        assert_eq!(*value.floats(), want, "type {kind}");
    }
}
