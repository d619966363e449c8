#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::web::cookies::fuzz::fuzz_cookies(data));
