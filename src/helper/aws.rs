//! AWS's `credential_process`: credentials of a role, which the agent gets for an account's ID token.

mod sts;

use super::shown::{joined, quoted};
use super::words::Words;
use super::{Call, DEADLINE, Failure};
use crate::ipc::message::aws::AssumeRole;

/// How it is used.
pub(super) const HELP: &str = "\
In ~/.aws/config, of a profile: `credential_process = /usr/bin/cred-helper helper aws --account NAME --role-arn \
arn:aws:iam::123456789012:role/ROLE`. The agent shows the account's ID token to AWS's Security Token Service \
(AssumeRoleWithWebIdentity; the role's trust policy names the issuer and the ID token's audience) and keeps what it gets, in \
memory, for every profile of that role. --region NAME asks that region's service (else AWS_REGION, AWS_DEFAULT_REGION, else \
the global one), --endpoint-url URL another one. AWS_ENDPOINT_URL_STS says so, too, but only of AWS's own hosts and of this \
machine: a variable sends the ID token to nobody else. No account answers but the one that is named; --session-name NAME is what AWS's logs show, \
--duration SECONDS how long the credentials last. AWS's programs ask again when they are about to end. What AWS refuses is not \
asked for again within a minute.";

/// Answers one call.
pub(super) fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    let assume = parse(call)?;
    let role = call.agent.assume_role(&assume)?;
    let end = jiff::Timestamp::from_second(role.expires_at.0).unwrap_or(jiff::Timestamp::MAX);
    let answer = joined(&[
        "{\"Version\": 1, \"AccessKeyId\": ",
        &quoted(&role.access_key_id).expose(),
        ", \"SecretAccessKey\": ",
        &quoted(&role.secret_access_key.expose()).expose(),
        ", \"SessionToken\": ",
        &quoted(&role.session_token.expose()).expose(),
        ", \"Expiration\": \"",
        &end.to_string(),
        "\"}\n",
    ]);
    call.output.write_all(answer.expose().as_bytes())?;
    Ok(())
}

/// Its own words, and those that every helper knows, in any order.
fn parse(call: &Call<'_>) -> Result<AssumeRole, Failure> {
    let mut assume = AssumeRole { deadline: Some(DEADLINE), ..AssumeRole::default() };
    let (mut rest, mut others) = (call.arguments.iter(), Vec::new());
    while let Some(word) = rest.next() {
        let (name, written) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if !["--role-arn", "--region", "--endpoint-url", "--session-name", "--duration"].contains(&name) {
            others.push(word.clone());
            continue;
        }
        let value = written.or_else(|| rest.next().cloned());
        let value = value.ok_or(Failure::Usage("a value is missing after an option"))?;
        match name {
            "--role-arn" => assume.role_arn = value,
            "--region" => assume.region = Some(value),
            "--endpoint-url" => assume.endpoint = Some(value),
            "--session-name" => assume.session_name = Some(value),
            _ => {
                let seconds = value.parse().map_err(|_| Failure::Usage("--duration takes a number of seconds"))?;
                assume.lifetime = Some(seconds);
            }
        }
    }
    let words = Words::read(&others)?;
    if !words.rest.is_empty() || words.get.target.is_some() || words.get.audience.is_some() {
        return Err(Failure::Usage(
            "aws takes --account, --role-arn, --region, --endpoint-url, --session-name, --duration",
        ));
    }
    if assume.role_arn.is_empty() {
        return Err(Failure::Usage("no role is named: add --role-arn arn:aws:iam::123456789012:role/NAME"));
    }
    if words.get.account.is_none() {
        return Err(Failure::Usage("no account is named: add --account NAME to the profile's credential_process"));
    }
    assume.account = words.get.account;
    let variable = |name| (call.variable)(name).filter(|value| !value.is_empty());
    if assume.endpoint.is_none() {
        assume.endpoint = variable("AWS_ENDPOINT_URL_STS");
        if assume.endpoint.as_deref().is_some_and(|url| !sts::is_own(url)) {
            let message = "AWS_ENDPOINT_URL_STS names no host of AWS's: add --endpoint-url URL to the profile's credential_process if \
                           it is the one";
            return Err(Failure::Usage(message));
        }
    }
    if assume.region.is_none() {
        assume.region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        // `sts.s3.amazonaws.com` is somebody's bucket.
        let is_odd = assume.region.as_deref().is_some_and(|region| !sts::is_region(region));
        if is_odd && assume.endpoint.is_none() {
            let message = "AWS_REGION or AWS_DEFAULT_REGION is no region of AWS's, such as eu-central-1: add --region NAME to the \
                           profile's credential_process if it is the one";
            return Err(Failure::Usage(message));
        }
    }
    Ok(assume)
}

