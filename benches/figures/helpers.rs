//! What other programs' protocols cost: git's helper, under its own name, against `get-token` for the same URL.

use std::process::Command;

use super::floor::{time, time_with};
use super::home::{Home, lasting_server};
use super::{median_and_p95, milliseconds};

const RUNS: usize = 1000;
const URL: &str = "https://git.example";

pub(crate) fn measure() {
    let (server, home) = (lasting_server(), Home::with_vault());
    let (issuer, client) = (server.issuer(), server.client_id());
    home.configure(&format!(
        "[providers.forge]\nissuer = '{issuer}'\nclient.id = '{client}'\n[targets]\n'{URL}' = 'forge'\n"
    ));
    home.ok(&["agent", "stop"]);
    assert_eq!(home.log_in_with(&["login", "forge", "--no-browser"]).code, 0);
    let (request, link) = (home.path().join("request"), home.path().join("git-credential-cred-helper"));
    std::fs::write(&request, "capability[]=authtype\nprotocol=https\nhost=git.example\n").unwrap();
    std::os::unix::fs::symlink(std::path::absolute(env!("CARGO_BIN_EXE_cred-helper")).unwrap(), &link).unwrap();
    let helper = || {
        let mut helper = Command::new(&link);
        helper.arg("get").env_clear();
        helper.envs(home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        (helper, std::fs::File::open(&request).unwrap())
    };
    let token = format!("{}\n", home.ok(&["get-token", "--target", URL]));
    let (mut plain, mut git) = (Vec::new(), Vec::new());
    // In turns, so that whatever else the machine does hits both.
    for run in 0..RUNS + 20 {
        let (command, input) = helper();
        let (took, told) = time_with(command, input.into());
        assert!(told.contains(&format!("credential={token}")), "{told}");
        let other = time(home.command(&["get-token", "--target", URL]), &token);
        if run >= 20 {
            git.push(took);
            plain.push(other);
        }
    }
    let [(git, git_p95), (plain, plain_p95)] = [git, plain].map(median_and_p95);
    println!(
        "helpers: git's {:.2} ms (p95 {:.2}), get-token --target {:.2} ms (p95 {:.2}), ratio {:.2}",
        milliseconds(git),
        milliseconds(git_p95),
        milliseconds(plain),
        milliseconds(plain_p95),
        git.as_secs_f64() / plain.as_secs_f64()
    );
}
