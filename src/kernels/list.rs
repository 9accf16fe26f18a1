//! The list of kernels, with a line for each file.

use super::{
    bench, conv, desc::KernelDesc, elementwise, images, layout, loss, matmul, norm, optimiser,
    pool, quantise, reduce, twin::Suite, winograd,
};

/// The kernels of every file, with their cases.
static FILES: &[&[Suite]] = &[
    &bench::bench_copy::SUITES,
    &bench::bench_fma::SUITES,
    &bench::bench_integer::SUITES,
    &bench::bench_matrix::SUITES,
    &conv::conv2d::SUITES,
    &conv::conv2d_grad_weight::SUITES,
    &conv::weight_gradient::SUITES,
    &elementwise::activation::SUITES,
    &elementwise::add::SUITES,
    &elementwise::channel_affine::SUITES,
    &elementwise::copy_shift::SUITES,
    &elementwise::dropout::SUITES,
    &elementwise::fuse_clamp::SUITES,
    &elementwise::leaky_relu::SUITES,
    &elementwise::learned_image::SUITES,
    &elementwise::mask_gradient::SUITES,
    &elementwise::multiply::SUITES,
    &elementwise::pointwise::SUITES,
    &images::SUITES,
    &layout::concat_channels::SUITES,
    &layout::gather2d::SUITES,
    &layout::rearrange::SUITES,
    &layout::upsample_nearest::SUITES,
    &loss::distillation_loss::SUITES,
    &loss::loss_totals::SUITES,
    &loss::softmax_cross_entropy::SUITES,
    &matmul::SUITES,
    &norm::apply::SUITES,
    &norm::backward::SUITES,
    &norm::statistics::SUITES,
    &optimiser::adam::SUITES,
    &optimiser::sgd::SUITES,
    &pool::avg_pool::SUITES,
    &pool::max_pool::SUITES,
    &quantise::fault_activations::SUITES,
    &quantise::fault_dequantize::SUITES,
    &quantise::quantize::SUITES,
    &reduce::absmax::SUITES,
    &reduce::channel_sum::SUITES,
    &reduce::image_dot::SUITES,
    &reduce::non_finite::SUITES,
    &reduce::sum_partials::SUITES,
    &winograd::input::SUITES,
    &winograd::output::SUITES,
    &winograd::weights::SUITES,
];

/// Every kernel with its cases, in the order of the kernels' names.
pub fn suites() -> impl Iterator<Item = &'static Suite> {
    let mut all: Vec<&Suite> = FILES.iter().copied().flatten().collect();
    all.sort_by_key(|suite| suite.kernel.name);
    all.into_iter()
}

/// Every kernel, in the order of their names.
pub fn kernels() -> impl Iterator<Item = &'static KernelDesc> {
    suites().map(|suite| suite.kernel)
}
