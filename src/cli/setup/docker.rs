//! Docker, and what reads its configuration: podman, skopeo, buildah, oras, crane.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::super::exit::Failure;
use super::doubt::Doubt;
use super::format::{Entry, Json};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Host, Plan, Tool, Wish};

pub(super) const TOOL: Tool = Tool {
    name: "docker",
    program: "docker",
    help: "credHelpers of the --host in ~/.docker/config.json (or $DOCKER_CONFIG), or credsStore with --all-hosts; podman, oras and crane \
           read it, too. Skopeo takes no notice of credsStore.",
    plan,
    doubts,
};

/// What Docker Hub is called in docker's configuration, and by the others.
const HUB: &[&str] = &["https://index.docker.io/v1/", "docker.io"];

const HUB_HOSTS: &[&str] = &["docker.io", "index.docker.io"];

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    wish.by_rule()?;
    wish.without_words()?;
    let host = wish.host()?;
    let entry = |path: &[&str]| {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        Entry::Json(Json { path, value: "cred-helper".into() })
    };
    let entries = match &host {
        Some(host) if HUB_HOSTS.contains(&host.authority.as_str()) => {
            HUB.iter().map(|name| entry(&["credHelpers", name])).collect()
        }
        Some(host) => vec![entry(&["credHelpers", &host.authority])],
        None if wish.all_hosts => vec![entry(&["credsStore"])],
        None => return Err(Failure::Usage("docker is set up for a registry (--host), or with --all-hosts".to_owned())),
    };
    // Of a registry only its host is said, whether it speaks TLS or not.
    let target = host.map(|host| match HUB_HOSTS.contains(&host.authority.as_str()) {
        true => "https://index.docker.io".to_owned(),
        false => format!("https://{}", host.authority),
    });
    let plan = Plan::of(file(machine), entries);
    let plan = plan.with_link(Link::beside(machine, "docker-credential-cred-helper"));
    Ok(plan.with_rule_at(machine, wish, target))
}

fn file(machine: &Machine<'_>) -> PathBuf {
    machine.path("DOCKER_CONFIG").unwrap_or_else(|| machine.home.join(".docker")).join("config.json")
}

/// Other helpers of single registries, and the logins of podman and skopeo, which read a file of their own first.
fn doubts(machine: &Machine<'_>, wish: &Wish) -> Vec<Doubt> {
    // What is no host is nobody's registry, and not for the terminal.
    let hosts = |path: &Path, key: &str, is_other: fn(&Value) -> bool| -> Vec<String> {
        let file: Value = serde_json::from_str(&machine.read(path)).unwrap_or_default();
        let members = file.get(key).and_then(Value::as_object).into_iter().flatten();
        let others = members.filter(|(_, value)| is_other(value));
        others.filter_map(|(name, _)| Some(Host::parse(name).ok()?.authority)).collect()
    };
    let own = file(machine);
    let helpers = hosts(&own, "credHelpers", |helper| helper.as_str() != Some("cred-helper"));
    let helper = |name: String| {
        let file = machine.shown(&own);
        let what = format!("docker asks another helper for {name}: take it out of credHelpers in {file}");
        Doubt::at(format!("https://{name}"), what)
    };
    let runtime = || machine.path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers").join("auth.json"));
    let auth = machine.path("REGISTRY_AUTH_FILE").or_else(runtime);
    let logins = auth.iter().flat_map(|path| hosts(path, "auths", |login| login.get("auth").is_some()));
    let host = wish.host().ok().flatten().map(|host| host.authority);
    let login = |name: String| {
        let what =
            format!("podman and skopeo have a login of their own for {name} and take that: `podman logout {name}`");
        match &host {
            Some(host) => (*host == name).then(|| what.into()),
            None => Some(Doubt::at(format!("https://{name}"), what)),
        }
    };
    let helpers = helpers.into_iter().filter(|_| host.is_none()).map(helper);
    helpers.chain(logins.filter_map(login)).collect()
}
