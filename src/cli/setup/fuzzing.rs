//! What must hold of every change of a file, whatever is in it: it can be taken back, nothing of the line beside it is shown, and
//! no error quotes what was read.

use super::claude;
use super::format::{Entry, ExecUser, Ini, Json, Line, Look, Order, Toml, UserOfContext, contexts};
use crate::fuzzing::quotes_nothing;

pub(crate) fn settings_ini(input: &[u8]) {
    for (order, values) in [(Order::Last, &["", "x"][..]), (Order::First, &["x"]), (Order::Alone, &["x"])] {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let section = "credential \"https://a\"".to_owned();
        settings(&Entry::Ini(Ini { section, key: "helper".into(), values, order, indent: "\t" }), input);
    }
}

pub(crate) fn settings_json(input: &[u8]) {
    if let Err(wrong) = claude::known_server(&String::from_utf8_lossy(input), "a") {
        quotes_nothing(wrong.what);
    }
    for path in [&["a"][..], &["a", "b:1"]] {
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        settings(&Entry::Json(Json { path, value: "x".into() }), input);
    }
}

pub(crate) fn settings_lines(input: &[u8]) {
    for text in ["key=x", "key \"x\" {\n  y\n}"] {
        settings(&Entry::Line(Line { what: "it", same: "key".to_owned(), text: text.to_owned() }), input);
    }
}

pub(crate) fn settings_toml(input: &[u8]) {
    for table in [&[][..], &["a"], &["a", "b"]] {
        let table = table.iter().map(|name| (*name).to_owned()).collect();
        settings(&Entry::Toml(Toml { table, key: "https://k".to_owned(), value: "x".into() }), input);
    }
}

pub(crate) fn settings_kubeconfig(input: &[u8]) {
    let (name, command) = ("ours".to_owned(), "/b/x".to_owned());
    settings(&Entry::ExecUser(ExecUser { name: name.clone(), command, words: vec!["y".to_owned()] }), input);
    let text = String::from_utf8_lossy(input);
    for context in contexts(&text).into_iter().flatten() {
        let entry = UserOfContext { context: context.name, user: name.clone() };
        let Ok(Look::Missing(splice)) = Entry::UserOfContext(entry).look(&text) else { continue };
        let after = splice.apply(&text).expect("a change of this text");
        assert_eq!(splice.reversed().apply(&after).as_deref(), Some(&*text));
    }
}

fn settings(entry: &Entry, input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let splice = match entry.look(text) {
        Err(wrong) => return quotes_nothing(wrong.what),
        Ok(Look::Missing(splice)) => splice,
        Ok(Look::There | Look::Other(_)) => {
            let taken = entry.take(text, &[]).unwrap_or_else(|wrong| {
                quotes_nothing(wrong.what);
                None
            });
            taken.inspect(|splice| assert!(splice.apply(text).is_some()));
            return;
        }
    };
    splice.shown(text).iter().for_each(|line| quotes_nothing(line.replace('\t', " ")));
    let after = splice.apply(text).expect("a change of this text");
    assert_eq!(splice.reversed().apply(&after).as_deref(), Some(text));
    // Where it isn't there now, nothing is written.
    if entry.look(&after) == Ok(Look::There)
        && let Ok(Some(taken)) = entry.take(&after, &[])
    {
        let left = taken.apply(&after).expect("a change of that text");
        assert!(entry.look(&left).is_ok(), "what is left can be read");
    }
}
