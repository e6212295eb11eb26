//! A role's credentials for the ID token of a login at a certified OpenID Connect server, from a token service that knows that
//! server's keys; and AWS's own program, which asks us for them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::home::{Ended, Home, ended};
use crate::provider::log_in;
use crate::setup::SetUp;
use crate::support::jwks::Jwks;
use crate::support::oidc_provider::OidcProvider;
use crate::support::programs::{missing_oidc_provider, skip};
use crate::support::python_index::clients;
use crate::support::site::{Request, Response, Site};

const ARN: &str = "arn:aws:iam::123456789012:role/reader";
const KEY: &str = "ASIAOFTHEROLE";
const SECRET: &str = "secret-key-of-the-role";
const SESSION: &str = "session/token+of=the-role";

/// What the token service was asked, and what it is to say.
#[derive(Default)]
struct Told {
    /// The subject of each ID token; none for one that nobody signed.
    shown: Mutex<Vec<Option<Value>>>,
    expired: AtomicBool,
    signed: AtomicUsize,
}

struct Stage {
    server: OidcProvider,
    service: Site,
    told: Arc<Told>,
    home: Home,
}

fn serve(request: &Request, jwks: &Jwks, told: &Told) -> Response {
    let form = request.form();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let xml = |status, body: String| Response::new(status, "text/xml", body);
    if field("Action") == Some("GetCallerIdentity") {
        let signed = request.header("authorization").is_some_and(|text| text.contains(&format!("Credential={KEY}/")));
        assert!(signed && request.header("x-amz-security-token") == Some(SESSION));
        told.signed.fetch_add(1, Ordering::SeqCst);
        let identity = "<Arn>arn:aws:sts::1:assumed-role/reader/s</Arn><UserId>u</UserId><Account>1</Account>";
        let body = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
             {identity}</GetCallerIdentityResult></GetCallerIdentityResponse>"
        );
        return xml(200, body);
    }
    assert_eq!((field("Action"), field("Version")), (Some("AssumeRoleWithWebIdentity"), Some("2011-06-15")));
    assert_eq!((field("RoleArn"), field("RoleSessionName")), (Some(ARN), Some("cred-helper")));
    assert!(request.header("authorization").is_none(), "it needs no other credential");
    let claims = jwks.claims(field("WebIdentityToken").unwrap_or_default());
    told.shown.lock().unwrap().push(claims.clone());
    if claims.is_none() || told.expired.load(Ordering::SeqCst) {
        let error = "<Type>Sender</Type><Code>ExpiredTokenException</Code><Message>Token expired</Message>";
        return xml(400, format!("<ErrorResponse><Error>{error}</Error></ErrorResponse>"));
    }
    let end = jiff::Timestamp::try_from(SystemTime::now() + Duration::from_secs(3600)).unwrap();
    let body = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>{KEY}</AccessKeyId>\
         <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>{SESSION}</SessionToken><Expiration>{end}</Expiration>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    xml(200, body)
}

/// Every file below a directory.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let below = entries.map(|entry| match entry.file_type().unwrap() {
        kind if kind.is_dir() => files(&entry.path()),
        kind if kind.is_file() => vec![entry.path()],
        _ => Vec::new(),
    });
    below.flatten().collect()
}

impl Stage {
    fn set() -> Option<Self> {
        if missing_oidc_provider() {
            return None;
        }
        let server = OidcProvider::start(&json!({}));
        let (told, jwks) = (Arc::<Told>::default(), Jwks::fetch(server.metadata()["jwks_uri"].as_str().unwrap()));
        let heard = Arc::clone(&told);
        let service = Site::open(move |request| serve(request, &jwks, &heard));
        let home = Home::with_vault();
        let scopes = "scopes = ['openid', 'offline_access', 'email']";
        home.configure(&format!("[providers.id]\nissuer = '{}'\nclient.id = 'native'\n{scopes}\n", server.issuer));
        home.ok(&["agent", "stop"]);
        let (ended, page) = log_in(&home, &["id"], "");
        assert_eq!(ended.code, 0, "{}{page}", ended.stderr);
        Some(Self { server, service, told, home })
    }

