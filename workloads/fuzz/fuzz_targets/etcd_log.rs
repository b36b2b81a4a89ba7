#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| quarrel_fuzz::targets::etcd_log(bytes));
