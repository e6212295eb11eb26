//! What a server shows of itself in the handshake, taken down while the system's verifier judges it: for `doctor`, which says
//! whose certificate it was that is not trusted, and which store trusts one that is.

use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;

use crate::redact;

/// Judges as every other connection of ours is judged, and remembers what it judged.
#[derive(Debug)]
pub(super) struct Witness {
    system: Verifier,
    /// The CA file's alone, if there is one.
    own: Option<Arc<WebPkiServerVerifier>>,
    seen: Mutex<Vec<Shown>>,
}

/// A server's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Who was asked for.
    server: String,
    /// Who says that it is they, and until when, if that can be read.
    facts: Option<String>,
    /// Which store vouches for it, if one does.
    trusted_by: Option<&'static str>,
}

impl Witness {
    pub(super) fn new(authorities: &[CertificateDer<'static>]) -> Result<Arc<Self>, Error> {
        let provider = provider();
        let system = Verifier::new_with_extra_roots(authorities.iter().cloned(), Arc::clone(&provider))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(authorities.iter().cloned());
        // An empty store makes no verifier.
        let own = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok();
        Ok(Arc::new(Self { system, own, seen: Mutex::default() }))
    }

    /// The TLS of a connection that it watches.
    pub(super) fn config(self: &Arc<Self>) -> Result<ClientConfig, Error> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let watched: Arc<dyn ServerCertVerifier> = Arc::clone(self) as _;
        Ok(builder.dangerous().with_custom_certificate_verifier(watched).with_no_client_auth())
    }

    /// What `host` showed last, for people.
    pub(super) fn of(&self, host: &str) -> Option<String> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = seen.iter().rev().find(|shown| shown.server == host)?;
        let facts = shown.facts.as_deref().unwrap_or("a certificate that cannot be read");
        Some(match shown.trusted_by {
            Some(store) => format!("{facts}, trusted by {store}"),
            None => facts.to_owned(),
        })
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        server: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.system.verify_server_cert(leaf, chain, server, ocsp, now);
        let vouches = |own: &Arc<WebPkiServerVerifier>| own.verify_server_cert(leaf, chain, server, ocsp, now).is_ok();
        let trusted_by = judged.is_ok().then(|| match self.own.as_ref().is_some_and(vouches) {
            true => "`ca_file`",
            false => "the system's store",
        });
        let shown = Shown { server: server.to_str().into_owned(), facts: facts(leaf), trusted_by };
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(shown);
        judged
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.system.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.system.supported_verify_schemes()
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Whoever is in between can write what they like here: it is shown as a server's words are.
fn facts(leaf: &[u8]) -> Option<String> {
    let certificate = Certificate::from_der(leaf).ok()?;
    let fields = certificate.tbs_certificate();
    let end = i64::try_from(fields.validity().not_after.to_unix_duration().as_secs()).ok()?;
    let end = jiff::Timestamp::from_second(end).ok()?.strftime("%Y-%m-%d").to_string();
    let issuer = redact::server_text(&fields.issuer().to_string());
    Some(format!("a certificate by {issuer} until {end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_is_no_fact() {
        for bytes in [&b""[..], b"\x30", b"-----BEGIN CERTIFICATE-----", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]] {
            assert_eq!(facts(bytes), None);
        }
    }

    #[test]
    fn a_certificate_says_who_made_it_and_until_when_and_nothing_moves_the_cursor() {
        let mut params = rcgen::CertificateParams::new(vec!["id.example".to_owned()]).expect("a name");
        params.distinguished_name.push(rcgen::DnType::CommonName, "Evil\u{1b}[2J\u{202e} Corp");
        params.not_after = rcgen::date_time_ymd(2031, 2, 3);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let facts = facts(certificate.der()).expect("facts");
        assert!(facts.contains("Evil") && facts.ends_with("until 2031-02-03"), "{facts}");
        assert!(!facts.contains(['\u{1b}', '\u{202e}']), "{facts}");
    }
}
