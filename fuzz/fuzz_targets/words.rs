#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| base::words::fuzz::fuzz_words(data));
