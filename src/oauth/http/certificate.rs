//! What is wrong with a server's certificate, in words for people and with what to do; the library's own are for its authors.

use std::error::Error;
use std::io;

use rustls::CertificateError;

/// What is wrong with the certificate of `host`, if that is why there is no connection.
pub(super) fn complaint(error: &(dyn Error + 'static), host: &str) -> Option<String> {
    let mut cause = Some(error);
    while let Some(found) = cause {
        if let Some(rustls::Error::InvalidCertificate(wrong)) = found.downcast_ref() {
            return Some(words(wrong, host));
        }
        // An I/O error names the source of what it wraps as its own, and skips that.
        cause = match found.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => found.source(),
        };
    }
    None
}

fn words(wrong: &CertificateError, host: &str) -> String {
    use CertificateError as Wrong;
    match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => {
            format!("the certificate of {host} has expired (is this machine's clock right?)")
        }
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet (is this machine's clock right?)")
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            format!("the certificate that {host} shows is another host's: a wrong address, or somebody in between")
        }
        // An authority that only calls itself as one we know is unknown as well.
        Wrong::UnknownIssuer | Wrong::BadSignature => format!(
            "the certificate of {host} is from an authority that this machine does not trust: somebody is in between, or the \
             network has an authority of its own, which `ca_file` in the configuration names"
        ),
        Wrong::Revoked => format!("the certificate of {host} was revoked"),
        _ => format!("the certificate of {host} is not valid"),
    }
}
