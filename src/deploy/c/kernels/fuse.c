/* clamp(x + g, -1, 1) of each value. */
static void nf_fuse(const float *x, const float *g, float *y, int count)
{
    int i;
    for (i = 0; i < count; i++) {
        const float sum = x[i] + g[i];
        y[i] = sum < -1.0f ? -1.0f : (sum > 1.0f ? 1.0f : sum);
    }
}
