//! Which URLs are AWS's Security Token Service: an ID token goes to no other one because of a variable, which a project's
//! file may set. A host below `amazonaws.com` may be anybody's (a bucket, a virtual machine), so that the whole name counts:
//! `sts` or `sts-fips`, a region, and the end of a partition's names; or an endpoint of it in a private network
//! (docs.aws.amazon.com, "AWS Security Token Service endpoints and quotas").

/// How the names of a partition's services end, over IPv4 and over both.
const ENDS: &[&str] = &[
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
];
/// Services of a private network.
const PRIVATE: &str = "vpce.";
const NAMES: &[&str] = &["sts", "sts-fips"];

/// Whether a URL is the service's, or one on this machine.
pub(super) fn is_own(url: &str) -> bool {
    let url = url.to_ascii_lowercase();
    let (is_tls, rest) = match (url.strip_prefix("https://"), url.strip_prefix("http://")) {
        (Some(rest), _) => (true, rest),
        (None, Some(rest)) => (false, rest),
        (None, None) => return false,
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    // What a parser of URLs could take for another host is none.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if !authority.chars().all(plain) || url.contains(['\\', '@']) || url.contains(char::is_whitespace) {
        return false;
    }
    let port = authority.rfind(':').filter(|at| authority[at + 1..].bytes().all(|b| b.is_ascii_digit()));
    let host = &authority[..port.unwrap_or(authority.len())];
    ["localhost", "127.0.0.1", "[::1]"].contains(&host) || (is_tls && is_service(host))
}

fn is_service(host: &str) -> bool {
    if host == "sts.amazonaws.com" {
        return true;
    }
    let Some(rest) = ENDS.iter().find_map(|end| host.strip_suffix(end)?.strip_suffix('.')) else { return false };
    let (rest, is_private) = match rest.strip_suffix(PRIVATE.trim_end_matches('.')).and_then(|it| it.strip_suffix('.'))
    {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    match rest.split('.').collect::<Vec<_>>().as_slice() {
        [name, region] => !is_private && NAMES.contains(name) && is_region(region),
        // An endpoint service of anybody's begins otherwise, and has no `sts`.
        [endpoint, name, region] => {
            is_private && endpoint.starts_with("vpce-") && NAMES.contains(name) && is_region(region)
        }
        _ => false,
    }
}

/// `eu-central-1`, `us-gov-west-1`, `eusc-de-east-1`. The names of S3 and EC2 in the same place are none.
fn is_region(label: &str) -> bool {
    let Some((words, number)) = label.rsplit_once('-') else { return false };
    let mut words = words.split('-');
    let first = words.next().unwrap_or_default();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let rest: Vec<&str> = words.collect();
    let is_number = number.len() == 1 && number.bytes().all(|b| b.is_ascii_digit());
    (2..=4).contains(&first.len()) && is_word(first) && !rest.is_empty() && rest.into_iter().all(is_word) && is_number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_and_this_machine_are_meant_and_nobody_elses_host() {
        for url in [
            "https://sts.amazonaws.com",
            "https://STS.eu-central-1.amazonaws.com/",
            "https://sts.us-gov-west-1.amazonaws.com:443/x",
            "https://sts-fips.us-east-1.amazonaws.com",
            "https://sts.cn-north-1.amazonaws.com.cn",
            "https://sts.eusc-de-east-1.amazonaws.eu",
            "https://sts.eu-west-1.api.aws",
            "https://sts.cn-north-1.api.amazonwebservices.com.cn",
            "https://vpce-0a1b-c2d3.sts.us-east-1.vpce.amazonaws.com",
            "https://vpce-0a1b-c2d3-us-east-1a.sts.us-east-1.vpce.amazonaws.com",
            "http://127.0.0.1:4566/",
            "http://localhost:9000",
            "https://[::1]:9000",
        ] {
            assert!(is_own(url), "{url}");
        }
        for url in [
            "",
            "sts.amazonaws.com",
            "http://sts.amazonaws.com",
            "https://evil.example",
            "https://sts.amazonaws.com.evil.example",
            "https://stsamazonaws.com",
            "https://evil.amazonaws.com",
            "https://sts.s3.amazonaws.com",
            "https://sts.s3-us-west-2.amazonaws.com",
            "https://sts.compute-1.amazonaws.com",
            "https://sts.s3.us-east-1.amazonaws.com",
            "https://x.execute-api.us-east-1.amazonaws.com",
            "https://vpce-1.vpce-svc-1.us-east-1.vpce.amazonaws.com",
            "https://evil.sts.us-east-1.vpce.amazonaws.com",
            "https://sts.us-east-1.vpce.amazonaws.com",
            "https://sts.amazonaws.com@evil.example/",
            "https://evil.example\\.sts.amazonaws.com",
            "https://evil.example#.amazonaws.com",
            "https://evil.example?.sts.us-east-1.amazonaws.com",
            "https://sts.us-east-1.amazonaws.com:x",
            "http://127.0.0.1.evil.example",
            "http://localhost\n.evil.example",
        ] {
            assert!(!is_own(url), "{url}");
        }
    }
}
