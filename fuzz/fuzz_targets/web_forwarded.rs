#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::web::forwarded::fuzz::fuzz_forwarded(data));
