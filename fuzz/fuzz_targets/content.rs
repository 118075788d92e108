//! See `tidegate_fuzz::content`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tidegate_fuzz::content::run(data));
