//! Cases with operands rounded to f16, in every use of the gather.

use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{
            Conv2d, Epilogue,
            twin::{Values, case_of},
        },
        plan::Dtype,
        twin::{Case, Random},
    },
    shape::{Nhwc, Window},
};

pub(super) fn cases() -> Result<Vec<Case>> {
    let none = Epilogue::default();
    let half = |conv: Conv2d| Conv2d { dtype: Dtype::F16, ..conv };
    let forward = |n, h, w, c, k, kernel, stride, padding| {
        let x = Nhwc::new(n, h, w, c);
        Conv2d::forward(x, k, Window::square(kernel, stride, padding)).map(half)
    };
    let conv = forward(3, 7, 13, 19, 67, 3, 1, 1)?;
    let strided = forward(2, 9, 8, 6, 34, 3, 2, 1)?;
    let up = half(Conv2d::transposed(Nhwc::new(3, 5, 7, 37), 71, Window::square(4, 2, 1))?);
    let up_sixteens =
        half(Conv2d::transposed(Nhwc::new(1, 5, 7, 16), 32, Window::square(4, 2, 1))?);
    let sum_sixteens =
        Conv2d { copies: 2, shared_input: true, ..forward(1, 5, 7, 6, 16, 3, 1, 1)? };
    let affine = Epilogue { affine_len: 150, scale: Some(5), shift: Some(78), ..none };
    let full = Epilogue { residual: true, relu: true, mask_out: true, ..affine };
    let copies = Conv2d { copies: 3, ..conv };
    let shared = Conv2d { copies: 2, shared_input: true, ..conv };
    let gated = Epilogue { mask_in: true, residual: true, ..none };
    let mut cases = Vec::new();
    for (label, conv, epilogue, kind) in [
        // Sums of a single product, so that operands of every magnitude show in some result.
        ("", forward(1, 1, 67, 1, 16, 1, 1, 0)?, none, Values::Wide),
        ("", forward(1, 1, 129, 1, 65, 1, 1, 0)?, none, Values::Wide),
        ("", forward(1, 1, 1, 1, 1, 1, 1, 0)?, none, Values::Floats),
        ("", forward(2, 5, 7, 3, 10, 3, 1, 1)?, none, Values::Floats),
        ("", forward(3, 4, 4, 36, 64, 3, 1, 1)?, none, Values::Floats),
        ("", forward(1, 1, 257, 130, 9, 1, 1, 0)?, none, Values::Floats),
        ("", conv, none, Values::Floats),
        ("all", conv, full, Values::Integers),
        ("all", copies, full, Values::Integers),
        ("all", shared, full, Values::Integers),
        ("relu6", conv, Epilogue { ceiling: Some(6.0), ..full }, Values::Integers),
        ("affine", conv, affine, Values::Floats),
        // Channels in sixteens, of which a step sums two: their number is even or odd.
        ("", forward(1, 1, 67, 16, 65, 1, 1, 0)?, none, Values::Wide),
        ("", forward(2, 5, 7, 16, 33, 3, 1, 1)?, none, Values::Floats),
        ("all", Conv2d { copies: 2, ..forward(1, 5, 7, 48, 20, 3, 1, 1)? }, full, Values::Integers),
        ("", forward(1, 9, 8, 32, 9, 3, 2, 1)?.grad_input(), none, Values::Floats),
        ("mask", forward(2, 5, 7, 19, 48, 3, 1, 1)?.grad_input(), gated, Values::Integers),
        ("mask", up_sixteens.grad_input(), Epilogue { residual: false, ..gated }, Values::Floats),
        ("", up_sixteens, none, Values::Integers),
        ("sum", sum_sixteens.grad_input(), gated, Values::Integers),
        ("", up, none, Values::Floats),
        ("", up, Epilogue { shift: Some(78), affine_len: 150, ..none }, Values::Integers),
        ("", up.grad_input(), none, Values::Floats),
        ("", strided, none, Values::Floats),
        ("", strided.grad_input(), none, Values::Floats),
        ("mask", conv.grad_input(), gated, Values::Integers),
        ("mask", copies.grad_input(), gated, Values::Floats),
        ("sum", shared.grad_input(), gated, Values::Integers),
        ("sum", shared.grad_input(), none, Values::Floats),
        (
            "copies",
            Conv2d { copies: 17, ..forward(1, 1, 67, 12, 68, 1, 1, 0)? },
            none,
            Values::Integers,
        ),
        (
            "copies",
            Conv2d { copies: 16, ..forward(1, 1, 9, 36, 20, 1, 1, 0)? },
            none,
            Values::Floats,
        ),
    ] {
        let mut random = Random::new(conv.x.vec4s() + conv.y.c);
        cases.push(case_of(label, conv, epilogue, kind, &mut random)?);
    }
    Ok(cases)
}
