#![no_main]
#[path = "../../kernels-tests/files/hostile/parsers.rs"]
#[allow(dead_code, reason = "each target is of one family")]
mod parsers;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    parsers::networks(bytes);
});
