#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::auth::keys::fuzz::fuzz_authorized_keys(data));
