//! The list of kernels.

use super::{
    bench, conv,
    desc::KernelDesc,
    elementwise, images, layout, loss, matmul, norm, optimiser, pool, quantise, reduce,
    twin::{Suite, with_specials},
    winograd,
};

macro_rules! suite {
    ($kernel:path, $cases:path, $random:path) => {
        Suite { kernel: &$kernel, cases: || with_specials($cases()?, $random), random: $random }
    };
}

static ALL: &[Suite] = &[
    suite!(reduce::absmax::KERNEL, reduce::absmax_twin::cases, reduce::absmax_twin::random),
    suite!(
        elementwise::activation::KERNEL,
        elementwise::activation_twin::cases,
        elementwise::activation_twin::random
    ),
    suite!(
        elementwise::activation_grad::KERNEL,
        elementwise::activation_grad_twin::cases,
        elementwise::activation_grad_twin::random
    ),
    suite!(optimiser::adam::KERNEL, optimiser::adam_twin::cases, optimiser::adam_twin::random),
    suite!(elementwise::add::KERNEL, elementwise::add_twin::cases, elementwise::add_twin::random),
    suite!(pool::avg_pool::KERNEL, pool::avg_pool_twin::cases, pool::avg_pool_twin::random),
    suite!(
        pool::avg_pool_grad::KERNEL,
        pool::avg_pool_grad_twin::cases,
        pool::avg_pool_grad_twin::random
    ),
    suite!(
        norm::batch_norm_apply::KERNEL,
        norm::batch_norm_apply_twin::cases,
        norm::batch_norm_apply_twin::random
    ),
    suite!(
        norm::batch_norm_finish::KERNEL,
        norm::batch_norm_finish_twin::cases,
        norm::batch_norm_finish_twin::random
    ),
    suite!(
        norm::batch_norm_grad::KERNEL,
        norm::batch_norm_grad_twin::cases,
        norm::batch_norm_grad_twin::random
    ),
    suite!(
        norm::batch_norm_grad_finish::KERNEL,
        norm::batch_norm_grad_finish_twin::cases,
        norm::batch_norm_grad_finish_twin::random
    ),
    suite!(
        norm::batch_norm_grad_sums::KERNEL,
        norm::batch_norm_grad_sums_twin::cases,
        norm::batch_norm_grad_sums_twin::random
    ),
    suite!(
        norm::batch_norm_stats::KERNEL,
        norm::batch_norm_stats_twin::cases,
        norm::batch_norm_stats_twin::random
    ),
    suite!(
        bench::bench_copy::KERNEL,
        bench::bench_copy_twin::cases,
        bench::bench_copy_twin::random
    ),
    suite!(bench::bench_fma::KERNEL, bench::bench_fma_twin::cases, bench::bench_fma_twin::random),
    suite!(
        bench::bench_integer::KERNEL,
        bench::bench_integer_twin::cases,
        bench::bench_integer_twin::random
    ),
    suite!(
        bench::bench_matrix::KERNEL,
        bench::bench_matrix_twin::cases,
        bench::bench_matrix_twin::random
    ),
    suite!(
        elementwise::channel_affine::KERNEL,
        elementwise::channel_affine_twin::cases,
        elementwise::channel_affine_twin::random
    ),
    suite!(
        reduce::channel_sum::KERNEL,
        reduce::channel_sum_twin::cases,
        reduce::channel_sum_twin::random
    ),
    suite!(
        layout::concat_channels::KERNEL,
        layout::concat_channels_twin::cases,
        layout::concat_channels_twin::random
    ),
    suite!(conv::conv2d::KERNEL, conv::conv2d::twin::cases, conv::conv2d::twin::random),
    suite!(
        conv::conv2d_grad_weight::KERNEL,
        conv::conv2d_grad_weight_twin::cases,
        conv::conv2d_grad_weight_twin::random
    ),
    suite!(
        loss::distillation_loss::KERNEL,
        loss::distillation_loss_twin::cases,
        loss::distillation_loss_twin::random
    ),
    suite!(
        elementwise::dropout::KERNEL,
        elementwise::dropout_twin::cases,
        elementwise::dropout_twin::random
    ),
    suite!(
        quantise::fault_dequantize::KERNEL,
        quantise::fault_dequantize::twin::cases,
        quantise::fault_dequantize::twin::random
    ),
    suite!(
        elementwise::fuse_clamp::KERNEL,
        elementwise::fuse_clamp_twin::cases,
        elementwise::fuse_clamp_twin::random
    ),
    suite!(
        elementwise::fuse_clamp_grad::KERNEL,
        elementwise::fuse_clamp_grad_twin::cases,
        elementwise::fuse_clamp_grad_twin::random
    ),
    suite!(layout::gather2d::KERNEL, layout::gather2d_twin::cases, layout::gather2d_twin::random),
    suite!(images::KERNEL, images::twin::cases, images::twin::random),
    suite!(
        elementwise::learned_image::KERNEL,
        elementwise::learned_image_twin::cases,
        elementwise::learned_image_twin::random
    ),
    suite!(
        elementwise::learned_image_grad::KERNEL,
        elementwise::learned_image_grad_twin::cases,
        elementwise::learned_image_grad_twin::random
    ),
    suite!(
        loss::loss_totals::KERNEL,
        loss::loss_totals_twin::cases,
        loss::loss_totals_twin::random
    ),
    suite!(
        elementwise::mask_gradient::KERNEL,
        elementwise::mask_gradient_twin::cases,
        elementwise::mask_gradient_twin::random
    ),
    suite!(matmul::KERNEL, matmul::twin::cases, matmul::twin::random),
    suite!(pool::max_pool::KERNEL, pool::max_pool_twin::cases, pool::max_pool_twin::random),
    suite!(
        pool::max_pool_grad::KERNEL,
        pool::max_pool_grad_twin::cases,
        pool::max_pool_grad_twin::random
    ),
    suite!(
        reduce::non_finite::KERNEL,
        reduce::non_finite_twin::cases,
        reduce::non_finite_twin::random
    ),
    suite!(
        quantise::quantize::KERNEL,
        quantise::quantize_twin::cases,
        quantise::quantize_twin::random
    ),
    suite!(optimiser::sgd::KERNEL, optimiser::sgd_twin::cases, optimiser::sgd_twin::random),
    suite!(
        loss::softmax_cross_entropy::KERNEL,
        loss::softmax_cross_entropy_twin::cases,
        loss::softmax_cross_entropy_twin::random
    ),
    suite!(
        reduce::sum_partials::KERNEL,
        reduce::sum_partials_twin::cases,
        reduce::sum_partials_twin::random
    ),
    suite!(
        layout::upsample_nearest::KERNEL,
        layout::upsample_nearest_twin::cases,
        layout::upsample_nearest_twin::random
    ),
    suite!(
        layout::upsample_nearest_grad::KERNEL,
        layout::upsample_nearest_grad_twin::cases,
        layout::upsample_nearest_grad_twin::random
    ),
    suite!(
        conv::weight_gradient::KERNEL,
        conv::weight_gradient_twin::cases,
        conv::weight_gradient_twin::random
    ),
    suite!(
        winograd::winograd4_input::KERNEL,
        winograd::winograd4_input_twin::cases,
        winograd::winograd4_input_twin::random
    ),
    suite!(
        winograd::winograd4_output::KERNEL,
        winograd::winograd4_output_twin::cases,
        winograd::winograd4_output_twin::random
    ),
    suite!(
        winograd::winograd4_weights::KERNEL,
        winograd::winograd4_weights_twin::cases,
        winograd::winograd4_weights_twin::random
    ),
    suite!(winograd::input::KERNEL, winograd::input_twin::cases, winograd::input_twin::random),
    suite!(winograd::output::KERNEL, winograd::output_twin::cases, winograd::output_twin::random),
    suite!(
        winograd::weights::KERNEL,
        winograd::weights_twin::cases,
        winograd::weights_twin::random
    ),
];

/// Every kernel with its cases, in the order of their names.
pub fn suites() -> impl Iterator<Item = &'static Suite> {
    ALL.iter()
}

/// Every kernel, in the order of their names.
pub fn kernels() -> impl Iterator<Item = &'static KernelDesc> {
    suites().map(|suite| suite.kernel)
}
