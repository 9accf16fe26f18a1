/*
 * A convolution of stride 1, or a transposed one: rows, columns and channels of input and output, the kernel, the zeros
 * above and on the left, and the step of a transposed one.
 */
struct nf_convolution {
    int channels, rows, columns;
    int out_channels, out_rows, out_columns;
    int kernel_rows, kernel_columns, top, left, stride;
    int relu;
};

static void nf_clear(float *y, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        y[i] = 0.0f;
    }
}

/* y = factor * y + shift, and max(y, 0) where there is a ReLU, for one channel. */
static void nf_scale(float *y, int count, float factor, float shift, int relu)
{
    int i;
    for (i = 0; i < count; i++) {
        const float v = y[i] * factor + shift;
        y[i] = (relu && !(v > 0.0f)) ? 0.0f : v;
    }
}
