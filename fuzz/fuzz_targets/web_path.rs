#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::web::url_path::fuzz::fuzz_url_path(data));
