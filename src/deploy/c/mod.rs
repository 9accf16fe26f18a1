//! A generator as C99: its stored words, its inference without allocation, a golden input and output, and a test.

mod text;

use super::{
    Arithmetic, Difference, check_numbers,
    folder::DeviceFiles,
    network::{DeviceConv, DeviceNetwork, DeviceStep, Operation},
    protect,
    scratch::Scratch,
};
use crate::error::Result;
use std::fmt::Write as _;
use text::{array, comment, float};

/// Kernels by the name of their function, in the order of the source.
const KERNELS: &[(&str, &str)] = &[
    ("nf_clear", include_str!("kernels/convolution.c")),
    ("nf_conv2d", include_str!("kernels/conv2d.c")),
    ("nf_conv_transpose2d", include_str!("kernels/conv_transpose2d.c")),
    ("nf_max_pool2d", include_str!("kernels/max_pool2d.c")),
    ("nf_upsample", include_str!("kernels/upsample.c")),
    ("nf_shift2d", include_str!("kernels/shift2d.c")),
    ("nf_tanh", include_str!("kernels/tanh.c")),
    ("nf_copy", include_str!("kernels/copy.c")),
    ("nf_fuse", include_str!("kernels/fuse.c")),
];
const TEST: &str = include_str!("test.c");
const MAKEFILE: &str = include_str!("Makefile.txt");

/// A generator as C source.
#[derive(Clone, Debug)]
pub struct CSource {
    /// Names and contents of the files.
    pub files: DeviceFiles,
    /// Floats of the caller's array.
    pub scratch_floats: usize,
    /// What an f32 computation in the order of the source differs by from an f64 one, on the golden image.
    pub measured: Difference,
    /// Largest difference that the test accepts.
    pub tolerance: f64,
}

/// Largest accepted difference for a measured one: compilers may contract products and sums, and the libraries of devices
/// have another tanh. Four times as much, and at least four steps of a float next to 1.
#[must_use]
pub(super) fn tolerance(measured: Difference) -> f64 {
    (4.0 * measured.largest).max(4.0 * f64::from(f32::EPSILON))
}

/// The source of a generator, whose golden image is `[C, H, W]`. `origin` says in a line where it comes from.
///
/// # Errors
/// An output that is not a number.
pub fn c_source(network: &DeviceNetwork, image: &[f32], origin: &str) -> Result<CSource> {
    let golden = protect(network, Arithmetic::Double, image);
    check_numbers(network, &golden)?;
    let measured = Difference::of(&golden, &protect(network, Arithmetic::Single, image));
    let tolerance = tolerance(measured);
    let arena = Scratch::of(network);
    let origin = comment(origin);
    let golden_file = format!(
        "/* An image and what the generator makes of it, computed in double precision. {origin} */\n\
         #ifndef NF_GOLDEN_H\n#define NF_GOLDEN_H\n\n{}\n{}\n#endif\n",
        array("float", "nf_golden_input", image.iter().map(|&v| float(v))),
        array("float", "nf_golden_output", golden.iter().map(|&v| float(v))),
    );
    let files = [
        ("nf_generator.h", header(network, &arena, &origin, measured, tolerance)),
        ("nf_generator.c", body(network, &arena, &origin)),
        ("nf_generator_weights.h", weights(network, &origin)),
        ("nf_golden.h", golden_file),
        ("test_nf_generator.c", TEST.to_owned()),
        ("Makefile", MAKEFILE.to_owned()),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.into_bytes())).into();
    Ok(CSource { files, scratch_floats: arena.len, measured, tolerance })
}