    fn words(&self) -> Vec<String> {
        let endpoint = self.service.url("/");
        ["helper", "aws", "--account", "id", "--role-arn", ARN, "--endpoint-url", &endpoint].map(str::to_owned).to_vec()
    }

    fn ask(&self) -> Ended {
        self.home.run(&self.words().iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn shown(&self) -> Vec<Option<Value>> {
        std::mem::take(&mut *self.told.shown.lock().unwrap())
    }
}

#[test]
fn a_role_is_assumed_once_for_everybody_and_kept_in_memory_alone() {
    let Some(stage) = Stage::set() else { return };
    let words = stage.words();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let programs: Vec<_> = (0..8).map(|_| stage.home.start(&words)).collect();
    for program in programs {
        let ended = ended(program.wait_with_output().unwrap());
        assert_eq!(ended.code, 0, "{}", ended.stderr);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        let found = [&told["AccessKeyId"], &told["SecretAccessKey"], &told["SessionToken"]];
        assert_eq!(found, [KEY, SECRET, SESSION]);
        let end: jiff::Timestamp = told["Expiration"].as_str().unwrap().parse().unwrap();
        assert!((3500..=3601).contains(&(end.as_second() - jiff::Timestamp::now().as_second())), "{end}");
    }
    let shown = stage.shown();
    assert_eq!(shown.len(), 1, "one question for all");
    let claims = shown[0].as_ref().expect("a token that the issuer has signed");
    assert_eq!((&claims["sub"], &claims["iss"]), (&json!("ada"), &json!(stage.server.issuer)));

    let log = stage.home.ok(&["log", "--json"]);
    let entry: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    assert_eq!((&entry["method"], &entry["detail"]), (&json!("aws.assume_role"), &json!(ARN)), "{log}");
    for file in files(stage.home.path()) {
        let text = std::fs::read(&file).unwrap_or_default();
        let holds = |needle: &str| text.windows(needle.len()).any(|window| window == needle.as_bytes());
        assert!(!holds(SECRET) && !holds(SESSION), "{}", file.display());
    }
    stage.home.ok(&["agent", "stop"]);
    assert_eq!(stage.ask().code, 0);
    assert_eq!(stage.shown().len(), 1, "nothing of it was on the disk");
    stage.home.ok(&["logout", "--all"]);
    let ended = stage.ask();
    assert!(ended.code == 10 && ended.stderr.contains("cred-helper login id"), "{}", ended.stderr);
    assert_eq!(stage.shown().len(), 0);
}

#[test]
fn a_refused_id_token_is_renewed_once_and_a_refusal_holds_for_a_minute() {
    let Some(mut stage) = Stage::set() else { return };
    stage.told.expired.store(true, Ordering::SeqCst);
    for asked in [2, 0] {
        let ended = stage.ask();
        assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.lines().count()), (20, "", 1), "{}", ended.stderr);
        assert!(ended.stderr.contains("ExpiredTokenException (Token expired)"), "{}", ended.stderr);
        assert_eq!(stage.shown().len(), asked);
    }
    let mut words = stage.words();
    words.extend(["--duration", "900"].map(str::to_owned));
    let other = stage.home.run(&words.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!((other.code, stage.shown().len()), (20, 1), "another role's credentials: {}", other.stderr);
    assert_eq!(stage.server.wait_for_grants("refresh_token", 1, Duration::from_secs(20)).len(), 1);
    assert_eq!(stage.home.run(&["helper", "aws", "--role-arn", "arn:x y"]).code, 2);
}

/// AWS's program makes the exchange itself, with an ID token from a file and from a FIFO.
fn by_web_identity(stage: &Stage, bin: &Path) {
    let endpoint = stage.service.url("/");
    for way in ["--write", "--fifo"] {
        // Its configuration, and what it has kept of the last one.
        let _ = std::fs::remove_dir_all(stage.home.path().join(".aws"));
        let token = stage.home.make_private(&way[2..]).join("token");
        let mut served = stage.home.start(&["file", "id", "--token-type", "id", way, token.to_str().unwrap()]);
        // Replaced or moved to its place: it is whole when it is there.
        while !token.exists() {
            assert!(served.try_wait().unwrap().is_none(), "{way}: it has ended");
            std::thread::yield_now();
        }
        let mut command = Command::new(bin.join("aws"));
        command.args(["sts", "get-caller-identity", "--region", "eu-central-1"]).env_clear();
        command.envs(stage.home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_ENDPOINT_URL_STS", &endpoint).env("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
        command.env("AWS_ROLE_ARN", ARN).env("AWS_ROLE_SESSION_NAME", "cred-helper");
        let ended = ended(command.current_dir(stage.home.path()).output().unwrap());
        served.kill().unwrap();
        served.wait().unwrap();
        assert!(
            ended.code == 0 && ended.stdout.contains("assumed-role/reader"),
            "{way}: {}{}",
            ended.stdout,
            ended.stderr
        );
        assert!(matches!(stage.shown()[..], [Some(_)]), "{way}");
    }
}

fn aws(stage: &Stage, bin: &Path, words: &[&str]) -> Ended {
    let mut command = Command::new(bin.join("aws"));
    command.args(["sts", "get-caller-identity", "--endpoint-url", &stage.service.url("/")]).args(words).env_clear();
    command.envs(stage.home.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("AWS_EC2_METADATA_DISABLED", "true");
    ended(command.current_dir(stage.home.path()).output().unwrap())
}

#[test]
fn awss_own_program_asks_us_after_setup() {
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        return skip("it runs with CRED_HELPER_TESTS_LONG=1 only");
    }
    let (Some(stage), Some(bin)) = (Stage::set(), clients("python-aws")) else { return };
    let config = stage.home.path().join(".aws/config");
    std::fs::create_dir(config.parent().unwrap()).unwrap();
    std::fs::write(config, "[profile work]\nregion = eu-central-1\n# mine\n[profile other]\n").unwrap();
    let asks = || aws(&stage, &bin, &["--profile", "work"]);
    assert_ne!(asks().code, 0);
    let endpoint = stage.service.url("/");
    let words = ["aws", "--name", "work", "--account", "id", "--", "--role-arn", ARN, "--endpoint-url", &endpoint];
    let set_up = SetUp::of(&stage.home, &words);
    let ended = asks();
    assert!(ended.code == 0 && ended.stdout.contains("assumed-role/reader"), "{}{}", ended.stdout, ended.stderr);
    assert!(matches!(stage.shown()[..], [Some(_)]));
    set_up.remove();
    assert_ne!(asks().code, 0);
}

#[test]
fn awss_own_program_asks_us() {
    if std::env::var_os("CRED_HELPER_TESTS_LONG").is_none() {
        return skip("it runs with CRED_HELPER_TESTS_LONG=1 only");
    }
    let (Some(stage), Some(bin)) = (Stage::set(), clients("python-aws")) else { return };
    let directory = stage.home.path().join(".aws");
    std::fs::create_dir(&directory).unwrap();
    let process = format!("{} {}", env!("CARGO_BIN_EXE_cred-helper"), stage.words().join(" "));
    let configure = || {
        let lines = format!("[default]\nregion = eu-central-1\ncredential_process = {process}\n");
        std::fs::write(directory.join("config"), lines).unwrap();
    };
    configure();
    for _ in 0..2 {
        let ended = aws(&stage, &bin, &[]);
        assert!(ended.code == 0 && ended.stdout.contains("assumed-role/reader"), "{}{}", ended.stdout, ended.stderr);
    }
    assert_eq!((stage.shown().len(), stage.told.signed.load(Ordering::SeqCst)), (1, 2));
    by_web_identity(&stage, &bin);
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).unwrap();
    configure();
    stage.home.ok(&["logout", "--all"]);
    let ended = aws(&stage, &bin, &[]);
    assert!(ended.code != 0 && ended.stderr.contains("cred-helper login id"), "{}", ended.stderr);
}
