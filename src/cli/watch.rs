//! `status --watch`: redraws when something changes, and once a second for the countdown alone.
//!
//! Changes come from the agent as events; it is never polled. The terminal is put back however this ends.

use std::io::{self, IsTerminal as _, Stdout};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::connect::{self, Connect};
use super::exit::{Failure, INTERRUPTED};
use super::output::{self, Style, Tone};
use super::screen::Screen;
use super::{status, when};
use crate::ipc::client::Client;
use crate::ipc::message::ErrorKind;
use crate::ipc::message::account::{Accounts, ListAccounts};
use crate::ipc::message::event::Subscribe;

pub(super) fn run(connect: &Connect, json: bool) -> Result<(), Failure> {
    let changes = subscribe(connect.open()?)?;
    let client = connect.open()?;
    if json || !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        stream(client, &changes, json)
    } else {
        screen(client, &changes)
    }
}

/// A thread that says when something changed, until the agent goes away.
fn subscribe(mut client: Client) -> Result<Receiver<Result<(), Failure>>, Failure> {
    connect::call(&mut client, &Subscribe {})?;
    client.clear_deadline();
    let (changed, changes) = mpsc::channel::<Result<(), Failure>>();
    std::thread::spawn(move || {
        // Nobody listens any more: then the program is ending, and this thread with it.
        let ended = client.listen(&mut |_, _| drop(changed.send(Ok(()))));
        let gone = || Failure::new(ErrorKind::AgentUnreachable, "the agent has ended; `cred-helper status` starts it");
        let _ = changed.send(Err(ended.map_or_else(Failure::from, |()| gone())));
    });
    Ok(changes)
}

/// For a pipe: everything anew at each change.
fn stream(mut client: Client, changes: &Receiver<Result<(), Failure>>, json: bool) -> Result<(), Failure> {
    loop {
        let accounts = connect::call(&mut client, &ListAccounts {})?;
        if json {
            output::json_line(&accounts)?
        } else {
            status::print(&accounts, false)?
        }
        match changes.recv() {
            Ok(change) => change?,
            Err(mpsc::RecvError) => return Ok(()),
        }
        while let Ok(more) = changes.try_recv() {
            more?;
        }
    }
}

fn screen(mut client: Client, changes: &Receiver<Result<(), Failure>>) -> Result<(), Failure> {
    let mut screen = Screen::enter(io::stdout())?;
    let mut accounts = connect::call(&mut client, &ListAccounts {})?;
    loop {
        draw(&mut screen, &accounts)?;
        match pressed(Duration::from_secs(1))? {
            Key::Leave => return Ok(()),
            Key::Interrupt => return Err(Failure::Quiet(INTERRUPTED)),
            Key::Other => {}
        }
        let mut changed = false;
        while let Ok(change) = changes.try_recv() {
            change?;
            changed = true;
        }
        if changed {
            accounts = connect::call(&mut client, &ListAccounts {})?;
        }
    }
}

fn draw(screen: &mut Screen<Stdout>, accounts: &Accounts) -> Result<(), Failure> {
    let style = Style::stdout();
    let mut text = if accounts.accounts.is_empty() {
        format!("{}\n", status::NOBODY)
    } else {
        status::overview(accounts, when::now(), style)
    };
    text.push_str(&format!("\n{}\n", style.paint(Tone::Faint, "q leaves")));
    Ok(screen.draw(&text)?)
}

enum Key {
    Leave,
    Interrupt,
    Other,
}

fn pressed(within: Duration) -> Result<Key, Failure> {
    if !event::poll(within)? {
        return Ok(Key::Other);
    }
    let Event::Key(key) = event::read()? else { return Ok(Key::Other) };
    Ok(match key.code {
        _ if key.kind == KeyEventKind::Release => Key::Other,
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Interrupt,
        KeyCode::Char('q') | KeyCode::Esc => Key::Leave,
        _ => Key::Other,
    })
}
