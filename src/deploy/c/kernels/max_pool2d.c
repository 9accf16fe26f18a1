/* The maximum of each window, without padding. */
static void nf_max_pool2d(const float *x, float *y, int channels, int rows, int columns, int kernel_rows,
                          int kernel_columns, int stride_rows, int stride_columns)
{
    const int out_rows = (rows - kernel_rows) / stride_rows + 1;
    const int out_columns = (columns - kernel_columns) / stride_columns + 1;
    int c, i, j, r, s;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < out_rows; i++) {
            for (j = 0; j < out_columns; j++) {
                const float *const from = x + (size_t)(c * rows + i * stride_rows) * (size_t)columns + j * stride_columns;
                float most = from[0];
                for (r = 0; r < kernel_rows; r++) {
                    for (s = 0; s < kernel_columns; s++) {
                        const float v = from[r * columns + s];
                        most = v > most ? v : most;
                    }
                }
                *y++ = most;
            }
        }
    }
}
