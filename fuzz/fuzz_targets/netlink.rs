//! Whatever a kernel sends, the decoder survives it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    nft::decode::readings(bytes);
});
