#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| homeportd::auth::trust::fuzz::fuzz_key_lists(data));
