//! What lies between convolutions, and Winograd's parts, at the size of `resnet18`'s and `ConvL`'s first layers;
//! products of matrices at that of `resnet18`'s last layers too, whose weights are 36 MiB.

use super::Spec;
use crate::{
    error::Result,
    kernel::Plan,
    ops::{
        self,
        activation::Activation,
        conv2d::{Conv2d, Fusion},
        gather2d::Gather,
        winograd::{Form, Tiles},
    },
    shape::{Nhwc, Window},
};

const HALVE: Window = Window { kernel: [2, 2], stride: 2, padding: 0 };

/// A case of each kernel.
pub(super) fn specs(batch: u32) -> Result<Vec<Spec>> {
    let x = Nhwc::new(batch, 32, 32, 64);
    let small = Nhwc::new(batch, 16, 16, 64);
    let images = Nhwc::new(batch, 32, 32, 3);
    let (relu, c) = (Activation::Relu, x.c);
    let rows = Nhwc::new(batch, 1, 1, 10);
    let chunks = ops::batch_norm_grad_sums::chunks(x);
    let conv = Conv2d::forward(x, x.c, Window::square(3, 1, 1))?;
    let [tiles, tiles4] = [Form::F2, Form::F4].map(|form| Tiles::new(conv, form, 0, batch));
    let (tiles, tiles4) = (tiles?, tiles4?);
    let last = Nhwc::new(batch, 4, 4, 512);
    let last_conv = Conv2d::forward(last, last.c, Window::square(3, 1, 1))?;
    let last_tiles = Tiles::new(last_conv, Form::F4, 0, batch)?;
    let plans: Vec<(Nhwc, Plan)> = vec![
        (x, ops::activation::plan(x, relu)?),
        (x, ops::activation_grad::plan(x, relu)?),
        (x, ops::add::plan(x)?),
        (x, ops::avg_pool::plan(x, HALVE)?),
        (x, ops::avg_pool_grad::plan(x, HALVE)?),
        (x, ops::max_pool::plan(x, HALVE)?),
        (x, ops::max_pool_grad::plan(x, HALVE)?),
        (x, ops::batch_norm_stats::plan(x)?),
        (x, ops::batch_norm_finish::plan(x, x, 1e-5, 0.1)?),
        (x, ops::batch_norm_apply::plan(x, relu, 0, c, 2 * c)?),
        (x, ops::batch_norm_grad_sums::plan(x, relu)?),
        (x, ops::batch_norm_grad_finish::plan(x, chunks, 0, c, 2 * c)?),
        (x, ops::batch_norm_grad::plan(x, x.pixels(), relu, 0, 2 * c)?),
        (x, ops::mask_gradient::plan(x, 1)?),
        (x, ops::channel_affine::plan(x)?),
        (x, ops::concat_channels::plan(x, x)?),
        (x, ops::gather2d::plan(x, Nhwc::new(batch, 16, 16, c), Gather::subsample(2))?),
        (small, ops::upsample_nearest::plan(small, 2)?),
        (small, ops::upsample_nearest_grad::plan(small, 2)?),
        (x, ops::winograd_input::plan(tiles, false)?),
        (x, ops::matmul::plan(tiles.product())?),
        (last, ops::matmul::plan(last_tiles.product())?),
        (x, ops::winograd_output::plan(tiles, Fusion::default())?),
        (x, ops::winograd_input::plan(tiles4, false)?),
        (x, ops::winograd_output::plan(tiles4, Fusion::default())?),
        (images, ops::fuse_clamp::plan(images)?),
        (images, ops::fuse_clamp_grad::plan(images)?),
        (images, ops::image_batch::plan(batch, 32, 32, 0, batch)?),
        (rows, ops::softmax_cross_entropy::plan(3, batch, rows.c)?),
        (rows, ops::distillation_loss::plan(3, batch, rows.c, 1.0)?),
        (rows, ops::loss_totals::plan(3, batch)?),
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
