//! `setup`: makes other tools use us, and takes that back. What would change is shown first; files stay as they are but for
//! what is shown; a second run changes nothing.
//!
//! One file and one line in [`TOOLS`] for each tool: it says what has to stand where, and nothing else. `format` knows how
//! that is put into a text, `work` tries it, `file` and `link` do it, `record` remembers it.

mod aws;
mod bazel;
mod by_hand;
mod cargo;
mod check;
mod claude;
mod codex;
mod docker;
mod doubt;
mod file;
mod format;
#[cfg(any(feature = "fuzzing", all(test, feature = "agent")))]
pub(crate) mod fuzzing;
mod git;
mod goauth;
mod kubectl;
mod link;
mod list;
mod machine;
mod names;
mod pip;
mod plan;
mod pnpm;
mod rclone;
mod record;
mod splice;
mod terraform;
#[cfg(test)]
mod tests;
mod work;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use super::args::SetupArgs;
use super::connect;
use super::exit::Failure;
use super::output::{self, Style, Tone};
use super::{agent, vault};
use link::Link;
use machine::Machine;
use names::tool;
use plan::{Plan, Tool, Wish};
use record::{Linked, Needs, Record, Records};
use work::Work;

pub(super) use check::checks;
pub use names::names;

/// Every tool, sorted.
const TOOLS: &[Tool] = &[
    aws::TOOL,
    bazel::TOOL,
    cargo::TOOL,
    claude::TOOL,
    codex::TOOL,
    docker::TOOL,
    git::TOOL,
    goauth::TOOL,
    by_hand::GOOGLE,
    kubectl::TOOL,
    by_hand::MAIL,
    pip::PIP,
    pnpm::TOOL,
    by_hand::POETRY,
    rclone::TOOL,
    terraform::TOOL,
    by_hand::TWINE,
    pip::UV,
];

const INTRODUCTION: &str = "\
Shows what it would change, asks, and changes that alone: comments, order and line ends of the files stay, links to them are \
followed, and --remove takes back exactly what was added. What somebody else has set is never replaced. --host with --account \
also writes the rule under [targets] in cred-helper.toml(5), and has the agent read it. Tools that start a helper by a name of \
its own find it through a link beside cred-helper, or in ~/.local/bin. What was done is kept in setup.json in the state directory.";

/// The state of a tool whose settings are the person's to write.
const BY_HAND: &str = "by_hand";

/// What a command did, as JSON.
#[derive(Serialize)]
struct Done<'a> {
    tool: &'a str,
    state: &'a str,
    files: Vec<PathBuf>,
    links: Vec<PathBuf>,
    notes: Vec<String>,
}

/// What holds for all, then each tool's own, for the manual.
pub fn help() -> String {
    let one = |Tool { name, help, .. }: &Tool| format!("\n\n{name}: {help}");
    TOOLS.iter().fold(INTRODUCTION.to_owned(), |text, tool| text + &one(tool))
}

pub(super) fn run(args: &SetupArgs) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var_os(name);
    let machine = Machine::here(&connect::paths()?, &variable)?;
    if args.tool.is_some() {
        file::refuse_anothers_home(&machine.home)?;
    }
    let mut records = Records::read(&machine.state_dir)?;
    let Some(name) = &args.tool else { return list::show(&machine, &records, args.json) };
    let tool = self::tool(name);
    let tool = tool.ok_or_else(|| Failure::Usage("there is no tool of that name".to_owned()))?;
    let account = connect::account(args.account.as_deref())?;
    let wish = Wish {
        account,
        host: args.host.clone(),
        all_hosts: args.all_hosts,
        name: args.name.clone(),
        words: args.words.clone(),
    };
    let done = match args.remove {
        false => add(&machine, &mut records, tool, &wish, args.yes)?,
        true => remove(&machine, &mut records, tool, &wish, args.yes)?,
    };
    if !args.remove && done.state != BY_HAND {
        check::why_nobody_answers(&machine, tool, &wish).iter().for_each(|why| output::warning(why));
    }
    match done.state {
        _ if args.json => output::json(&done),
        BY_HAND => done.notes.iter().try_for_each(|note| output::line(note)),
        _ => Ok(()),
    }
}

