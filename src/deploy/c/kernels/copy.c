static void nf_copy(const float *x, float *y, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        y[i] = x[i];
    }
}
