#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::ssh::proxy_header::fuzz::fuzz_proxy_header(data));
