#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::web::tus::headers::fuzz::fuzz_tus_headers(data));
