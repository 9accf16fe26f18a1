// Both halves of a product, the low one first, in 64 bits: one or two instructions of most
// processors, where lib/multiply.wgsl takes thirteen.
fn multiply(a: u32, b: u32) -> vec2<u32> {
    let product = u64(a) * u64(b);
    return vec2<u32>(u32(product), u32(product >> 32u));
}