fn add<'a>(
    machine: &Machine<'_>,
    records: &mut Records,
    tool: &'a Tool,
    wish: &Wish,
    sure: bool,
) -> Result<Done<'a>, Failure> {
    let plan = (tool.plan)(machine, wish)?;
    let name = plan.name.clone().or_else(|| wish.name.clone());
    let wish = &Wish { name, host: plan.host.clone().or_else(|| wish.host.clone()), ..wish.clone() };
    if plan.files.is_empty() {
        return Ok(done(tool, BY_HAND, &Work::default(), &[], plan.notes));
    }
    let links: Vec<&Link> = plan.links.iter().filter(|link| !link.leads_to(machine)).collect();
    let mut work = Work::default();
    if list::stands(machine, tool, wish) {
        // What it shares with another setup of the tool must stay when that goes.
        let (known, others): (Vec<_>, Vec<_>) = records
            .tools
            .iter()
            .filter(|record| record.tool == tool.name)
            .partition(|record| record.wish.same_place(wish));
        if known.is_empty() && !others.is_empty() {
            records.tools.push(Record {
                tool: tool.name.to_owned(),
                wish: wish.clone(),
                needs: Needs::of(&plan),
                files: Vec::new(),
                links: Vec::new(),
            });
            records.write(&machine.state_dir)?;
        }
        warn(machine, tool, wish, &plan);
        output::tell(&format!("{} is set up already.", tool.name));
        return Ok(done(tool, "already", &work, &[], plan.notes));
    }
    let remembered = records.tools.clone();
    let before = records.tools.iter().position(|record| record.tool == tool.name && record.wish.same_place(wish));
    let before = before.map(|at| records.tools.remove(at));
    if let Some(before) = &before {
        undo(machine, &mut work, before)?;
    }
    put(machine, &mut work, &plan)?;
    show(machine, &work, &links, &[]);
    agree(sure)?;
    let mut made: Vec<Linked> = Vec::new();
    for link in &links {
        made.push(Linked { path: link.path.clone(), directories: link.make(machine)? });
    }
    let paths: Vec<PathBuf> = links.iter().map(|link| link.path.clone()).collect();
    let all = before.into_iter().flat_map(|before| before.links).chain(made.clone()).collect();
    let (name, needs) = (tool.name.to_owned(), Needs::of(&plan));
    records.tools.push(Record { tool: name, wish: wish.clone(), needs, files: work.touched(), links: all });
    if let Err(failure) = records.write(&machine.state_dir) {
        unlink(machine, made);
        return Err(failure);
    }
    if let Err(NotWritten { failure, undone }) = write(machine, &work) {
        // Else the record knows what there is to remove.
        if undone {
            unlink(machine, made);
            records.tools = remembered;
            records.write(&machine.state_dir)?;
        }
        return Err(failure);
    }
    read_again(machine, &work)?;
    warn(machine, tool, wish, &plan);
    plan.notes.iter().for_each(|note| output::tell(note));
    output::tell(&format!("{} is set up.", tool.name));
    Ok(done(tool, "set_up", &work, &paths, plan.notes))
}

fn remove<'a>(
    machine: &Machine<'_>,
    records: &mut Records,
    tool: &'a Tool,
    wish: &Wish,
    sure: bool,
) -> Result<Done<'a>, Failure> {
    let meant = |record: &Record| {
        let same = |wanted: &Option<String>, had: &Option<String>| wanted.is_none() || wanted == had;
        record.tool == tool.name && same(&wish.host, &record.wish.host) && same(&wish.name, &record.wish.name)
    };
    let (going, staying): (Vec<_>, Vec<_>) = std::mem::take(&mut records.tools).into_iter().partition(meant);
    records.tools = staying;
    let mut work = Work::default();
    let mut links = Vec::new();
    let known = !going.is_empty();
    if !known {
        // By hand, or the memory of it is lost.
        for (path, entries) in (tool.plan)(machine, wish)?.files {
            work.take(machine, &path, &entries, &[])?;
        }
    }
    for mut record in going.into_iter().rev() {
        hand_over(records, &mut record);
        undo(machine, &mut work, &record)?;
        links.extend(record.links);
    }
    if !known && work.is_idle() {
        output::tell(&format!("{} is not set up.", tool.name));
        return Ok(done(tool, "not_set_up", &work, &[], Vec::new()));
    }
    if !(work.is_idle() && links.is_empty()) {
        show(machine, &work, &[], &links);
        agree(sure)?;
    }
    write(machine, &work)?;
    let paths: Vec<PathBuf> = links.iter().map(|link| link.path.clone()).collect();
    unlink(machine, links);
    records.write(&machine.state_dir)?;
    read_again(machine, &work)?;
    output::tell(&format!("{} is no longer set up.", tool.name));
    Ok(done(tool, "removed", &work, &paths, Vec::new()))
}

fn unlink(machine: &Machine<'_>, links: Vec<Linked>) {
    for Linked { path, directories } in links {
        Link { path, in_path: false }.remove(machine, &directories);
    }
}

