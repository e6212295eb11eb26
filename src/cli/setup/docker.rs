//! Docker, and what reads its configuration: podman, skopeo, buildah, oras, crane.

use super::super::exit::Failure;
use super::format::{Entry, Json};
use super::link::Link;
use super::machine::Machine;
use super::plan::{Plan, Tool, Wish, no_doubts};

pub(super) const TOOL: Tool = Tool {
    name: "docker",
    program: "docker",
    help: "credHelpers of the --host in ~/.docker/config.json (or $DOCKER_CONFIG), or credsStore with --all-hosts; podman, oras and crane \
           read it, too. Skopeo takes no notice of credsStore.",
    plan,
    doubts: no_doubts,
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
    let directory = machine.path("DOCKER_CONFIG").unwrap_or_else(|| machine.home.join(".docker"));
    // Of a registry only its host is said, whether it speaks TLS or not.
    let target = host.map(|host| match HUB_HOSTS.contains(&host.authority.as_str()) {
        true => "https://index.docker.io".to_owned(),
        false => format!("https://{}", host.authority),
    });
    let plan = Plan::of(directory.join("config.json"), entries);
    let plan = plan.with_link(Link::beside(machine, "docker-credential-cred-helper"));
    Ok(plan.with_rule_at(machine, wish, target))
}
