//! Every kernel in one place: its interface, its plan from shapes to a dispatch, its CPU twin and the cases that
//! compare the two; a gradient stands beside its forward kernel. A family is a folder here and in `shaders/`.

pub mod desc;
pub mod list;
pub mod plan;
pub mod twin;

/// What an adapter can do at most.
pub mod bench {
    pub mod bench_copy;
    pub mod bench_copy_twin;
    pub mod bench_fma;
    pub mod bench_fma_twin;
    pub mod bench_integer;
    pub mod bench_integer_twin;
    pub mod bench_matrix;
    pub mod bench_matrix_twin;
}

/// Convolutions and their gradients.
pub mod conv {
    pub mod conv2d;
    pub mod conv2d_grad_weight;
    pub mod conv2d_grad_weight_twin;
    pub mod weight_gradient;
    pub mod weight_gradient_twin;
}

/// One value at a time.
pub mod elementwise {
    pub mod activation;
    pub mod activation_grad;
    pub mod activation_grad_twin;
    pub mod activation_twin;
    pub mod add;
    pub mod add_twin;
    pub mod channel_affine;
    pub mod channel_affine_twin;
    pub mod dropout;
    pub mod dropout_twin;
    pub mod fuse_clamp;
    pub mod fuse_clamp_grad;
    pub mod fuse_clamp_grad_twin;
    pub mod fuse_clamp_twin;
    pub mod learned_image;
    pub mod learned_image_grad;
    pub mod learned_image_grad_twin;
    pub mod learned_image_twin;
    pub mod mask_gradient;
    pub mod mask_gradient_twin;
}

/// The same values in another place.
pub mod layout {
    pub mod concat_channels;
    pub mod concat_channels_twin;
    pub mod gather2d;
    pub mod gather2d_twin;
    pub mod upsample_nearest;
    pub mod upsample_nearest_grad;
    pub mod upsample_nearest_grad_twin;
    pub mod upsample_nearest_twin;
}

/// How wrong answers are.
pub mod loss {
    pub mod distillation_loss;
    pub mod distillation_loss_twin;
    pub mod loss_totals;
    pub mod loss_totals_twin;
    pub mod softmax_cross_entropy;
    pub mod softmax_cross_entropy_twin;
}

/// Batch normalisation.
pub mod norm {
    pub mod batch_norm_apply;
    pub mod batch_norm_apply_twin;
    pub mod batch_norm_finish;
    pub mod batch_norm_finish_twin;
    pub mod batch_norm_grad;
    pub mod batch_norm_grad_finish;
    pub mod batch_norm_grad_finish_twin;
    pub mod batch_norm_grad_sums;
    pub mod batch_norm_grad_sums_twin;
    pub mod batch_norm_grad_twin;
    pub mod batch_norm_stats;
    pub mod batch_norm_stats_twin;
}

/// Steps of parameters.
pub mod optimiser {
    pub mod adam;
    pub mod adam_twin;
    pub mod sgd;
    pub mod sgd_twin;
}

/// Pooling.
pub mod pool {
    pub mod avg_pool;
    pub mod avg_pool_grad;
    pub mod avg_pool_grad_twin;
    pub mod avg_pool_twin;
    pub mod max_pool;
    pub mod max_pool_grad;
    pub mod max_pool_grad_twin;
    pub mod max_pool_twin;
}

/// Stored weights and their faults.
pub mod quantise {
    pub mod fault_dequantize;
    pub mod quantize;
    pub mod quantize_twin;
}

/// Many values to few.
pub mod reduce {
    pub mod absmax;
    pub mod absmax_twin;
    pub mod channel_sum;
    pub mod channel_sum_twin;
    pub mod chunking;
    pub mod non_finite;
    pub mod non_finite_twin;
    pub mod sum_partials;
    pub mod sum_partials_twin;
}

pub mod images;
pub mod matmul;
pub mod winograd;
