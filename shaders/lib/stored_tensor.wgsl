// The uniform block of kernels that make stored words of a tensor.

struct StoredTensorParams {
    offset: u32, // of the tensor in `parameters`
    len: u32,    // weights
    index: u32,  // of the tensor in `scales`
    bits: u32,   // 2 to 8
}

@group(0) @binding(0) var<uniform> params: StoredTensorParams;
