//! What other programs send to their helpers.

use super::quotes_nothing;
use crate::helper::Failure;
use crate::helper::git::Request;
use crate::helper::{bazel, cargo, docker, goauth, keyring, kubectl, terraform};
use crate::provider::target::Target;

/// An index names its own host or none: what is asked for is its URL or another scheme's.
pub(super) fn cargo_requests(input: &[u8]) {
    let line = String::from_utf8_lossy(input);
    let request = match cargo::Request::parse(&line) {
        Ok(request) => request,
        Err(Failure::Usage(message)) => return quotes_nothing(message),
        Err(other) => panic!("reading asks nobody: {other:?}"),
    };
    let Some(Ok(target)) = request.target().map(|url| Target::of_request(&url)) else { return };
    let origin = target.origin();
    assert!(origin == "https://crates.io" || origin.starts_with("registry+") || line.contains("sparse+"), "{origin}");
}

/// Whatever is asked for, a URI or none comes of it.
pub(super) fn bazel_requests(input: &[u8]) {
    match bazel::uri(&String::from_utf8_lossy(input)) {
        Ok(uri) => drop(Target::of_request(&uri).map_err(quotes_nothing)),
        Err(Failure::Usage(message)) => quotes_nothing(message),
        Err(other) => panic!("reading asks nobody: {other:?}"),
    }
}

/// Without a status line that says so, nothing is refused.
pub(super) fn goauth_responses(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let response = goauth::Response::parse(&text);
    let first = text.lines().next().unwrap_or_default();
    assert!(!response.refuses(true) || first.contains("401") || first.contains("403"));
    assert!(!response.refuses(false) || text.contains("invalid_token"));
}

/// A question that is taken asks for what it names, or for nothing.
pub(super) fn kubectl_questions(input: &[u8]) {
    match kubectl::Question::parse(&String::from_utf8_lossy(input)) {
        Ok(question) => drop(question.target().map(|url| Target::of_request(&url).map_err(quotes_nothing))),
        Err(Failure::Usage(message)) => quotes_nothing(message),
        Err(other) => panic!("reading asks nobody: {other:?}"),
    }
}

/// A registry is on the host that was named, or is Docker Hub; what is to be stored is read or refused.
pub(super) fn docker_requests(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let refused = |failure: Failure| match failure {
        Failure::Usage(message) => quotes_nothing(message),
        other => panic!("reading asks nobody: {other:?}"),
    };
    docker::Credentials::parse(&text).map(drop).unwrap_or_else(refused);
    let registry = docker::Registry::parse(&text).unwrap_or_else(|failure| {
        refused(failure);
        None
    });
    let Some(url) = registry.map(|registry| registry.target()) else { return };
    if let Ok(target) = Target::of_request(&url) {
        let named = ["https://", "http://"].into_iter().find_map(|scheme| Some((scheme, text.strip_prefix(scheme)?)));
        let (scheme, rest) = named.unwrap_or(("https://", &text));
        let named = Target::of_request(&format!("{scheme}{}", rest.split('/').next().unwrap_or_default()));
        let origin = target.origin();
        let is_hub = origin.strip_prefix(scheme) == Some("index.docker.io");
        assert!(is_hub || named.is_ok_and(|named| named.origin() == origin), "{origin}");
    }
}

/// A host is a host alone; what is to be stored is read or refused.
pub(super) fn terraform_requests(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Err(Failure::Usage(message)) = terraform::Stored::parse(&text).map(drop) {
        quotes_nothing(message);
    }
    if let (true, Ok(target)) = (terraform::is_host(&text), Target::of_request(&format!("https://{text}"))) {
        assert!(target.is_meant_by(&target) && target.url() == target.origin(), "{text}");
    }
}

/// Whatever user and path say, the URL's host is the one that git named.
pub(super) fn git_requests(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let request = match Request::parse(&text) {
        Ok(request) => request,
        Err(Failure::Usage(message)) => return quotes_nothing(message),
        Err(other) => panic!("reading asks nobody: {other:?}"),
    };
    let last = |name: &str| {
        let lines = text.lines().take_while(|line| !line.is_empty());
        lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).last().unwrap_or_default()
    };
    let Some(url) = request.target() else { return };
    if let Ok(target) = Target::of_request(&url) {
        let host = format!("{}://{}", last("protocol"), last("host"));
        assert_eq!(Some(target.origin()), Target::of_request(&host).ok().map(|target| target.origin()), "{url}");
    }
}

/// Whatever the user says, the URL's host is the one of the service.
pub(super) fn keyring_services(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (service, user) = text.split_once('\n').map_or((&*text, None), |(service, user)| (service, Some(user)));
    let Some(url) = keyring::target(service, user) else { return };
    let Ok(target) = Target::of_request(&url) else { return };
    // What is no URL is answered for one user alone.
    let Some(alone) = keyring::target(service, None) else { return };
    assert_eq!(Some(target.origin()), Target::of_request(&alone).ok().map(|target| target.origin()), "{url}");
}
