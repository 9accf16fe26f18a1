//! Cases of the kernels between convolutions and of Winograd's parts, at the size of `resnet18`'s and `ConvL`'s
//! first layers; matrix products also at that of `resnet18`'s last layers, whose weights are 36 MiB.

use super::Spec;
use crate::{
    error::Result,
    kernels::{
        conv::conv2d::{Conv2d, Epilogue},
        elementwise::{self, activation::Activation},
        images,
        layout::{self, gather2d::Gather},
        loss, matmul, norm,
        plan::Plan,
        pool::{self, window::Divisor},
        reduce,
        winograd::{self, Form, Tiles},
    },
    shape::{Nhwc, Window},
};

const HALVE: Window = Window::even([2, 2], 2, 0);

/// A case of each kernel.
pub(super) fn specs(batch: u32) -> Result<Vec<Spec>> {
    let x = Nhwc::new(batch, 32, 32, 64);
    let small = Nhwc::new(batch, 16, 16, 64);
    let images = Nhwc::new(batch, 32, 32, 3);
    let (relu, c) = (Activation::Relu, x.c);
    let rows = Nhwc::new(batch, 1, 1, 10);
    let chunks = reduce::chunking::chunks(x);
    let conv = Conv2d::forward(x, x.c, Window::square(3, 1, 1))?;
    let [tiles, tiles4] = [Form::F2, Form::F4].map(|form| Tiles::new(conv, form, 0, batch));
    let (tiles, tiles4) = (tiles?, tiles4?);
    let last = Nhwc::new(batch, 4, 4, 512);
    let last_conv = Conv2d::forward(last, last.c, Window::square(3, 1, 1))?;
    let last_tiles = Tiles::new(last_conv, Form::F4, 0, batch)?;
    let plans: Vec<(Nhwc, Plan)> = vec![
        (x, elementwise::activation::plan(x, relu)?),
        (x, elementwise::activation::plan_grad(x, relu)?),
        (x, elementwise::add::plan(x)?),
        (x, pool::avg_pool::plan(x, HALVE, Divisor::Window)?),
        (x, pool::avg_pool::plan_grad(x, HALVE, Divisor::Window)?),
        (x, pool::max_pool::plan(x, HALVE)?),
        (x, pool::max_pool::plan_grad(x, HALVE)?),
        (x, norm::statistics::plan_stats(x)?),
        (x, norm::statistics::plan_finish(x, x, 1e-5, 0.1)?),
        (x, norm::apply::plan(x, relu, 0, c, 2 * c)?),
        (x, norm::backward::plan_sums(x, relu)?),
        (x, norm::backward::plan_finish(x, chunks, 0, c, 2 * c)?),
        (x, norm::backward::plan_grad(x, x.pixels(), relu, 0, 2 * c)?),
        (x, elementwise::mask_gradient::plan(x, 1)?),
        (x, elementwise::channel_affine::plan(x, 0, Some(x.c), 2 * x.c)?),
        (x, layout::concat_channels::plan(x, x)?),
        (x, layout::gather2d::plan(x, Nhwc::new(batch, 16, 16, c), Gather::subsample(2))?),
        (small, layout::upsample_nearest::plan(small, 2)?),
        (small, layout::upsample_nearest::plan_grad(small, 2)?),
        (x, winograd::input::plan(tiles, false)?),
        (x, matmul::plan(tiles.product())?),
        (last, matmul::plan(last_tiles.product())?),
        (x, winograd::output::plan(tiles, Epilogue::default())?),
        (x, winograd::input::plan(tiles4, false)?),
        (x, winograd::output::plan(tiles4, Epilogue::default())?),
        (images, elementwise::fuse_clamp::plan(images)?),
        (images, elementwise::fuse_clamp::plan_grad(images)?),
        (images, images::plan(Nhwc::new(batch, 32, 32, 3), 0, batch)?),
        (rows, loss::softmax_cross_entropy::plan(3, batch, rows.c)?),
        (rows, loss::distillation_loss::plan(3, batch, rows.c, 1.0)?),
        (rows, loss::loss_totals::plan(3, batch)?),
    ];
    let spec = |(shape, plan): (Nhwc, Plan)| Spec {
        role: plan.kernel.name.into(),
        shape: shape.to_string(),
        plan,
        conv: None,
        of: Vec::new(),
    };
    Ok(plans.into_iter().map(spec).collect())
}
