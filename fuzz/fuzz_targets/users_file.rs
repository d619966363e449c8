#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::config::users_file::fuzz::fuzz_users_file(data));
