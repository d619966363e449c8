#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::ops::users_file::import::fuzz::import(data));
