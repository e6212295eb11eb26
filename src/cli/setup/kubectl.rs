//! Kubectl, and what shares its client library: helm, k9s, flux.

use serde_json::Value;

use super::super::exit::Failure;
use super::doubt::{Doubt, said};
use super::format::{Context, Entry, ExecUser, UserOfContext, contexts};
use super::machine::Machine;
use super::plan::{Host, Plan, Tool, Wish};
use super::work::broken;

pub(super) const TOOL: Tool = Tool {
    name: "kubectl",
    program: "kubectl",
    help: "A user in ~/.kube/config (or the first file of $KUBECONFIG), used by the context --name, or the one whose cluster is at --host, or the \
           current one: `setup kubectl --account ACCOUNT`, with `-- --id-token` where the cluster takes ID tokens; the account is a rule for the cluster's URL. \
           Kubectl 1.22 and newer.",
    plan,
    doubts,
};

fn plan(machine: &Machine<'_>, wish: &Wish) -> Result<Plan, Failure> {
    let listed = machine.variable("KUBECONFIG");
    let listed = listed.iter().flat_map(std::env::split_paths).find(|path| !path.as_os_str().is_empty());
    let file = listed.unwrap_or_else(|| machine.home.join(".kube").join("config"));
    let contexts = contexts(&machine.read(&file)).map_err(|wrong| broken(machine, &file, &wrong))?;
    let found = context(&contexts, wish)?.ok_or_else(|| {
        let message = "has no such context: name it with --name, or its cluster's URL with --host";
        Failure::Usage(format!("{} {message}", machine.shown(&file)))
    })?;
    let name = found.name.clone();
    let missing = "the file says no URL of that context's cluster: add --host with it";
    let wish = &wish.ruled(found.server.as_deref(), missing)?;
    // Where a rule says who answers, the configuration doesn't.
    let unruled = Wish { account: None, ..wish.clone() };
    let words = unruled.helper_words(&["helper", "kubectl"]).into_iter().map(str::to_owned).collect();
    let user = format!("cred-helper-{name}");
    let entries = vec![
        Entry::ExecUser(ExecUser { name: user.clone(), command: machine.program_text(), words }),
        Entry::UserOfContext(UserOfContext { context: name.clone(), user }),
    ];
    Plan { name: Some(name), host: wish.host.clone(), ..Plan::of(file, entries) }.with_rule(machine, wish)
}

fn context<'a>(all: &'a [Context], wish: &Wish) -> Result<Option<&'a Context>, Failure> {
    let at = |context: &&Context, host: &Host| context.server.as_deref().is_some_and(|url| host.is_at(url));
    let found: Vec<&'a Context> = match (&wish.name, wish.host()?) {
        (Some(name), _) => all.iter().filter(|context| context.name == *name).collect(),
        (None, Some(host)) => all.iter().filter(|context| at(context, &host)).collect(),
        (None, None) => all.iter().filter(|context| context.current).collect(),
    };
    match found.as_slice() {
        [one] => Ok(Some(one)),
        [] => Ok(None),
        several => {
            let names: Vec<&str> = several.iter().map(|context| context.name.as_str()).collect();
            Err(Failure::Usage(format!("several contexts are there: name one with --name: {}", names.join(", "))))
        }
    }
}

/// Before 1.22 there was v1beta1 of what starts us, and no v1.
fn doubts(machine: &Machine<'_>, _wish: &Wish) -> Vec<Doubt> {
    let version = said(machine, "kubectl", &["version", "--client", "--output=json"]);
    let version: Value = version.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let part = |name: &str| {
        let text = version.get("clientVersion")?.get(name)?.as_str()?;
        text.trim_end_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().ok()
    };
    let is_old = part("major").zip(part("minor")).is_some_and(|version| version < (1, 22));
    let what = "this kubectl is older than 1.22 and cannot start what asks us: install a newer one";
    is_old.then(|| what.to_owned().into()).into_iter().collect()
}
