#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::config::fuzz::fuzz_configuration(data));
