// Both 32-bit halves of a product, the low one first. A driver can compile this to one widening
// product, where lib/multiply.wgsl has four products and their sums.
fn multiply(a: u32, b: u32) -> vec2<u32> {
    let product = u64(a) * u64(b);
    return vec2<u32>(u32(product), u32(product >> 32u));
}
