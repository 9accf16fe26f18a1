// The uniform block of kernels that quantise a tensor.

struct StoredTensorParams {
    offset: u32, // offset of the tensor in `parameters`
    len: u32,    // weights
    index: u32,  // index of the tensor in `scales`
    bits: u32,   // 2 to 8
}

@group(0) @binding(0) var<uniform> params: StoredTensorParams;
