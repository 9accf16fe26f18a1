// Philox4x32-10 (Salmon et al., SC 2011). Joined after lib/multiply.wgsl or
// lib/multiply_int64.wgsl.

fn philox_round(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let p0 = multiply(0xD2511F53u, c.x);
    let p1 = multiply(0xCD9E8D57u, c.z);
    return vec4<u32>(p1.y ^ c.y ^ key.x, p1.x, p0.y ^ c.w ^ key.y, p0.x);
}

// The rounds are a loop, which a driver can unroll if the variant is trusted and the loop has no
// second bound. Written out, the rounds of every call would be compiled even where a constant rules
// the call out.
fn philox4x32_10(counter: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = counter;
    var k = key;
    for (var i = 0u; i < 10u; i++) {
        c = philox_round(c, k);
        k += vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
    }
    return c;
}
