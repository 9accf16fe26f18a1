// Convolution and transposed convolution, forward and input gradient: cooperative matrices
// 16x16x16.
//
//   y[n,oy,ox,k] = act(scale[k] * sum_{r,s,c} x[n,iy,ix,c] w[r,s,c,k] + shift[k] + residual)
//
// Operands are rounded to f16; products are summed in f32. A workgroup computes 128 pixels x 64
// output channels, 32 input channels at a time: lanes fetch the next 32 while these are multiplied.
// A subgroup holds 32 x 32 results in four accumulators, named (row, column).
//
// Grid:    one workgroup per (64 channels, 128 pixels, class, copy), channels fastest.
// Twin:    src/kernels/conv/conv2d/twin.rs
// Source:  PyTorch conv2d and conv_transpose2d (cross-correlation); NHWC, weights RSCK.