fn header(
    network: &DeviceNetwork,
    arena: &Scratch,
    origin: &str,
    measured: Difference,
    tolerance: f64,
) -> String {
    let [c, h, w] = network.chw;
    let floats = network.len_of(0);
    // C99 has no array of no element.
    let scratch = arena.len.max(1);
    let (name, bytes, macs) = (&network.name, network.weight_bytes(), network.macs());
    let Difference { largest, mean } = measured;
    format!(
        "/*\n \
         * {name}: F(x) = clamp(x + G(x), -1, 1). {origin}\n \
         *\n \
         * The weights are the stored int8 words; activations are float. Batch norm has its running statistics, folded into\n \
         * a factor and a shift per channel. Nothing is allocated, and nothing is kept between two calls. An int has 32 bits.\n \
         *\n \
         * Compile: cc -std=c99 -O2 -c nf_generator.c, and link with -lm.\n \
         */\n\
         #ifndef NF_GENERATOR_H\n#define NF_GENERATOR_H\n\n#include <stddef.h>\n\n\
         /* An image: channels, rows, columns, in this order; values in [-1, 1], a byte b being 2 * (b / 255) - 1. */\n\
         #define NF_GENERATOR_CHANNELS {c}\n\
         #define NF_GENERATOR_ROWS {h}\n\
         #define NF_GENERATOR_COLUMNS {w}\n\
         #define NF_GENERATOR_FLOATS {floats}\n\n\
         /* Floats of the array that the caller lends, which holds all activations. */\n\
         #define NF_GENERATOR_SCRATCH_FLOATS {scratch}\n\n\
         /* Bytes of the stored words, and multiply-adds of an image. */\n\
         #define NF_GENERATOR_WEIGHT_BYTES {bytes}\n\
         #define NF_GENERATOR_MACS {macs}.0\n\n\
         /*\n \
         * Largest difference from the golden output that the test accepts. An IEEE float computation in the order of this\n \
         * source differs by {largest:.2e} at most and by {mean:.2e} on average, measured on the golden image.\n \
         */\n\
         #define NF_GENERATOR_TOLERANCE {tolerance:e}f\n\n\
         /* What nf_generator returns. */\n\
         #define NF_GENERATOR_OK 0\n\
         #define NF_GENERATOR_NULL (-1)    /* an argument is NULL */\n\
         #define NF_GENERATOR_SCRATCH (-2) /* scratch_floats is too small */\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /*\n \
         * Makes `out` of `image`, both of NF_GENERATOR_FLOATS floats. `scratch` has scratch_floats floats, at least\n \
         * NF_GENERATOR_SCRATCH_FLOATS; what is in it before does not matter. The three must not overlap. Two calls at the\n \
         * same time need a scratch each.\n \
         */\n\
         int nf_generator(const float *image, float *out, float *scratch, size_t scratch_floats);\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
    )
}

fn weights(network: &DeviceNetwork, origin: &str) -> String {
    let mut text = format!(
        "/* Stored words, and a factor and a shift per output channel. {origin} */\n\
         #ifndef NF_GENERATOR_WEIGHTS_H\n#define NF_GENERATOR_WEIGHTS_H\n\n#include <stdint.h>\n"
    );
    for (value, step) in (1..).zip(&network.steps) {
        let name = comment(&step.name);
        match &step.operation {
            Operation::Conv(conv) => {
                let [r, s] = conv.window.kernel;
                let k = conv.factor.len();
                let c = conv.words.len() / (k * (r * s) as usize);
                let shape = if conv.transposed { [c, k] } else { [k, c] };
                let [first, second] = shape;
                let floats =
                    |values: &[f64]| values.iter().map(|&v| float(v as f32)).collect::<Vec<_>>();
                let words = array(
                    "int8_t",
                    &format!("nf_words_{value}"),
                    conv.words.iter().map(i8::to_string),
                );
                let factor =
                    array("float", &format!("nf_factor_{value}"), floats(&conv.factor).into_iter());
                let shift =
                    array("float", &format!("nf_shift_{value}"), floats(&conv.shift).into_iter());
                // Writing into a string cannot fail.
                let _ = write!(
                    text,
                    "\n/* {name}: [{first}][{second}][{r}][{s}], a step of the words is {:e} */\n\
                     {words}{factor}{shift}",
                    conv.scale,
                );
            }
            Operation::Constant(values) => {
                let values = values.iter().map(|&v| float(v));
                let array = array("float", &format!("nf_constant_{value}"), values);
                let _ = write!(text, "\n/* {name} */\n{array}");
            }
            _ => {}
        }
    }
    text.push_str("\n#endif\n");
    text
}

/// The C name of a value.
fn value_name(network: &DeviceNetwork, value: usize) -> String {
    match value.checked_sub(1).map(|step| &network.steps[step].operation) {
        None => "image".into(),
        Some(Operation::Constant(_)) => format!("nf_constant_{value}"),
        Some(_) => format!("v{value}"),
    }
}

