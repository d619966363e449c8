#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| sftp_wire::fuzz::fuzz_packet(data));