#[cfg(test)]
mod tests {
    use super::super::PROTOCOLS;
    use super::super::play::{Played, call};
    use super::*;
    use crate::ipc::message::ErrorKind;

    const ARN: &str = "arn:aws:iam::123456789012:role/r";

    fn aws(line: &str, agent: &mut Played) -> Result<String, Failure> {
        let protocol = PROTOCOLS.iter().find(|protocol| protocol.name == "aws").expect("the protocol");
        call(protocol, &line.split_whitespace().collect::<Vec<_>>(), b"", agent)
    }

    #[test]
    fn the_credentials_are_printed_as_aws_reads_them() {
        let told = aws(&format!("--role-arn {ARN} --account forge"), &mut Played::default()).expect("credentials");
        let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
        let expected = serde_json::json!({
            "Version": 1, "AccessKeyId": "ASIA1", "SecretAccessKey": "the-key", "SessionToken": "the-token",
            "Expiration": "2026-09-21T14:13:20Z"
        });
        assert_eq!(told, expected);
        let mut agent = Played { error: Some(ErrorKind::LoginRequired), ..Played::default() };
        assert!(matches!(aws(&format!("--account forge --role-arn={ARN}"), &mut agent), Err(Failure::Agent(_))));
    }

    #[test]
    fn what_the_profile_says_comes_before_the_environment() {
        let all = format!(
            "--account forge/x --role-arn={ARN} --region eu-west-1 --endpoint-url https://s.example \
                           --session-name ada --duration=900"
        );
        for (line, variables, heard) in [
            (
                all.as_str(),
                vec![("AWS_REGION", "us-east-1"), ("AWS_ENDPOINT_URL_STS", "https://t.example")],
                r#","region":"eu-west-1","endpoint":"https://s.example","session_name":"ada","lifetime":900,"deadline":30}"#,
            ),
            (
                &format!("--role-arn {ARN} --account forge/x"),
                vec![
                    ("AWS_REGION", ""),
                    ("AWS_DEFAULT_REGION", "us-east-1"),
                    ("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:4566"),
                ],
                r#","region":"us-east-1","endpoint":"http://127.0.0.1:4566","deadline":30}"#,
            ),
        ] {
            let variables = variables.into_iter().map(|(name, value)| (name, value.to_owned())).collect();
            let mut agent = Played { variables, ..Played::default() };
            aws(line, &mut agent).expect(line);
            assert_eq!(agent.heard, [format!(r#"{{"account":"forge/x","role_arn":"{ARN}"{heard}"#)]);
        }
    }

    #[test]
    fn no_variable_sends_the_id_token_to_somebody_else_and_no_account_is_guessed() {
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            let mut agent = Played { variables: vec![(variable, "s3".to_owned())], ..Played::default() };
            match aws(&format!("--account forge --role-arn {ARN}"), &mut agent) {
                Err(Failure::Usage(message)) => assert!(message.contains("add --region"), "{message}"),
                other => panic!("{variable}: {other:?}"),
            }
            assert!(agent.heard.is_empty());
            aws(&format!("--account forge --role-arn {ARN} --region local-1"), &mut agent)
                .expect("what the profile says");
        }
        let variables = vec![("AWS_ENDPOINT_URL_STS", "https://evil.example".to_owned())];
        let mut agent = Played { variables, ..Played::default() };
        for (line, said) in [
            (format!("--account forge --role-arn {ARN}"), "add --endpoint-url"),
            (format!("--role-arn {ARN} --endpoint-url https://s.example"), "add --account"),
        ] {
            match aws(&line, &mut agent) {
                Err(Failure::Usage(message)) => assert!(message.contains(said), "{message}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(agent.heard.is_empty());
    }

    #[test]
    fn what_it_does_not_know_is_refused_and_not_repeated() {
        let mut agent = Played::default();
        for line in [
            "",
            "--account a",
            "hunter2",
            "--role-arn",
            "--role-arn a --url hunter2",
            "--role-arn a --duration hunter2",
        ] {
            match aws(line, &mut agent) {
                Err(Failure::Usage(message)) => assert!(!message.contains("hunter2"), "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
        assert!(agent.heard.is_empty());
    }
}
