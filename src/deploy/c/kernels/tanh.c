/* tanh of each value; x and y may be the same. */
static void nf_tanh(const float *x, float *y, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        y[i] = tanhf(x[i]);
    }
}
