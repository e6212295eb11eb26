//! A web page with status 200 where JSON was due: a captive portal, or somebody's proxy. It is said so, and nothing is lost.

use cred_helper::demo::server::{Behaviour, Endpoint};

use super::super::home::{Home, lasting_server};

#[test]
fn a_captive_portal_is_named_and_costs_nothing() {
    let server = lasting_server();
    let home = Home::with_vault();
    let (issuer, client) = (server.issuer(), server.client_id());
    let login = ["login", &issuer, "--client-id", &client, "--no-browser"];

    server.set_behaviour_at(Endpoint::Metadata, Behaviour::Html, 2);
    let found = home.run(&login);
    assert_eq!(found.code, 13, "{}", found.stderr);
    assert!(found.stderr.contains("a captive portal"), "{}", found.stderr);

    server.set_behaviour_at(Endpoint::Token, Behaviour::Html, 1);
    let exchanged = home.log_in_with(&login);
    assert_eq!(exchanged.code, 13, "{}", exchanged.stderr);
    assert!(exchanged.stderr.contains("a captive portal"), "{}", exchanged.stderr);
    assert_eq!(home.json(&["vault", "status", "--json"])["records"], 0, "nothing is kept of it");

    // Gone, it leaves nothing behind. What a refresh makes of one is in `servers`.
    home.log_in(&server, &[]);
    assert!(server.is_live(&home.token()));
}
