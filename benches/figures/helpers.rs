//! What other programs' protocols cost: each helper as its client calls it, against `get-token` for the same URL.

use std::process::Command;

use super::floor::{time, time_with};
use super::home::{Home, lasting_server};
use super::{median_and_p95, milliseconds};

const RUNS: usize = 500;
const URL: &str = "https://git.example";

/// How a client calls its helper: under which name, with what.
struct Called {
    name: &'static str,
    program: &'static str,
    words: &'static [&'static str],
    input: &'static str,
}

const CALLED: &[Called] = &[
    Called {
        name: "git",
        program: "git-credential-cred-helper",
        words: &["get"],
        input: "capability[]=authtype\nprotocol=https\nhost=git.example\n",
    },
    Called {
        name: "bazel",
        program: "bazel-credential-cred-helper",
        words: &["get"],
        input: r#"{"uri":"https://git.example/x"}"#,
    },
    Called {
        name: "cargo",
        program: "cred-helper",
        words: &["--cargo-plugin"],
        input: "{\"kind\":\"get\",\"registry\":{\"index-url\":\"sparse+https://git.example/\"}}\n",
    },
    Called { name: "go", program: "cred-helper", words: &["helper", "goauth", "--url", URL], input: "" },
    Called { name: "kubectl", program: "cred-helper", words: &["helper", "kubectl", "--url", URL], input: "" },
];

pub(crate) fn measure() {
    let (server, home) = (lasting_server(), Home::with_vault());
    let (issuer, client) = (server.issuer(), server.client_id());
    home.configure(&format!(
        "[providers.forge]\nissuer = '{issuer}'\nclient.id = '{client}'\n[targets]\n'{URL}' = 'forge'\n"
    ));
    home.ok(&["agent", "stop"]);
    assert_eq!(home.log_in_with(&["login", "forge", "--no-browser"]).code, 0);
    let token = home.ok(&["get-token", "--target", URL]);
    for called in CALLED {
        against_get_token(&home, called, &token);
    }
}

fn against_get_token(home: &Home, Called { name, program, words, input }: &Called, token: &str) {
    let (request, link) = (home.path().join("request"), home.path().join(program));
    std::fs::write(&request, input).unwrap();
    // Two protocols may have one name.
    let _ = std::os::unix::fs::symlink(std::path::absolute(env!("CARGO_BIN_EXE_cred-helper")).unwrap(), &link);
    let helper = || {
        let mut helper = Command::new(&link);
        helper.args(*words).env_clear();
        helper.envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        (helper, std::fs::File::open(&request).unwrap())
    };
    let (mut plain, mut theirs) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does hits both.
    for run in 0..RUNS + 20 {
        let (command, input) = helper();
        let (took, told) = time_with(command, input.into());
        assert!(told.contains(token), "{told}");
        let other = time(home.command(&["get-token", "--target", URL]), &format!("{token}\n"));
        if run >= 20 {
            theirs.push(took);
            plain.push(other);
        }
    }
    let [(theirs, theirs_p95), (plain, plain_p95)] = [theirs, plain].map(median_and_p95);
    println!(
        "helpers: {name}'s {:.2} ms (p95 {:.2}), get-token --target {:.2} ms (p95 {:.2}), ratio {:.2}",
        milliseconds(theirs),
        milliseconds(theirs_p95),
        milliseconds(plain),
        milliseconds(plain_p95),
        theirs.as_secs_f64() / plain.as_secs_f64()
    );
}
