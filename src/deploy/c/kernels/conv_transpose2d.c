/*
 * The same for a transposed convolution, whose words are q[c][k][r][s]: x[c][i][j] goes to
 * y[k][i * stride + r - top][j * stride + s - left].
 */
static void nf_conv_transpose2d(const float *x, float *y, const int8_t *q, const float *factor, const float *shift,
                                const struct nf_convolution *p)
{
    const int plane = p->out_rows * p->out_columns;
    const int taps = p->kernel_rows * p->kernel_columns;
    int k, c, r, s, i, j;
    for (k = 0; k < p->out_channels; k++) {
        float *const out = y + (size_t)k * (size_t)plane;
        nf_clear(out, plane);
        for (c = 0; c < p->channels; c++) {
            const float *const in = x + (size_t)c * (size_t)(p->rows * p->columns);
            const int8_t *const words = q + (size_t)(c * p->out_channels + k) * (size_t)taps;
            for (r = 0; r < p->kernel_rows; r++) {
                for (s = 0; s < p->kernel_columns; s++) {
                    const float weight = (float)words[r * p->kernel_columns + s];
                    for (i = 0; i < p->rows; i++) {
                        const int row = i * p->stride + r - p->top;
                        if (row < 0 || row >= p->out_rows) {
                            continue;
                        }
                        for (j = 0; j < p->columns; j++) {
                            const int column = j * p->stride + s - p->left;
                            if (column >= 0 && column < p->out_columns) {
                                out[row * p->out_columns + column] += weight * in[i * p->columns + j];
                            }
                        }
                    }
                }
            }
        }
        nf_scale(out, plane, factor[k], shift[k], p->relu);
    }
}
