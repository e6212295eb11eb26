//! Terraform's and OpenTofu's credentials helpers (terraform-svchost): `get`, `store`, `forget`, each with a host.
//!
//! Terraform asks for every host that it speaks to, and sends the token to that host's discovery document too: so an account
//! answers for hosts that it is named for, never for whatever host comes. Tokens that `terraform login` stores are kept for
//! `terraform://HOST`, apart from other tools' passwords for the same host.

use serde::{Deserialize, Serialize};

use super::words::Words;
use super::{Call, Failure, NOT_KEPT};
use crate::ipc::message::password::{RemovePassword, StoreOutcome, StorePassword};
use crate::ipc::message::token::GetToken;
use crate::ipc::message::{Error, ErrorKind};
use crate::secret::{self, Secret};

/// How it is used.
pub(super) const HELP: &str = "\
With such a link in ~/.terraform.d/plugins, in ~/.terraformrc `credentials_helper \"cred-helper\" {}`. The target is https://HOST, \
which the rule under [targets] has, too: terraform asks for every host, so no account is named in `args`; `--audience URI` and \
`--id-token` may be. Where no account answers, what `terraform login` stores is kept in the vault and answers, until `terraform \
logout`. Terraform doesn't say when a host refuses a token: `cred-helper refresh` has it renewed.";

/// The scheme of places where tokens are kept.
const SCHEME: &str = "terraform://";

#[derive(Serialize)]
struct Credentials {
    #[serde(serialize_with = "secret::exposed")]
    token: Secret,
}

/// What is to be stored.
#[derive(Debug, Deserialize)]
pub struct Stored {
    token: Secret,
}

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let words = Words::read(call.arguments)?;
    if words.get.account.is_some() || words.get.target.is_some() {
        return Err(Failure::Usage(
            "terraform asks for every host, so its helper takes no --account and no --url: name the account for its host \
             under [targets] in the configuration",
        ));
    }
    let [operation, host] = words.rest else {
        return Err(Failure::Usage("terraform's helper takes one of get, store and forget, and a host"));
    };
    if !is_host(host) {
        return Err(Failure::Usage("terraform names a host that is none"));
    }
    let (target, place) = (format!("https://{host}"), format!("{SCHEME}{host}"));
    match operation.as_str() {
        "get" => get(call, GetToken { target: Some(target), or_password_for: Some(place), ..words.get }),
        "store" => store(call, target, place),
        "forget" => {
            call.agent.remove_password(&RemovePassword { url: place, username: None })?;
            Ok(())
        }
        _ => Err(Failure::Usage("terraform's helper takes one of get, store and forget, and a host")),
    }
}

/// A host, perhaps with a port: nothing in it begins another part of a URL.
pub fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "-._~:[]".contains(c))
}

fn get(call: &mut Call<'_>, get: GetToken) -> Result<(), Failure> {
    let answer = match call.agent.token(&get) {
        Err(error) if error.kind() == ErrorKind::UnknownTarget => Secret::from("{}".to_owned()),
        token => {
            let text = serde_json::to_string(&Credentials { token: token?.token }).map_err(std::io::Error::from)?;
            Secret::from(text)
        }
    };
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(call.output.write_all(b"\n")?)
}

fn store(call: &mut Call<'_>, target: String, place: String) -> Result<(), Failure> {
    let Stored { token } = Stored::parse(&call.read()?.expose())?;
    let (url, username, shown) = (place, String::new(), target.clone());
    let store = StorePassword { url, username, password: token, expires_at: None, target: Some(target) };
    let stored = call.agent.store_password(&store)?;
    let why = match stored.outcome {
        StoreOutcome::Kept => return Ok(()),
        StoreOutcome::AccountAnswers => {
            format!("{} answers for {shown}, so no token was stored", stored.account.unwrap_or_default())
        }
        StoreOutcome::NothingAnswers => format!("nothing shall answer for {shown}: `false` under [targets]"),
        StoreOutcome::OwnToken => {
            format!("that token ends, so it was not stored: name its account for {shown} under [targets] instead")
        }
        StoreOutcome::Ended => "that token has ended already".to_owned(),
        StoreOutcome::Unknown => NOT_KEPT.to_owned(),
    };
    Err(Failure::Agent(Box::new(Error::new(ErrorKind::InvalidParams, why))))
}

