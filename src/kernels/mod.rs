//! The kernels. One file has a kernel's interface, its plan from shapes to a dispatch, its CPU twin, and the
//! cases that compare kernel and twin. A gradient is beside its forward kernel; a family is a folder here and in
//! `shaders/`.

pub mod desc;
pub mod list;
pub mod plan;
mod tiles;
pub mod twin;

/// Kernels that measure the ceilings of an adapter.
pub mod bench {
    pub mod bench_copy;
    pub mod bench_fma;
    pub mod bench_integer;
    pub mod bench_matrix;
}

/// Convolutions and the gradients of their weights.
pub mod conv {
    pub mod conv2d;
    pub mod conv2d_grad_weight;
    pub mod weight_gradient;
}

/// Elementwise operations.
pub mod elementwise {
    pub mod activation;
    pub mod add;
    pub mod channel_affine;
    pub mod copy_shift;
    pub mod dropout;
    pub mod each;
    pub mod fuse_clamp;
    pub mod leaky_relu;
    pub mod learned_image;
    pub mod mask_gradient;
    pub mod multiply;
    pub mod pointwise;
}

/// Operations that move values: concatenation, padding, cropping, upsampling.
pub mod layout {
    pub mod concat_channels;
    pub mod gather2d;
    pub mod rearrange;
    pub mod upsample_nearest;
}

/// Losses and their gradients.
pub mod loss {
    pub mod distillation_loss;
    pub mod loss_totals;
    pub mod rows;
    pub mod softmax_cross_entropy;
}

/// Batch normalisation.
pub mod norm {
    pub mod apply;
    pub mod backward;
    pub mod statistics;
}

/// Updates of the parameters.
pub mod optimiser {
    pub mod adam;
    pub mod sgd;
}

/// Maximum and mean of sliding windows.
pub mod pool {
    pub mod avg_pool;
    pub mod max_pool;
    pub mod window;
}

/// Quantisation of weights, and dequantisation with faults.
pub mod quantise {
    pub mod fault_activations;
    pub mod fault_dequantize;
    pub mod quantize;
}

/// Reductions of many values to few.
pub mod reduce {
    pub mod absmax;
    pub mod channel_sum;
    pub mod chunking;
    pub mod image_dot;
    pub mod non_finite;
    pub mod sum_partials;
}

pub mod images;
pub mod matmul;
pub mod winograd;