fn body(network: &DeviceNetwork, arena: &Scratch, origin: &str) -> String {
    let mut places = String::new();
    let mut calls = String::new();
    for (value, step) in (1..).zip(&network.steps) {
        if let Some(at) = arena.at[value] {
            let [c, h, w] = step.chw;
            // Writing into a string cannot fail.
            let _ = writeln!(
                places,
                "    float *const {} = scratch + {at}; /* {c} x {h} x {w} */",
                value_name(network, value),
            );
        }
        for call in self::calls(network, arena, value, step) {
            let _ = writeln!(calls, "    {call}");
        }
    }
    let last = value_name(network, network.steps.len());
    let call = format!("nf_fuse(image, {last}, out, NF_GENERATOR_FLOATS);");
    let used = |name: &str| {
        let has = |text: &str| text.contains(&format!("{name}("));
        has(&calls) || has(&call) || (name == "nf_clear" && calls.contains("nf_conv"))
    };
    let kernels: Vec<&str> =
        KERNELS.iter().filter(|(name, _)| used(name)).map(|(_, source)| *source).collect();
    // Without a step in it, the array is not looked at.
    let small = if arena.len == 0 { "(void)scratch_floats" } else { "" };
    let check = if arena.len == 0 {
        format!("    {small};\n")
    } else {
        "    if (scratch_floats < NF_GENERATOR_SCRATCH_FLOATS) {\n        return NF_GENERATOR_SCRATCH;\n    }\n".into()
    };
    let maths = if calls.contains("nf_tanh(") { "#include <math.h>\n" } else { "" };
    let integers = if calls.contains("nf_conv") { "#include <stdint.h>\n" } else { "" };
    let includes = if maths.is_empty() && integers.is_empty() {
        String::new()
    } else {
        format!("\n{maths}{integers}")
    };
    format!(
        "/* {}. {origin} */\n#include \"nf_generator.h\"\n#include \"nf_generator_weights.h\"\n{includes}\n{}\n\
         int nf_generator(const float *image, float *out, float *scratch, size_t scratch_floats)\n{{\n\
         \x20   if (image == NULL || out == NULL || scratch == NULL) {{\n        return NF_GENERATOR_NULL;\n    }}\n\
         {check}{}{calls}    {call}\n    return NF_GENERATOR_OK;\n}}\n",
        network.name,
        kernels.join("\n"),
        within(&places),
    )
}

/// The declarations of a function: C99 allows them behind statements.
fn within(places: &str) -> String {
    if places.is_empty() { String::new() } else { format!("{places}\n") }
}

/// The statements of a step.
fn calls(network: &DeviceNetwork, arena: &Scratch, value: usize, step: &DeviceStep) -> Vec<String> {
    let name = |value| value_name(network, value);
    let y = name(value);
    let x = step.inputs.first().map_or(String::new(), |&input| name(input));
    let [c, h, w] = step.inputs.first().map_or([0; 3], |&input| network.chw_of(input));
    let [k, oh, ow] = step.chw;
    match &step.operation {
        Operation::Conv(conv) => {
            let DeviceConv { window, transposed, relu, .. } = conv;
            let [[r, s], [top, left]] = [window.kernel, window.before];
            let function = if *transposed { "nf_conv_transpose2d" } else { "nf_conv2d" };
            let (stride, relu) = (window.stride[0], u8::from(*relu));
            vec![
                "{".into(),
                format!(
                    "    static const struct nf_convolution p = \
                     {{{c}, {h}, {w}, {k}, {oh}, {ow}, {r}, {s}, {top}, {left}, {stride}, {relu}}};"
                ),
                format!(
                    "    {function}({x}, {y}, nf_words_{value}, nf_factor_{value}, nf_shift_{value}, &p);"
                ),
                "}".into(),
            ]
        }
        Operation::Tanh => vec![format!("nf_tanh({x}, {y}, {});", network.len_of(value))],
        Operation::MaxPool(window) => {
            let [[r, s], [down, right]] = [window.kernel, window.stride];
            vec![format!("nf_max_pool2d({x}, {y}, {c}, {h}, {w}, {r}, {s}, {down}, {right});")]
        }
        Operation::Upsample(by) => vec![format!("nf_upsample({x}, {y}, {c}, {h}, {w}, {by});")],
        Operation::Shift(offset) => {
            vec![format!("nf_shift2d({x}, {y}, {c}, {h}, {w}, {oh}, {ow}, {offset});")]
        }
        Operation::Concat => {
            let mut at = arena.at[value].unwrap_or(0);
            let mut calls = Vec::new();
            let mut into = 0;
            for &input in &step.inputs {
                let len = network.len_of(input);
                // Most values are made where they belong.
                if arena.at[input] != Some(at) {
                    calls.push(format!("nf_copy({}, {y} + {into}, {len});", name(input)));
                }
                (at, into) = (at + len, into + len);
            }
            calls
        }
        Operation::Constant(_) => Vec::new(),
    }
}
