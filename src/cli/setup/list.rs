//! `setup` alone: every tool, and whether it is set up.

use serde::Serialize;

use super::super::exit::Failure;
use super::super::output::{self, Style, Tone};
use super::super::table::{self, Cell};
use super::TOOLS;
use super::format::Look;
use super::machine::Machine;
use super::plan::{Tool, Wish};
use super::record::Records;

/// How a tool stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// All is there.
    SetUp,
    /// It was, and something of it is gone.
    Changed,
    /// It was never.
    NotSetUp,
    /// Its settings are the person's to write.
    ByHand,
}

/// One line.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    tool: &'static str,
    state: State,
    installed: bool,
    #[serde(flatten)]
    wish: Wish,
}

#[derive(Serialize)]
struct Rows {
    tools: Vec<Row>,
}

pub(super) fn show(machine: &Machine<'_>, records: &Records, json: bool) -> Result<(), Failure> {
    let tools: Vec<Row> = TOOLS.iter().flat_map(|tool| rows(machine, records, tool)).collect();
    if json {
        return output::json(&Rows { tools });
    }
    let lines: Vec<Vec<Cell>> = tools.iter().map(line).collect();
    output::data(&table::table(Style::stdout(), &["TOOL", "STATE", "FOR", "ACCOUNT"], &lines))?;
    output::tell(
        "\n`cred-helper setup TOOL` sets one up, or prints what to write where (by hand); --remove takes it back.",
    );
    if tools.iter().any(|row| row.state == State::Changed) {
        output::tell(
            "What was changed since is set up again by the same command; `cred-helper doctor` has it, and says what is missing.",
        );
    }
    Ok(())
}

fn rows(machine: &Machine<'_>, records: &Records, tool: &Tool) -> Vec<Row> {
    let installed = machine.find(tool.program).is_some();
    let row = |state, wish| Row { tool: tool.name, state, installed, wish };
    let ours = records.tools.iter().filter(|record| record.tool == tool.name);
    let known: Vec<Row> = ours
        .map(|record| {
            let state = if stands(machine, tool, &record.wish) { State::SetUp } else { State::Changed };
            row(state, record.wish.clone())
        })
        .collect();
    if !known.is_empty() {
        return known;
    }
    if (tool.plan)(machine, &Wish::default()).is_ok_and(|plan| plan.files.is_empty()) {
        return vec![row(State::ByHand, Wish::default())];
    }
    // It may have been done without us.
    let usual = [Wish::default(), Wish { all_hosts: true, ..Wish::default() }];
    let found = usual.into_iter().find(|wish| stands(machine, tool, wish));
    vec![found.map_or_else(|| row(State::NotSetUp, Wish::default()), |wish| row(State::SetUp, wish))]
}

/// What is set up, by us or by hand.
pub(super) fn set_up(machine: &Machine<'_>, records: &Records) -> Vec<(&'static Tool, Wish)> {
    let rows = TOOLS.iter().flat_map(|tool| rows(machine, records, tool).into_iter().map(move |row| (tool, row)));
    rows.filter(|(_, row)| matches!(row.state, State::SetUp | State::Changed))
        .map(|(tool, row)| (tool, row.wish))
        .collect()
}

/// Whether all that a wish needs is there.
pub(super) fn stands(machine: &Machine<'_>, tool: &Tool, wish: &Wish) -> bool {
    let Ok(plan) = (tool.plan)(machine, wish) else { return false };
    let mut entries = plan.files.iter().flat_map(|(path, entries)| entries.iter().map(move |entry| (path, entry)));
    let all = entries.all(|(path, entry)| entry.look(&machine.read(path)) == Ok(Look::There));
    all && !plan.files.is_empty() && plan.links.iter().all(|link| link.leads_to(machine))
}

fn line(row: &Row) -> Vec<Cell> {
    let Row { tool, state, installed, wish } = row;
    let state = match (state, installed) {
        (State::SetUp, _) => Cell::new("set up", Tone::Good),
        (State::Changed, _) => Cell::new("changed since", Tone::Warning),
        (State::ByHand, _) => Cell::new("by hand", Tone::Faint),
        (State::NotSetUp, true) => Cell::from("not set up"),
        (State::NotSetUp, false) => Cell::new("not installed", Tone::Faint),
    };
    let place = [&wish.host, &wish.name].into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" ");
    let place = if wish.all_hosts { "all hosts".to_owned() } else { place };
    vec![(*tool).into(), state, place.into(), wish.account.clone().unwrap_or_default().into()]
}
