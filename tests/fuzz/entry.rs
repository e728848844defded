//! libFuzzer's entry: hands bytes to the target that `FUZZ_TARGET` names. See `run` beside this file.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

mod targets;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    targets::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .unwrap_or_else(|| panic!("FUZZ_TARGET names no target: {name:?}"))
        .1
});

fuzz_target!(|bytes: &[u8]| TARGET(bytes));
