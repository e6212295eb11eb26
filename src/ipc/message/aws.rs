//! `aws.assume_role`: short-lived credentials of a role of AWS's, for an account's ID token.

use serde::{Deserialize, Serialize};

use super::{Method, Repeated};
use crate::clock::Timestamp;
use crate::secret::{self, Secret};

/// How the names of AWS's services end where a region's begins so: over IPv4 alone, and over both. One line for each partition of
/// botocore's `partitions.json` (awscli 1.46.3), but the commercial one and the US government's.
const PARTITIONS: &[(&str, [&str; 2])] = &[
    ("cn-", ["amazonaws.com.cn", "api.amazonwebservices.com.cn"]),
    ("eusc-", ["amazonaws.eu", "api.amazonwebservices.eu"]),
    ("us-iso-", ["c2s.ic.gov", "api.aws.ic.gov"]),
    ("us-isob-", ["sc2s.sgov.gov", "api.aws.scloud"]),
    ("eu-isoe-", ["cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"]),
    ("us-isof-", ["csp.hci.ic.gov", "api.aws.hci.ic.gov"]),
];

/// How the names of a region's services end: over IPv4 alone, and over both.
pub fn endings(region: &str) -> [&'static str; 2] {
    let partition = PARTITIONS.iter().find(|(begins, _)| region.starts_with(begins));
    partition.map_or(["amazonaws.com", "api.aws"], |(_, endings)| *endings)
}

/// `aws.assume_role`: STS's AssumeRoleWithWebIdentity, asked once for everybody for as long as its answer lasts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AssumeRole {
    /// `provider` or `provider/label`; without it, the default account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The role's ARN.
    pub role_arn: String,
    /// The region whose STS is asked; without it and an endpoint, the global one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Another STS: https, or http on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What the session is called in AWS's logs; `cred-helper` without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_name: Option<String>,
    /// Seconds that the credentials are to last, where it is not the hour that STS gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<u64>,
    /// Seconds the caller waits; the agent answers by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u64>,
}

impl Method for AssumeRole {
    const NAME: &'static str = "aws.assume_role";
    type Answer = RoleCredentials;
    const REPEATED: Repeated = Repeated::UntilAnswered;
}

/// Credentials of a role.
#[derive(Debug, Serialize, Deserialize)]
pub struct RoleCredentials {
    /// The account whose ID token was shown.
    pub account: String,
    /// The access key's identifier, which is no secret.
    pub access_key_id: String,
    /// The access key.
    #[serde(serialize_with = "secret::exposed")]
    pub secret_access_key: Secret,
    /// What has to be sent with what it signs.
    #[serde(serialize_with = "secret::exposed")]
    pub session_token: Secret,
    /// When they end.
    pub expires_at: Timestamp,
}
