//! The token has expired, the server takes 100 ms, and everybody asks at once.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cred_helper::Client;
use cred_helper::demo::server::{Behaviour, Options, Server};
use cred_helper::ipc::message::token::GetToken;
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::home::{Home, ended};
use super::{account_of, milliseconds, socket, wait_for_expiry};

pub(crate) fn measure() {
    processes(64);
    connections(1000);
}

/// A login whose token has just expired; what the server hands out from now on lasts an hour.
fn expired() -> (Server, Home, String) {
    let options = Options {
        access_token_lifetime: Duration::from_secs(2),
        token_delay: Duration::from_millis(100),
        ..Options::default()
    };
    let server = Server::start(options).unwrap();
    let home = Home::signed_in(&server);
    let account = account_of(&home, &server);
    wait_for_expiry(&home, &account);
    assert_eq!(server.count_grant("refresh_token"), 0);
    server.set_behaviour(Behaviour::ExpiresIn(json!(3600)), 1000);
    (server, home, account)
}

fn report(clients: usize, kind: &str, server: &Server, mut tokens: Vec<String>, took: Duration) {
    let served = tokens.len();
    tokens.sort();
    tokens.dedup();
    assert_eq!(
        (served, tokens.len(), server.count_grant("refresh_token")),
        (clients, 1, 1),
        "all served by one refresh"
    );
    assert!(server.families().iter().all(|family| family.ended.is_none()));
    println!("stampede: {clients} {kind}, {served} served, 1 refresh request, {:.0} ms in all", milliseconds(took));
}

fn processes(count: usize) {
    let (server, home, account) = expired();
    let began = Instant::now();
    let clients: Vec<_> = (0..count).map(|_| home.start(&["get-token", &account])).collect();
    let tokens = clients.into_iter().map(|client| {
        let ended = ended(client.wait_with_output().unwrap());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        ended.stdout
    });
    let tokens = tokens.collect();
    report(count, "processes", &server, tokens, began.elapsed());
}

fn connections(count: usize) {
    let (server, home, account) = expired();
    let socket = socket(&home);
    // The agent, which runs already, keeps the limit that it was started with.
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let start = Arc::new(Barrier::new(count + 1));
    let clients = (0..count).map(|_| {
        let (socket, account, start) = (socket.clone(), account.clone(), start.clone());
        let small = std::thread::Builder::new().stack_size(256 * 1024);
        let client = small.spawn(move || {
            let mut client = Client::connect(&socket).unwrap();
            start.wait();
            let asked = GetToken { account: Some(account), ..GetToken::default() };
            client.call(&asked).unwrap().token.expose().to_owned()
        });
        client.unwrap()
    });
    let clients: Vec<_> = clients.collect();
    start.wait();
    let began = Instant::now();
    let tokens = clients.into_iter().map(|client| client.join().unwrap()).collect();
    report(count, "connections", &server, tokens, began.elapsed());
}
