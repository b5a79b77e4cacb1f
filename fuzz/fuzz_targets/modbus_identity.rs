#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| kouan_fuzz_targets::run("modbus_identity", data));
