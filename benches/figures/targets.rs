//! What a question about a target costs where there are many accounts: a thousand, each at a provider with a host of its own,
//! against one. Asked over one connection, so that nothing else hides the difference.

use std::time::{Duration, Instant};

use cred_helper::Client;
use cred_helper::ipc::message::api_key::SetApiKey;
use cred_helper::ipc::message::token::GetToken;

use super::home::Home;
use super::{median_and_p95, milliseconds, socket};

const MANY: usize = 1000;
const RUNS: usize = 5000;
/// Of the first account's own host, and of nobody's.
const ASKED: [(&str, &str); 2] = [("own", "https://h0.example/team/x.git"), ("nobody's", "https://nobody.example")];

pub(crate) fn measure() {
    let homes = [1, MANY].map(home);
    let mut clients = homes.each_ref().map(|home| Client::connect(&socket(home)).unwrap());
    for (whose, url) in ASKED {
        let mut times = [Vec::new(), Vec::new()];
        // In turns, so that whatever else the machine does hits both.
        for run in 0..RUNS + 100 {
            for (client, times) in clients.iter_mut().zip(&mut times) {
                let took = asked(client, url);
                if run >= 100 {
                    times.push(took);
                }
            }
        }
        let [(one, one_p95), (many, many_p95)] = times.map(median_and_p95);
        println!(
            "targets: {whose} with {MANY} accounts {:.3} ms (p95 {:.3}), with one {:.3} ms (p95 {:.3}), ratio {:.2}",
            milliseconds(many),
            milliseconds(many_p95),
            milliseconds(one),
            milliseconds(one_p95),
            many.as_secs_f64() / one.as_secs_f64()
        );
    }
}

/// An agent with so many API keys.
fn home(accounts: usize) -> Home {
    let home = Home::with_vault();
    let one =
        |n| format!("[providers.p{n}]\nvariables.api_key = ['K{n}']\ntargets = [{{ url = 'https://h{n}.example' }}]\n");
    home.configure(&(0..accounts).map(one).collect::<String>());
    home.ok(&["agent", "restart"]);
    let mut client = Client::connect(&socket(&home)).unwrap();
    for n in 0..accounts {
        let (account, key) = (format!("p{n}"), format!("key-{n}").into());
        client.call(&SetApiKey { account, key, expires_at: None, interactive: false }).unwrap();
    }
    home
}

fn asked(client: &mut Client, url: &str) -> Duration {
    let get = GetToken { target: Some(url.to_owned()), ..GetToken::default() };
    let began = Instant::now();
    let answer = client.call(&get);
    let took = began.elapsed();
    assert_eq!(answer.is_ok(), url.contains("h0"));
    took
}
