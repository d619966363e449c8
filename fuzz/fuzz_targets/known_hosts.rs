#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeport::connect::known_hosts::fuzz::fuzz_known_hosts(data));
