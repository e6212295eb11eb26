//! What registries' clients send to their helpers, with a token where none belongs.

use super::{Home, Said};

/// Arguments and input; `TOKEN` stands for one.
const SENT: &[(&[&str], &str)] = &[
    (&["--cargo-plugin"], r#"{"registry":{"index-url":"sparse+https://h/"},"kind":"login","token":"TOKEN"}"#),
    (
        &["--cargo-plugin"],
        r#"{"registry":{"index-url":"sparse+https://a:TOKEN@h/TOKEN"},"kind":"get","args":["TOKEN"]}"#,
    ),
    (&["--cargo-plugin"], r#"{"registry":{"index-url":"https://TOKEN@h/TOKEN"},"kind":"TOKEN"}"#),
    (&["--cargo-plugin"], r#"{"registry":{"index-url":["TOKEN"]},"kind":"get"}"#),
    (&["--cargo-plugin"], "TOKEN"),
    (&["helper", "bazel", "get"], r#"{"uri":"https://a:TOKEN@h/TOKEN","TOKEN":0}"#),
    (&["helper", "bazel", "get"], r#"{"uri":["TOKEN"]}"#),
    (&["helper", "bazel", "TOKEN"], "TOKEN"),
    (&["helper", "goauth", "https://a:TOKEN@h/TOKEN"], "HTTP/1.1 401 TOKEN\nWww-Authenticate: TOKEN\n\n"),
    (&["helper", "goauth", "TOKEN"], ""),
    (&["helper", "kubectl", "--url", "TOKEN"], ""),
    (&["helper", "kubectl", "--account", "TOKEN"], ""),
    (&["helper", "kubectl", "--account", "nobody", "TOKEN"], ""),
];

pub(super) fn misuse(home: &Home, token: &str, said: &mut Said) {
    for (words, input) in SENT {
        let words: Vec<_> = words.iter().map(|word| word.replace("TOKEN", token)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        said.keep_both(
            &words.join(" ").replace(token, "<TOKEN>"),
            home.run_with(&words, &input.replace("TOKEN", token)),
        );
    }
}
