//! `provider`: the authorization servers that can be signed in to by name.

use super::args::ProviderCommand;
use super::connect::Connect;
use super::exit::Failure;
use super::login::notice;
use super::output::{self, Style, Tone};
use super::table::{self, Cell};
use crate::ipc::message::provider::{ListProviders, ProviderSummary, ShowProvider};

pub(super) fn run(connect: &Connect, command: &ProviderCommand) -> Result<(), Failure> {
    match command {
        ProviderCommand::List { json } => {
            let answer = connect.ask(&ListProviders {})?;
            if *json { output::json(&answer) } else { output::data(&list(&answer.providers)) }
        }
        ProviderCommand::Show { provider, json } => {
            let request = ShowProvider { provider: provider.clone() };
            let answer = connect.ask(&request)?;
            if *json { output::json(&answer) } else { output::data(&shown(&answer)) }
        }
    }
}

fn list(providers: &[ProviderSummary]) -> String {
    let row = |provider: &ProviderSummary| -> Vec<Cell> {
        vec![
            Cell::new(&provider.name, Tone::Strong),
            provider.title.as_str().into(),
            provider.origin.as_str().into(),
            provider.flows.join(", ").into(),
        ]
    };
    let rows: Vec<Vec<Cell>> = providers.iter().map(row).collect();
    let table = table::table(Style::stdout(), &["PROVIDER", "TITLE", "FROM", "WAYS TO SIGN IN"], &rows);
    format!("{table}\nAny OpenID Connect issuer works too: cred-helper login https://ISSUER --client-id ID\n")
}

fn shown(provider: &ProviderSummary) -> String {
    let text = |value: &Option<String>| value.as_deref().map(Cell::from);
    let list = |values: &[String]| (!values.is_empty()).then(|| Cell::from(values.join(" ")));
    let parameters: Vec<String> = provider
        .parameters
        .iter()
        .map(|(name, value)| format!("{name}={}", if value.is_empty() { "(needed)" } else { value }))
        .collect();
    let mut out = table::facts(
        Style::stdout(),
        vec![
            ("name", Some(Cell::new(&provider.name, Tone::Strong))),
            ("title", Some(provider.title.as_str().into())),
            ("from", Some(provider.origin.as_str().into())),
            ("preset", text(&provider.preset)),
            ("parameters", list(&parameters)),
            ("issuer", text(&provider.issuer)),
            ("authorization endpoint", text(&provider.authorization_endpoint)),
            ("token endpoint", text(&provider.token_endpoint)),
            ("client identifier", text(&provider.client_id)),
            ("scopes", list(&provider.scope)),
            ("ways to sign in", list(&provider.flows)),
            ("token variables", list(&provider.variables.oauth_token)),
            ("API key variables", list(&provider.variables.api_key)),
            ("registration", text(&provider.registration)),
        ],
    );
    if let Some(notice) = &provider.notice {
        out.push('\n');
        out.push_str(&notice::text(notice, Style::stdout(), table::terminal_width()));
    }
    out
}
