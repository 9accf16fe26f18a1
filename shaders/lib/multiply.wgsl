// Both 32-bit halves of a product, the low one first, from four products of 16-bit halves: WGSL's
// own product has only the low half.
fn multiply(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 16u); // at most (2^16 - 1)^2 + 2^16 - 1
    let carry = a0 * b1 + (middle & 0xffffu);
    let high = a1 * b1 + (middle >> 16u) + (carry >> 16u);
    return vec2<u32>((carry << 16u) | (low & 0xffffu), high);
}
