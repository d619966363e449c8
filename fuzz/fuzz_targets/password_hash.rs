#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::auth::password::fuzz::fuzz_password_hash(data));
