//! What is said on the socket, to the agent and to its clients.

use serde_json::{Value, to_value};

use super::quotes_nothing;
use crate::ipc::frame::{Decoder, FrameError, Framing, detect, encode};
use crate::ipc::message::{Method, Response, account, agent, audit, event, login, provider, token, vault};
use crate::ipc::request::{Id, parameters, read};
use crate::secret::Secret;

/// Small, so that inputs reach it.
const LIMIT: usize = 200;

/// However a stream is cut, its messages are the same; none is longer than the limit; and what is written is read back.
pub(super) fn frames(input: &[u8]) {
    let _ = detect(input);
    for framing in [Framing::Lines, Framing::ContentLength] {
        let whole = split(framing, input, input.len().max(1));
        for step in [1, 7] {
            let (messages, error) = split(framing, input, step);
            assert_eq!(messages, whole.0);
            // The same words, or those of a limit that is passed sooner.
            assert_eq!(error.is_some(), whole.1.is_some());
        }
        whole.1.into_iter().for_each(quotes_nothing);
        for message in &whole.0 {
            assert!(message.len() <= LIMIT);
            let written = encode(framing, &[message]);
            assert_eq!(split(framing, &written, 5).0, [message.as_slice()]);
        }
    }
}

fn split(framing: Framing, stream: &[u8], step: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut decoder = Decoder::with_limit(framing, LIMIT);
    let mut messages = Vec::new();
    for chunk in stream.chunks(step) {
        decoder.feed(chunk);
        loop {
            match decoder.next_message() {
                Ok(Some(message)) => messages.push(message.to_vec()),
                Ok(None) => break,
                Err(error) => return (messages, Some(error)),
            }
        }
    }
    (messages, None)
}

type RoundTrip = (&'static str, fn(&Secret));

/// Parameters that are read are written and read again the same.
fn method<M: Method>() -> RoundTrip {
    (M::NAME, |params| match parameters::<M>(params) {
        Ok(read) => {
            let written = to_value(&read).expect("written");
            let again = parameters::<M>(&Secret::from(written.to_string()));
            let again = again.unwrap_or_else(|_| panic!("{} is not read back", M::NAME));
            assert_eq!(to_value(&again).expect("written"), written, "{}", M::NAME);
        }
        Err(error) => quotes_nothing(error.message),
    })
}

fn methods() -> Vec<RoundTrip> {
    vec![
        method::<account::ListAccounts>(),
        method::<account::RenameAccount>(),
        method::<account::SetDefault>(),
        method::<account::ShowAccount>(),
        method::<account::TrustProject>(),
        method::<agent::AgentStatus>(),
        method::<agent::Doctor>(),
        method::<agent::Hello>(),
        method::<agent::StopAgent>(),
        method::<audit::ReadAudit>(),
        method::<event::Subscribe>(),
        method::<login::CancelLogin>(),
        method::<login::Logout>(),
        method::<login::PasteCode>(),
        method::<login::StartLogin>(),
        method::<provider::CheckProvider>(),
        method::<provider::ListProviders>(),
        method::<provider::ShowProvider>(),
        method::<token::GetToken>(),
        method::<token::RefreshToken>(),
        method::<token::RejectToken>(),
        method::<vault::AddSlot>(),
        method::<vault::Adopt>(),
        method::<vault::Lock>(),
        method::<vault::RemoveSlot>(),
        method::<vault::Reset>(),
        method::<vault::Unlock>(),
        method::<vault::VaultStatus>(),
    ]
}

/// A request, and its parameters as those of its method, or of all of them where it names none that is known.
pub(super) fn requests(input: &[u8]) {
    let asked = match read(input) {
        Ok(Some(asked)) => asked,
        Ok(None) => return,
        Err((id, error)) => {
            assert!(id.as_str() == "null" || is_id(&id));
            return quotes_nothing(error.message);
        }
    };
    assert!(is_id(&asked.id));
    let methods = methods();
    match methods.iter().find(|(name, _)| *name == asked.method) {
        Some((_, check)) => check(&asked.params),
        None => methods.iter().for_each(|(_, check)| check(&asked.params)),
    }
}

/// What goes back is whole and small, and splits no line.
fn is_id(id: &Id) -> bool {
    let id = id.as_str();
    let whole = serde_json::from_str::<&serde_json::value::RawValue>(id).is_ok();
    whole && id.len() <= 1024 && id.starts_with(|first: char| "\"-0123456789".contains(first)) && !id.contains('\n')
}

fn same_again<T: serde::Serialize + serde::de::DeserializeOwned>(value: &Value) {
    let Ok(read) = serde_json::from_value::<T>(value.clone()) else { return };
    let written = to_value(&read).expect("written");
    let again: T = serde_json::from_value(written.clone()).expect("read back");
    assert_eq!(to_value(&again).expect("written"), written);
}

/// What a client reads: answers, and what the agent says unasked.
pub(super) fn responses(input: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(input) else { return };
    same_again::<Response>(&value);
    for part in [value.get("result"), value.get("params"), Some(&value)].into_iter().flatten() {
        same_again::<token::Token>(part);
        same_again::<account::Accounts>(part);
        same_again::<account::AccountStatus>(part);
        same_again::<crate::ipc::message::vault::VaultReport>(part);
        same_again::<event::Event>(part);
        same_again::<login::Progress>(part);
    }
}
