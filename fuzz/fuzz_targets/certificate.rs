#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::auth::fuzz::fuzz_certificate(data));
