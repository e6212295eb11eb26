//! Every decoder of foreign bytes, with what must hold whatever it is given: no panic, nothing of the input in an error,
//! and the same again where it is written and read back.
//!
//! `fuzz/` drives this table with libFuzzer; the test below replays the kept corpora in every run. A new decoder is a
//! function and a line in [`DECODERS`].

mod answers;
mod door;
mod files;
mod helpers;
mod login;
mod wire;

use std::fmt::Display;

use crate::cli::setup;

/// A decoder, and all that is checked of it.
pub type Decoder = fn(&[u8]);

/// The decoders by the names of their corpora, sorted.
pub const DECODERS: &[(&str, Decoder)] = &[
    ("account_names", login::account_names),
    ("bazel_requests", helpers::bazel_requests),
    ("cargo_requests", helpers::cargo_requests),
    ("configuration", files::configuration),
    ("device_answers", answers::device_answers),
    ("docker_requests", helpers::docker_requests),
    ("door_requests", door::door_requests),
    ("expiries", files::expiries),
    ("frames", wire::frames),
    ("git_requests", helpers::git_requests),
    ("goauth_responses", helpers::goauth_responses),
    ("id_tokens", answers::id_tokens),
    ("imports_json", files::imports_json),
    ("imports_toml", files::imports_toml),
    ("imports_yaml", files::imports_yaml),
    ("keyring_services", helpers::keyring_services),
    ("kubectl_questions", helpers::kubectl_questions),
    ("metadata", answers::metadata),
    ("owners", files::owners),
    ("pastes", login::pastes),
    ("presets", files::presets),
    ("project_files", files::project_files),
    ("proxies", files::proxies),
    ("records", crate::vault::fuzzing::records),
    ("redirects", login::redirects),
    ("requests", wire::requests),
    ("responses", wire::responses),
    ("retry_after", answers::retry_after),
    ("sealed_records", crate::vault::fuzzing::sealed_records),
    ("second_steps", answers::second_steps),
    ("server_texts", answers::server_texts),
    ("settings_ini", setup::fuzzing::settings_ini),
    ("settings_json", setup::fuzzing::settings_json),
    ("settings_kubeconfig", setup::fuzzing::settings_kubeconfig),
    ("settings_lines", setup::fuzzing::settings_lines),
    ("settings_toml", setup::fuzzing::settings_toml),
    ("sts_answers", answers::sts_answers),
    ("targets", files::targets),
    ("terraform_requests", helpers::terraform_requests),
    ("token_answers", answers::token_answers),
    ("token_errors", answers::token_errors),
    ("unit_addresses", files::unit_addresses),
    ("vault_headers", crate::vault::fuzzing::vault_headers),
];

/// What stands for a secret in the corpora. Before a decoder sees it, it becomes something that only a token looks like:
/// the errors' own words never hold that by accident.
const MARK: &[u8] = b"CANARY";
const CANARY: &str = "Zq7Kx3WvT9LmB2pRs5YdN8cHf4GjE6uAoPiQwXzVbM1k";

/// What `redact` takes for a token; a fuzzer finds out shorter parts of the canary by itself.
const TOKEN: usize = 40;

/// Runs one decoder over one input.
pub fn run(decoder: Decoder, input: &[u8]) {
    let mut marked = Vec::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        marked.extend_from_slice(&rest[..at]);
        marked.extend_from_slice(CANARY.as_bytes());
        rest = &rest[at + MARK.len()..];
    }
    marked.extend_from_slice(rest);
    decoder(&marked);
}

/// An error's words: one line, and nothing of the input in it.
pub(crate) fn quotes_nothing(error: impl Display) {
    let words = error.to_string();
    let quoted = CANARY.as_bytes().windows(TOKEN).any(|part| words.as_bytes().windows(TOKEN).any(|word| word == part));
    assert!(!quoted, "an error quotes what was read");
    assert!(!words.contains(char::is_control), "an error has more than one line, or commands for a terminal");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kept_input_is_decoded_and_every_decoder_has_some() {
        let corpora = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
        let mut bytes = 0;
        for (name, decoder) in DECODERS {
            let directory = std::fs::read_dir(corpora.join(name)).unwrap_or_else(|_| panic!("no corpus for {name}"));
            let mut inputs = 0;
            for entry in directory {
                let input = std::fs::read(entry.unwrap().path()).unwrap();
                bytes += input.len();
                inputs += 1;
                run(*decoder, &input);
            }
            assert!(inputs > 0, "{name}: an empty corpus");
        }
        assert!(DECODERS.is_sorted_by_key(|(name, _)| *name));
        assert!(bytes < 300 * 1024, "the corpora are kept small: {bytes} bytes");
    }

    #[test]
    #[should_panic = "an error quotes what was read"]
    fn an_error_that_quotes_is_noticed() {
        run(|input| quotes_nothing(String::from_utf8_lossy(input)), b"wrong value `CANARY`");
    }
}
