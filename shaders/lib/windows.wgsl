// The sliding windows that cover a pixel, along one axis: from `first_window` to before
// `end_window`. `at` is the pixel's index in the padded image.

fn first_window(at: u32, kernel: u32, stride: u32) -> u32 {
    let past = max(at + 1u, kernel) - kernel;
    return past / stride + u32(past % stride != 0u);
}

fn end_window(at: u32, stride: u32, windows: u32) -> u32 {
    return min(at / stride + 1u, windows);
}
