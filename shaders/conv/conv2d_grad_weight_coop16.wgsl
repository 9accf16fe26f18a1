// Weight gradient of a convolution, in partial sums over chunks of pixels: cooperative matrices
// 16x16x16.
//
//   partial[j,r,s,c,k] = sum over pixels (n,oy,ox) of chunk j of
//                    x[n, oy * stride + r - padding, ox * stride + s - padding, c] dy[n,oy,ox,k]
//
// Operands are rounded to f16; products are summed in f32. A workgroup computes 128 rows (channels
// of taps) x 64 output channels, 32 pixels at a time: lanes fetch the next 32 while these are
// multiplied. A subgroup holds 32 x 32 results in four accumulators, named (row, column).
//
// Grid:    one workgroup per (64 output channels, 32 row groups, chunk).
// Twin:    src/kernels/conv/conv2d_grad_weight.rs
// Source:  PyTorch conv2d's gradient. A transposed convolution's is the same, x and dy exchanged.

