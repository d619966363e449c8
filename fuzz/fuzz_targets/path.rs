#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::domain::path::fuzz::fuzz_path(data));
