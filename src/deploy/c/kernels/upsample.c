/* Each pixel becomes a square of `by` times `by` pixels. */
static void nf_upsample(const float *x, float *y, int channels, int rows, int columns, int by)
{
    int c, i, j;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < rows * by; i++) {
            const float *const from = x + (size_t)(c * rows + i / by) * (size_t)columns;
            for (j = 0; j < columns * by; j++) {
                *y++ = from[j / by];
            }
        }
    }
}
