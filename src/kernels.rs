//! The list of kernels: one line each. `ops` (plans) and `reference` (CPU twins and cases) declare a
//! module per name; the interface test holds the list against the files of `shaders/`.

/// Calls the macro `$then` with the names of all kernels.
#[macro_export]
macro_rules! for_each_kernel {
    ($then:ident) => {
        $then! {
            add,
        }
    };
}