impl Stored {
    /// Reads what is to be stored. What else stands beside the token is for a later helper.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        serde_json::from_str(text).map_err(|_| Failure::Usage("what terraform wants stored cannot be read"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::named_by;
    use super::super::play::{Played, call};
    use super::*;

    fn terraform(words: &str, input: &str, agent: &mut Played) -> Result<String, Failure> {
        let words: Vec<&str> = words.split_whitespace().collect();
        call(named_by("terraform-credentials-cred-helper").expect("it"), &words, input.as_bytes(), agent)
    }

    #[test]
    fn a_host_gets_its_accounts_token_or_the_one_that_was_stored() {
        for (words, heard) in [
            ("get app.example", "get https://app.example or terraform://app.example"),
            (
                "--id-token get app.example:8443",
                "get https://app.example:8443 as id token or terraform://app.example:8443",
            ),
            (
                "--audience=x get xn--bcher-kva.example",
                "get https://xn--bcher-kva.example or terraform://xn--bcher-kva.example",
            ),
        ] {
            let mut agent = Played::default();
            assert_eq!(terraform(words, "", &mut agent).expect(words), "{\"token\":\"the-token\"}\n");
            assert_eq!(agent.heard, [heard]);
        }
        let mut agent = Played { error: Some(ErrorKind::UnknownTarget), ..Played::default() };
        assert_eq!(terraform("get app.example", "", &mut agent).expect("nothing"), "{}\n");
        let mut agent = Played { error: Some(ErrorKind::LoginRequired), ..Played::default() };
        assert!(matches!(terraform("get app.example", "", &mut agent), Err(Failure::Agent(_))));
    }

    #[test]
    fn a_token_is_stored_for_terraform_alone_and_forgotten() {
        let mut agent = Played::default();
        let stored = terraform("store app.example", "{\"token\":\"t1\",\"later\":1}", &mut agent);
        assert_eq!(stored.expect("stored"), "");
        assert_eq!(terraform("forget app.example", "", &mut agent).expect("forgotten"), "");
        assert_eq!(
            agent.heard,
            ["store terraform://app.example  t1 unless https://app.example", "remove terraform://app.example"]
        );
        for outcome in [
            StoreOutcome::AccountAnswers,
            StoreOutcome::NothingAnswers,
            StoreOutcome::OwnToken,
            StoreOutcome::Ended,
            StoreOutcome::Unknown,
        ] {
            let mut agent = Played { stored: Some(outcome), ..Played::default() };
            match terraform("store app.example", "{\"token\":\"t1\"}", &mut agent) {
                Err(Failure::Agent(error)) => assert!(!error.message.contains("t1"), "{}", error.message),
                other => panic!("{outcome:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_it_does_not_have_is_refused_and_not_repeated() {
        for (words, input) in [
            ("", ""),
            ("get", ""),
            ("frob app.example", ""),
            ("get app.example more", ""),
            ("--account forge get app.example", ""),
            ("--url https://a.example get app.example", ""),
            ("get evil.example/@app.example", ""),
            ("get ada@app.example", ""),
            ("store app.example", "hunter2"),
            ("store app.example", "{\"token\":[\"hunter2\"]}"),
            ("store app.example", "{}"),
        ] {
            let mut agent = Played::default();
            match terraform(words, input, &mut agent) {
                Err(Failure::Usage(message)) => assert!(!message.contains("hunter2")),
                other => panic!("{words}: {other:?}"),
            }
            assert!(agent.heard.is_empty(), "{words}");
        }
    }
}