/// What another setup needs, too, is its own from now on.
fn hand_over(records: &mut Records, going: &mut Record) {
    for Record { needs, files, links, .. } in &mut records.tools {
        links.extend(going.links.extract_if(.., |link| needs.links.contains(&link.path)));
        files.extend(going.files.extract_if(.., |file| needs.all_of(file)));
    }
}

/// What a person has to do besides.
fn warn(machine: &Machine<'_>, tool: &Tool, wish: &Wish, plan: &Plan) {
    let links = plan.links.iter().filter_map(|link| link.doubt(machine));
    let doubts = (tool.doubts)(machine, wish).into_iter().filter(|doubt| doubt.at.is_none()).map(|doubt| doubt.what);
    links.chain(doubts).for_each(|doubt| output::warning(&doubt));
}

fn put(machine: &Machine<'_>, work: &mut Work, plan: &Plan) -> Result<(), Failure> {
    plan.files.iter().try_for_each(|(path, entries)| work.put(machine, path, entries))
}

/// Takes back what was done for an earlier wish.
fn undo(machine: &Machine<'_>, work: &mut Work, record: &Record) -> Result<(), Failure> {
    record.files.iter().rev().try_for_each(|done| work.undo(machine, done))
}

fn show(machine: &Machine<'_>, work: &Work, links: &[&Link], going: &[Linked]) {
    let style = Style::stderr();
    for (file, lines) in work.shown(machine) {
        output::tell(&style.paint(Tone::Strong, &file));
        for line in lines {
            let tone = if line.starts_with('+') { Tone::Good } else { Tone::Bad };
            // A control character in somebody's file is not for the terminal.
            let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).collect();
            output::tell(&style.paint(tone, &format!("  {line}")));
        }
    }
    for link in links {
        let (path, program) = (machine.shown(&link.path), machine.shown(&machine.program));
        output::tell(&format!("{} (new link to {program})", style.paint(Tone::Strong, &path)));
    }
    for link in going {
        output::tell(&format!("{} (link removed)", style.paint(Tone::Strong, &machine.shown(&link.path))));
    }
}

fn agree(sure: bool) -> Result<(), Failure> {
    if sure {
        return Ok(());
    }
    if !output::person_present() {
        return Err(Failure::Usage("nothing was changed: there is no terminal to ask at; add --yes".to_owned()));
    }
    if vault::yes("Change this? [y/N] ")? {
        return Ok(());
    }
    output::tell("Nothing was changed.");
    Err(Failure::Quiet(1))
}

/// Why not all files were written, and whether those are as before that were.
struct NotWritten {
    failure: Failure,
    undone: bool,
}

impl From<NotWritten> for Failure {
    fn from(not: NotWritten) -> Self {
        not.failure
    }
}

/// All files or none. Our own rules come first.
fn write(machine: &Machine<'_>, work: &Work) -> Result<(), NotWritten> {
    let own = machine.config_file.as_path();
    let (mut paths, mut written) = (work.paths(), Vec::new());
    paths.sort_by_key(|path| *path != own);
    for path in paths {
        let wrote = work.write(path).and_then(|()| {
            written.push(path);
            if path == own { check_rules(machine) } else { Ok(()) }
        });
        wrote.map_err(|failure| {
            let undone = written.iter().rev().try_for_each(|path| work.put_back(path)).is_ok();
            NotWritten { failure, undone }
        })?;
    }
    Ok(())
}

/// Whether the agent can read them: a fault there would end every answer.
fn check_rules(machine: &Machine<'_>) -> Result<(), Failure> {
    let agent = connect::agent_executable().ok().filter(|_| machine.has_agent);
    let check = agent.and_then(|agent| Command::new(agent).arg("check-config").output().ok());
    if check.is_none_or(|check| check.status.success()) {
        return Ok(());
    }
    let file = machine.shown(&machine.config_file);
    let message = format!("{file} would have a fault with the new rule, or has one (`cred-helper config check`)");
    Err(Failure::System(message + "; nothing was changed"))
}

/// An agent that runs learns of a new rule.
fn read_again(machine: &Machine<'_>, work: &Work) -> Result<(), Failure> {
    let rules = work.paths().contains(&machine.config_file.as_path());
    if rules && machine.has_agent { agent::read_again() } else { Ok(()) }
}

fn done<'a>(tool: &'a Tool, state: &'a str, work: &Work, links: &[PathBuf], notes: Vec<String>) -> Done<'a> {
    let files = work.paths().into_iter().map(Path::to_owned).collect();
    Done { tool: tool.name, state, files, links: links.to_vec(), notes }
}
