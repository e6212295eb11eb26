//! The demo's story: log in, get a token, let it expire under fifty clients, kill the agent, log out. Every line that
//! is told is checked against the authorization server's own count first.

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ExitCode};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::server::{Behaviour, Options, Server};
use super::stage::{Stage, finished};
use crate::oauth::http::{Http, HttpOptions, Request};

/// The first token's: long enough to be shown, short enough to be waited for. The next one has to outlast fifty clients, which
/// take their time where starting a program is slow.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3);
const CLIENTS: usize = 50;

/// Runs the demo; standard output has the story.
pub fn run() -> ExitCode {
    let began = Instant::now();
    match story() {
        Ok(()) => tell(&format!(
            "\nDone in {:.1} s. Next: `cred-helper login`, see README.md.",
            began.elapsed().as_secs_f32()
        )),
        Err(error) => {
            tell(&format!("\nThe demo failed: {error}"));
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

fn tell(line: &str) {
    // A reader that has gone away has seen enough.
    let _ = writeln!(io::stdout(), "{line}");
}

fn story() -> io::Result<()> {
    let server = Server::start(Options::default())?;
    let stage = Stage::new()?;
    tell("cred-helper demo: one login, from start to end, on this machine alone.\n");
    tell(&format!("An authorization server runs at {}. It is strict: a refresh token", server.issuer()));
    tell("that is used twice ends the login, as providers do today.\n");
    tell(&format!("The vault is made in {} (it goes away afterwards).", stage.home().display()));
    stage.run(&["vault", "slot", "add", "machine", "--accept-weaker"])?;

    server.set_behaviour(Behaviour::ExpiresIn(TOKEN_LIFETIME.as_secs().into()), 1);
    log_in(&stage, &server)?;
    let (token, expires_at) = token(&stage)?;
    tell(&format!("\n$ cred-helper get-token\n{token}"));
    tell(&format!("\nIt lasts {} s; waiting for its end ...", TOKEN_LIFETIME.as_secs()));
    wait_until(expires_at);
    server.expire_access_tokens();

    fifty_at_once(&stage, &server)?;
    kill_the_agent(&stage, &server)?;
    log_out(&stage, &server)
}

/// A real code flow: what a browser would do is done by following the redirects.
fn log_in(stage: &Stage, server: &Server) -> io::Result<()> {
    let arguments = ["login", &server.issuer(), "--client-id", &server.client_id(), "--no-browser"];
    let mut login = stage.start(&arguments)?;
    let url = first_line(&mut login)?;
    tell("\n$ cred-helper login ISSUER --client-id ID");
    tell("The browser goes to the server, the person agrees, the server sends it back to the agent's own port.");
    let page = browse(&url)?;
    let output = login.wait_with_output()?;
    finished(&["login"], output)?;
    if !page.contains("Signed in") {
        return Err(io::Error::other("the browser was not shown that the login succeeded"));
    }
    let accounts = stage.run(&["status", "--json"])?;
    let accounts: Value = serde_json::from_str(&accounts).map_err(io::Error::other)?;
    let email = accounts["accounts"][0]["identity"]["email"].as_str().unwrap_or("somebody");
    tell(&format!("Signed in as {email}. The refresh token is sealed in the vault; no program but the agent sees it."));
    Ok(())
}

fn first_line(child: &mut Child) -> io::Result<String> {
    let output = child.stdout.as_mut().ok_or_else(|| io::Error::other("no standard output"))?;
    let mut line = String::new();
    // Unbuffered beyond the line: `wait_with_output` reads the rest.
    BufReader::with_capacity(1, output).read_line(&mut line)?;
    if line.is_empty() {
        let mut words = String::new();
        if let Some(errors) = child.stderr.as_mut() {
            io::Read::read_to_string(errors, &mut words)?;
        }
        return Err(io::Error::other(format!("`cred-helper login`: {}", words.trim())));
    }
    Ok(line.trim_end().to_owned())
}

/// Follows redirects as a browser does; the last page.
fn browse(url: &str) -> io::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let http = Http::new(HttpOptions::default()).map_err(io::Error::other)?;
    let mut url = url.to_owned();
    for _ in 0..5 {
        let response = runtime
            .block_on(http.send(Request { url: url.clone(), ..Request::default() }))
            .map_err(io::Error::other)?;
        match response.location {
            Some(location) if (300..400).contains(&response.status) => url = location,
            _ => return Ok(String::from_utf8_lossy(&response.body).into_owned()),
        }
    }
    Err(io::Error::other("the redirects have no end"))
}

/// The token, and when it ends.
fn token(stage: &Stage) -> io::Result<(String, i64)> {
    let answer = stage.run(&["get-token", "--format", "json"])?;
    let answer: Value = serde_json::from_str(&answer).map_err(io::Error::other)?;
    let token = answer["token"].as_str().ok_or_else(|| io::Error::other("no token in the answer"))?;
    Ok((token.to_owned(), answer["expires_at"].as_i64().unwrap_or(0)))
}

fn wait_until(expires_at: i64) {
    use crate::clock::{Clock, SystemClock, Timestamp};
    let left = Timestamp(expires_at).since(SystemClock.now());
    std::thread::sleep(left + Duration::from_secs(1));
}

fn fifty_at_once(stage: &Stage, server: &Server) -> io::Result<()> {
    let before = server.count_grant("refresh_token");
    let began = Instant::now();
    let clients = (0..CLIENTS).map(|_| stage.start(&["get-token"])).collect::<io::Result<Vec<_>>>()?;
    let mut tokens = Vec::with_capacity(CLIENTS);
    for client in clients {
        tokens.push(finished(&["get-token"], client.wait_with_output()?)?);
    }
    let took = began.elapsed();
    let refreshes = server.count_grant("refresh_token") - before;
    tokens.dedup();
    if refreshes != 1 || tokens.len() != 1 || !server.is_live(&tokens[0]) {
        let message = format!("{refreshes} refreshes and {} different tokens, where one was expected", tokens.len());
        return Err(io::Error::other(message));
    }
    tell(&format!(
        "\nThe token has ended, and {CLIENTS} programs ask at once. After {:.1} s each has the same new token;",
        took.as_secs_f32()
    ));
    tell("the server saw 1 refresh. Programs that each hold the refresh token would have ended this login here.");
    Ok(())
}

fn kill_the_agent(stage: &Stage, server: &Server) -> io::Result<()> {
    let status = stage.run(&["agent", "status", "--json"])?;
    let status: Value = serde_json::from_str(&status).map_err(io::Error::other)?;
    let pid = status["pid"].as_u64().ok_or_else(|| io::Error::other("no pid in the agent's status"))?;
    kill(pid)?;
    let (token, _) = token(stage)?;
    if !server.is_live(&token) {
        return Err(io::Error::other("after the crash the server refused the token"));
    }
    tell("\n$ kill -9 AGENT; cred-helper get-token");
    tell("The next request starts it again: still logged in, nothing asked.");
    Ok(())
}

#[cfg(unix)]
fn kill(pid: u64) -> io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("an odd pid"))?;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    Ok(())
}

#[cfg(windows)]
fn kill(pid: u64) -> io::Result<()> {
    let pid = pid.to_string();
    let killed = std::process::Command::new("taskkill").args(["/F", "/PID", &pid]).output()?;
    if killed.status.success() { Ok(()) } else { Err(io::Error::other("the agent could not be killed")) }
}

fn log_out(stage: &Stage, server: &Server) -> io::Result<()> {
    let (last, _) = token(stage)?;
    stage.run(&["logout"])?;
    if server.is_live(&last) {
        return Err(io::Error::other("after the logout the server still accepts the token"));
    }
    tell("\n$ cred-helper logout");
    tell("Revoked at the server, forgotten here.");
    Ok(())
}
