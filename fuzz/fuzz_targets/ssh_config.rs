#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeport::connect::ssh_config::fuzz::fuzz_ssh_config(data));
