/*
 * y[k] = factor[k] * sum of q[k][c][r][s] * x[c][i + r - top][j + s - left] + shift[k], with the words q as they are
 * stored. The sums run over c, then r, then s.
 */
static void nf_conv2d(const float *x, float *y, const int8_t *q, const float *factor, const float *shift,
                      const struct nf_convolution *p)
{
    const int plane = p->out_rows * p->out_columns;
    int k, c, r, s, i, j;
    for (k = 0; k < p->out_channels; k++) {
        float *const out = y + (size_t)k * (size_t)plane;
        nf_clear(out, plane);
        for (c = 0; c < p->channels; c++) {
            const float *const in = x + (size_t)c * (size_t)(p->rows * p->columns);
            for (r = 0; r < p->kernel_rows; r++) {
                for (s = 0; s < p->kernel_columns; s++) {
                    const float weight = (float)*q++;
                    const int top = p->top > r ? p->top - r : 0;
                    const int below = p->rows + p->top - r;
                    const int bottom = below < p->out_rows ? below : p->out_rows;
                    const int left = p->left > s ? p->left - s : 0;
                    const int beyond = p->columns + p->left - s;
                    const int right = beyond < p->out_columns ? beyond : p->out_columns;
                    for (i = top; i < bottom; i++) {
                        const float *const from = in + (i + r - p->top) * p->columns;
                        float *const to = out + i * p->out_columns;
                        for (j = left; j < right; j++) {
                            to[j] += weight * from[j + s - p->left];
                        }
                    }
                }
            }
        }
        nf_scale(out, plane, factor[k], shift[k], p->relu);
    }
}
