//! The list of kernels: one line each. `ops` (plans) and `reference` (CPU twins and cases) declare a
//! module per name; the interface test holds the list against the files of `shaders/`.

/// Calls the macro `$then` with the names of all kernels.
#[macro_export]
macro_rules! for_each_kernel {
    ($then:ident) => {
        $then! {
            adam,
            add,
            batch_norm_apply,
            batch_norm_finish,
            batch_norm_grad,
            batch_norm_grad_finish,
            batch_norm_grad_sums,
            batch_norm_stats,
            channel_sum,
            image_batch,
            loss_totals,
            sgd,
            softmax_cross_entropy,
            sum_partials,
        }
    };
}
