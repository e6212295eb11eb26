//! What AWS's Security Token Service, and those that speak like it, answer to AssumeRoleWithWebIdentity: XML, read with
//! suspicion. Of the documents only the few texts are looked at that are needed; entities beyond XML's own are nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::secret::Secret;

/// Deeper than any answer.
const DEEPEST: usize = 16;
/// The elements that count, with what they are in.
const WANTED: &[(&str, &str)] = &[
    ("Credentials", "AccessKeyId"),
    ("Credentials", "SecretAccessKey"),
    ("Credentials", "SessionToken"),
    ("Credentials", "Expiration"),
    ("Error", "Code"),
    ("Error", "Message"),
];

/// Credentials as they came.
#[derive(Debug)]
pub struct Assumed {
    /// The access key's identifier.
    pub access_key_id: String,
    /// The access key.
    pub secret_access_key: Secret,
    /// What goes with it.
    pub session_token: Secret,
    /// How long they last, from the answer on.
    pub lifetime: Duration,
}

/// Why an answer has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StsError {
    /// Not XML, or cut short.
    #[error("it is not XML, or was cut short")]
    NotXml,
    /// Something is missing.
    #[error("it has no credentials, or not all of them")]
    NoCredentials,
    /// Something in it can't be.
    #[error("the credentials in it have characters that such don't have, or end when nothing ends")]
    NotCredentials,
}

/// An error of the service's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// `ExpiredTokenException` and the like.
    pub code: Option<String>,
    /// Its words.
    pub message: Option<String>,
}

/// Reads an answer with status 2xx; `now` is by the server's clock, as its times are.
pub fn decode(body: &[u8], now: Timestamp) -> Result<Assumed, StsError> {
    let mut found = texts(body).ok_or(StsError::NotXml)?;
    let mut take = |name| found.remove(name).filter(|text| !text.is_empty()).ok_or(StsError::NoCredentials);
    let (id, key, token, end) =
        (take("AccessKeyId")?, take("SecretAccessKey")?, take("SessionToken")?, take("Expiration")?);
    if [&id, &key, &token].iter().any(|text| !text.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(StsError::NotCredentials);
    }
    let end: jiff::Timestamp = end.trim().parse().map_err(|_| StsError::NotCredentials)?;
    let lifetime = Timestamp(end.as_second()).since(now);
    if lifetime.is_zero() {
        return Err(StsError::NotCredentials);
    }
    Ok(Assumed {
        access_key_id: id.to_string(),
        secret_access_key: Secret::from(key.to_string()),
        session_token: Secret::from(token.to_string()),
        lifetime,
    })
}

/// Reads any other answer.
pub fn decode_refusal(body: &[u8]) -> Refusal {
    let mut found = texts(body).unwrap_or_default();
    let mut take = |name| found.remove(name).map(|text| text.to_string()).filter(|text| !text.is_empty());
    Refusal { code: take("Code"), message: take("Message") }
}

/// The texts of the elements that count; the first of each.
fn texts(body: &[u8]) -> Option<BTreeMap<&'static str, Zeroizing<String>>> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let (mut path, mut found): (Vec<String>, BTreeMap<&str, Zeroizing<String>>) = Default::default();
    let (mut open, mut any) = (None, false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                let parent = path.len().checked_sub(2).map(|at| path[at].as_str());
                let wanted =
                    WANTED.iter().find(|(of, name)| parent == Some(of) && path.last().is_some_and(|is| is == name));
                open = wanted.map(|(_, name)| *name).filter(|name| !found.contains_key(name));
                if let Some(name) = open {
                    found.insert(name, Zeroizing::new(String::with_capacity(body.len())));
                }
                any = true;
                if path.len() > DEEPEST {
                    return None;
                }
            }
            Event::End(_) => (open, _) = (None, path.pop()),
            Event::Text(text) => add(&mut found, open, &text.xml10_content()),
            Event::GeneralRef(reference) => add(&mut found, open, &resolved(&reference)?),
            Event::Eof => return (any && path.is_empty()).then_some(found),
            _ => {}
        }
    }
}

fn add(found: &mut BTreeMap<&'static str, Zeroizing<String>>, open: Option<&'static str>, text: &str) {
    if let Some(value) = open.and_then(|name| found.get_mut(name)) {
        value.push_str(text);
    }
}

fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    match reference.resolve_char_ref().ok()? {
        Some(character) => Some(character.to_string()),
        None => resolve_predefined_entity(&reference.xml10_content()).map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_790_000_000);

    fn answer(credentials: &str) -> String {
        format!(
            "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  \
             <AssumeRoleWithWebIdentityResult>\n<SubjectFromWebIdentityToken>ada</SubjectFromWebIdentityToken>\n\
             <AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/r/s</Arn></AssumedRoleUser>\n<Credentials>{credentials}\
             </Credentials>\n</AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>c</RequestId></ResponseMetadata>\
             </AssumeRoleWithWebIdentityResponse>\n"
        )
    }

    const WHOLE: &str = "<SessionToken>AQo/D+Y==</SessionToken><SecretAccessKey>w&#74;a&lt;x</SecretAccessKey>\
                         <Expiration>2026-09-21T15:13:20Z</Expiration><AccessKeyId>ASgeIAIOSFODNN7EXAMPLE</AccessKeyId>";

    #[test]
    fn credentials_are_found_in_any_order() {
        let assumed = decode(answer(WHOLE).as_bytes(), NOW).expect("credentials");
        assert_eq!(assumed.access_key_id, "ASgeIAIOSFODNN7EXAMPLE");
        assert_eq!((&*assumed.secret_access_key.expose(), &*assumed.session_token.expose()), ("wJa<x", "AQo/D+Y=="));
        assert_eq!(assumed.lifetime.as_secs(), 3600);
    }

    #[test]
    fn what_is_no_answer_says_why() {
        use StsError::{NoCredentials, NotCredentials, NotXml};
        let whole = answer(WHOLE);
        for (body, error) in [
            (String::new(), NotXml),
            ("<html>".to_owned(), NotXml),
            ("{\"a\":1}".to_owned(), NotXml),
            (whole[..whole.len() / 2].to_owned(), NotXml),
            ("<a>".repeat(20) + &"</a>".repeat(20), NotXml),
            (answer("&own;"), NotXml),
            (answer(""), NoCredentials),
            (answer(&WHOLE.replace("AQo/D+Y==", "")), NoCredentials),
            (
                answer(&WHOLE.replace("Credentials", "Other"))
                    .replace("<Credentials>", "<x>")
                    .replace("</Credentials>", "</x>"),
                NoCredentials,
            ),
            (answer(&WHOLE.replace("AQo/", "A Qo/")), NotCredentials),
            (answer(&WHOLE.replace("2026-", "soon-")), NotCredentials),
            (answer(&WHOLE.replace("2026-", "2025-")), NotCredentials),
        ] {
            assert_eq!(decode(body.as_bytes(), NOW).expect_err(&body), error, "{body}");
        }
    }

    #[test]
    fn a_refusal_has_a_code_and_words() {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>ExpiredTokenException</Code><Message>Token &quot;x&quot; \
                    expired</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        let refusal = decode_refusal(body.as_bytes());
        assert_eq!(refusal.code.as_deref(), Some("ExpiredTokenException"));
        assert_eq!(refusal.message.as_deref(), Some("Token \"x\" expired"));
        assert_eq!(decode_refusal(b"<html>"), Refusal::default());
    }
}
