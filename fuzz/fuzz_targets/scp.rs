#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::exec::fuzz_scp(data));
