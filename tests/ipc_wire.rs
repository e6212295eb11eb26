//! The wire is frozen: every message under `wire/` is read and written back the same, and every method has one there.
//!
//! A change that fails here breaks clients that are out there: add optional fields instead.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cred_helper::ipc::message::{
    Error, Method, Notification, Request, Response, account, agent, api_key, audit, aws, event, import, login,
    password, provider, token, vault,
};
use serde_json::Value;

/// Reads parameters and, if there is one, a result, and writes both again.
type RoundTrip = fn(Value, Option<Value>) -> (Value, Option<Value>);

fn method<M: Method>() -> (&'static str, RoundTrip) {
    (M::NAME, |params, result| {
        let params: M = serde_json::from_value(params).expect("parameters");
        let result = result.map(|result| serde_json::from_value::<M::Answer>(result).expect("a result"));
        let written = serde_json::to_value(&params).expect("written");
        (written, result.map(|result| serde_json::to_value(&result).expect("written")))
    })
}

fn notification<N: Notification>() -> (&'static str, RoundTrip) {
    (N::NAME, |params, _| {
        let params: N = serde_json::from_value(params).expect("parameters");
        (serde_json::to_value(&params).expect("written"), None)
    })
}

fn table() -> Vec<(&'static str, RoundTrip)> {
    vec![
        method::<agent::Hello>(),
        method::<agent::AgentStatus>(),
        method::<agent::RestartAgent>(),
        method::<agent::StopAgent>(),
        method::<agent::Doctor>(),
        method::<account::ListAccounts>(),
        method::<account::ShowAccount>(),
        method::<account::SetDefault>(),
        method::<account::RenameAccount>(),
        method::<account::TrustProject>(),
        method::<import::ImportAccount>(),
        method::<import::ExportAccount>(),
        method::<login::StartLogin>(),
        method::<login::PasteCode>(),
        method::<login::CancelLogin>(),
        method::<login::Logout>(),
        method::<provider::ListProviders>(),
        method::<provider::ShowProvider>(),
        method::<provider::CheckProvider>(),
        method::<api_key::SetApiKey>(),
        method::<api_key::RemoveApiKey>(),
        method::<password::StorePassword>(),
        method::<password::RemovePassword>(),
        method::<password::ListPasswords>(),
        method::<aws::AssumeRole>(),
        method::<token::GetToken>(),
        method::<token::RejectToken>(),
        method::<token::RefreshToken>(),
        method::<vault::VaultStatus>(),
        method::<vault::AddSlot>(),
        method::<vault::RemoveSlot>(),
        method::<vault::Lock>(),
        method::<vault::Unlock>(),
        method::<vault::Adopt>(),
        method::<vault::Reset>(),
        method::<event::Subscribe>(),
        method::<audit::ReadAudit>(),
        notification::<event::Event>(),
        notification::<audit::Entry>(),
        notification::<login::Authorize>(),
        notification::<login::Progress>(),
    ]
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(directory: &str, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(directory)).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let texts: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| fs::read_to_string(path).expect("text"))
        .collect();
    assert!(!texts.is_empty());
    texts
}

/// Every request and notification, requests with their answer.
fn samples() -> Vec<(Request, Option<Response>)> {
    let mut samples: Vec<(Request, Option<Response>)> = Vec::new();
    for line in files("tests/wire", "jsonl").iter().flat_map(|text| text.lines()) {
        let value: Value = serde_json::from_str(line).expect("JSON");
        if value.get("method").is_some() {
            let request: Request = serde_json::from_value(value.clone()).expect("a request");
            let mut written = serde_json::to_value(&request).expect("written");
            if written.get("params").is_none() {
                written["params"] = serde_json::json!({});
            }
            assert_eq!(written, value);
            samples.push((request, None));
        } else {
            let response: Response = serde_json::from_value(value.clone()).expect("an answer");
            assert_eq!(serde_json::to_value(&response).expect("written"), value);
            let (request, answer) =
                samples.iter_mut().find(|(request, _)| request.id.as_ref() == Some(&response.id)).expect("its request");
            assert!(answer.replace(response).is_none(), "{}: two answers", request.method);
        }
    }
    samples
}

#[test]
fn every_sample_is_read_and_written_back_the_same() {
    let table = table();
    for (request, response) in samples() {
        let name = request.method;
        let (_, round_trip) = table.iter().find(|(known, _)| *known == name).expect("a known method");
        let result = response.as_ref().and_then(|response| response.result.clone());
        assert_eq!(round_trip(request.params.clone(), result.clone()), (request.params, result), "{name}");
        if let Some(error) = response.and_then(|response| response.error) {
            let Error { code, message, data } = &error;
            assert_eq!((*code, message.is_empty()), (data.kind.code(), false), "{name}");
        }
    }
}

#[test]
fn every_method_and_notification_has_a_sample() {
    let named = |text: &String| {
        let names = text.lines().filter_map(|line| line.trim().strip_prefix("const NAME: &'static str = \""));
        names.filter_map(|rest| Some(rest.strip_suffix("\";")?.to_owned())).collect::<Vec<_>>()
    };
    let in_source: BTreeSet<String> = files("src/ipc/message", "rs").iter().flat_map(named).collect();
    let in_table: BTreeSet<String> = table().iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(in_source, in_table, "the table in this file is not complete");
    let samples = samples();
    let asked = samples.iter().filter(|(request, response)| {
        request.id.is_none() || response.as_ref().is_some_and(|response| response.result.is_some())
    });
    let sampled: BTreeSet<String> = asked.map(|(request, _)| request.method.clone()).collect();
    assert_eq!(in_table, sampled, "tests/wire lacks a request with its result");
}

#[test]
fn the_manual_tells_every_method_and_every_kind_of_error() {
    let manual = fs::read_to_string(root().join("man/cred-helper-protocol.7")).expect("the manual");
    for (name, _) in table() {
        assert!(manual.contains(&format!(".It Ic {name}")), "{name} is not in the manual");
    }
    for kind in cred_helper::ipc::message::ErrorKind::ALL {
        let name = serde_json::to_value(kind).expect("a name");
        let line = format!(".It Li {} {}", name.as_str().expect("text"), kind.code());
        assert!(manual.contains(&line), "{line} is not in the manual");
    }
}
