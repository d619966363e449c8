#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::web::range::fuzz::fuzz_range(data));
