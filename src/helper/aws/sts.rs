//! Which URLs are AWS's Security Token Service: an ID token goes to no other one because of a variable, which a project's
//! file may set. A host below `amazonaws.com` may be anybody's (a bucket, a virtual machine), so that the whole name counts:
//! `sts` or `sts-fips`, a region, and how the names of that region's services end; or an endpoint of it in a private network
//! (docs.aws.amazon.com, "AWS Security Token Service endpoints and quotas").

use crate::ipc::message::aws::endings;

/// What a private network's names have before the end, and what its endpoints begin with.
const PRIVATE: &str = "vpce.";
const ENDPOINT: &str = "vpce-";
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
    // An endpoint service of anybody's begins so, too, but has no `sts`.
    let (private, rest) = match host.split_once('.') {
        Some((endpoint, rest)) if endpoint.starts_with(ENDPOINT) => (PRIVATE, rest),
        _ => ("", host),
    };
    let mut labels = rest.splitn(3, '.');
    let (Some(name), Some(region), Some(end)) = (labels.next(), labels.next(), labels.next()) else { return false };
    let Some(end) = end.strip_prefix(private) else { return false };
    NAMES.contains(&name) && is_region(region) && endings(region).contains(&end)
}

/// `eu-central-1`, `us-gov-west-1`, `eusc-de-east-1`. The names of S3 and EC2 in the same place are none.
pub(super) fn is_region(label: &str) -> bool {
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

    /// Every name that botocore (awscli 1.46.3) makes of the service's own rules, sts/2011-06-15/endpoint-rule-set-1.json, for
    /// a region of each partition in partitions.json; endpoints.json names no other one.
    #[test]
    fn every_name_that_aws_gives_it_is_the_services() {
        for (region, dns_suffix, dual_stack_dns_suffix) in [
            ("eu-central-1", "amazonaws.com", "api.aws"),
            ("ap-southeast-7", "amazonaws.com", "api.aws"),
            ("mx-central-1", "amazonaws.com", "api.aws"),
            ("us-gov-west-1", "amazonaws.com", "api.aws"),
            ("cn-northwest-1", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu", "api.amazonwebservices.eu"),
            ("us-iso-west-1", "c2s.ic.gov", "api.aws.ic.gov"),
            ("us-isob-east-1", "sc2s.sgov.gov", "api.aws.scloud"),
            ("eu-isoe-west-1", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
            ("us-isof-south-1", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
        ] {
            for name in ["sts", "sts-fips"] {
                for end in [dns_suffix, dual_stack_dns_suffix] {
                    let host = format!("{name}.{region}.{end}");
                    assert!(is_own(&format!("https://{host}")) && !is_own(&format!("https://x.{host}")), "{host}");
                }
            }
            let other = if region.starts_with("cn-") { "amazonaws.com" } else { "amazonaws.com.cn" };
            assert!(!is_own(&format!("https://sts.{region}.{other}")), "{region}: another partition's");
        }
    }

    #[test]
    fn the_service_and_this_machine_are_meant_and_nobody_elses_host() {
        for url in [
            "https://sts.amazonaws.com",
            "https://STS.eu-central-1.amazonaws.com/",
            "https://sts.us-gov-west-1.amazonaws.com:443/x",
            "https://sts-fips.us-east-1.amazonaws.com",
            "https://sts.cn-north-1.amazonaws.com.cn",
            "https://vpce-0a1b-c2d3.sts.us-east-1.vpce.amazonaws.com",
            "https://vpce-0a1b-c2d3-us-east-1a.sts.us-east-1.vpce.amazonaws.com",
            "https://vpce-0a1b-c2d3.sts.cn-north-1.vpce.amazonaws.com.cn",
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
            "https://vpce-1.sts.us-east-1.amazonaws.com",
            "https://vpce-1.sts.us-east-1.evil.vpce.amazonaws.com",
            "https://sts.us-east-1.evil.example",
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
