//! The list of kernels: one line each. `ops` (plans) and `reference` (CPU twins and cases) declare a
//! module per name; the interface test holds the list against the files of `shaders/`.

/// Calls the macro `$then` with the names of all kernels.
#[macro_export]
macro_rules! for_each_kernel {
    ($then:ident) => {
        $then! {
            absmax,
            activation,
            activation_grad,
            adam,
            add,
            avg_pool,
            avg_pool_grad,
            batch_norm_apply,
            batch_norm_finish,
            batch_norm_grad,
            batch_norm_grad_finish,
            batch_norm_grad_sums,
            batch_norm_stats,
            bench_copy,
            bench_fma,
            bench_integer,
            bench_matrix,
            channel_affine,
            channel_sum,
            concat_channels,
            conv2d,
            conv2d_grad_weight,
            dropout,
            fault_dequantize,
            fuse_clamp,
            fuse_clamp_grad,
            gather2d,
            image_batch,
            learned_image,
            learned_image_grad,
            loss_totals,
            mask_gradient,
            matmul,
            max_pool,
            max_pool_grad,
            non_finite,
            quantize,
            sgd,
            softmax_cross_entropy,
            sum_partials,
            upsample_nearest,
            upsample_nearest_grad,
            weight_gradient,
            winograd_input,
            winograd_output,
            winograd_weights,
        }
    };
}
