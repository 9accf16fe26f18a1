/* Rows and columns from `offset` on, and zeros where there are none: pads and crops. */
static void nf_shift2d(const float *x, float *y, int channels, int rows, int columns, int out_rows,
                       int out_columns, int offset)
{
    int c, i, j;
    for (c = 0; c < channels; c++) {
        for (i = 0; i < out_rows; i++) {
            const int row = i + offset;
            for (j = 0; j < out_columns; j++) {
                const int column = j + offset;
                const int inside = row >= 0 && row < rows && column >= 0 && column < columns;
                *y++ = inside ? x[(size_t)(c * rows + row) * (size_t)columns + (size_t)column] : 0.0f;
            }
        }
    }
}
