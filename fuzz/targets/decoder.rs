//! libFuzzer's hand on one decoder of `cred_helper::fuzzing::DECODERS`, which the variable `DECODER` names; without it,
//! their names are printed. One program for all, so that a new decoder costs no line here: `tests/fuzz` runs it.

#![no_main]

use std::sync::LazyLock;

use cred_helper::fuzzing::{DECODERS, Decoder, run};
use libfuzzer_sys::fuzz_target;

static CHOSEN: LazyLock<Decoder> = LazyLock::new(|| {
    let asked = std::env::var("DECODER").unwrap_or_default();
    let found = DECODERS.iter().find(|(name, _)| *name == asked);
    let Some((_, decoder)) = found else {
        DECODERS.iter().for_each(|(name, _)| println!("{name}"));
        std::process::exit(i32::from(!asked.is_empty()));
    };
    *decoder
});

fuzz_target!(init: { LazyLock::force(&CHOSEN); }, |input: &[u8]| run(*CHOSEN, input));
