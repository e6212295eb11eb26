//! YAML with the places of things, for a kubeconfig. What programs don't write there (anchors, tags, keys that are no text) is
//! refused.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::Wrong;

/// As deep as a file may be.
const MAX_DEPTH: usize = 32;

/// A part of the document.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins, in bytes.
    pub(super) start: usize,
    /// Where it ends: for a block with what follows it up to the next part.
    pub(super) end: usize,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar(String),
    Sequence { items: Vec<Node>, flow: bool },
    Mapping(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn get(&self, name: &str) -> Option<&Node> {
        match &self.kind {
            Kind::Mapping(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            _ => None,
        }
    }

    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::Sequence { items, .. } => items,
            _ => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Where the last scalar or bracket of it ends.
    pub(super) fn last_end(&self) -> usize {
        match &self.kind {
            Kind::Sequence { items, flow: false } => items.iter().map(Node::last_end).max().unwrap_or(self.end),
            Kind::Mapping(members) => members.iter().map(|(_, node)| node.last_end()).max().unwrap_or(self.end),
            _ => self.end,
        }
    }
}

/// A collection that has not ended yet.
struct Open {
    node: Node,
    key: Option<String>,
}

/// The first document; none where there is nothing.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Wrong> {
    // The parser counts characters.
    let mut bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    bytes.push(text.len());
    let byte = |character: usize| bytes.get(character).copied().unwrap_or(text.len());
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Wrong::at(error.marker().line(), "this is not valid YAML"))?;
        let (start, end) = (byte(span.start.index()), byte(span.end.index()));
        let odd = || Wrong::at(span.start.line(), "this has anchors, tags, odd keys or is too deep: change it by hand");
        let whole = match event {
            Event::Scalar(value, style, 0, None) => {
                let length = length(text.get(start..end).unwrap_or_default(), style);
                let end = start + length;
                Node { start, end, kind: Kind::Scalar(value.into_owned()) }
            }
            Event::SequenceStart(0, None) if open.len() < MAX_DEPTH => {
                let flow = text.get(start..).is_some_and(|rest| rest.starts_with('['));
                let kind = Kind::Sequence { items: Vec::new(), flow };
                open.push(Open { node: Node { start, end, kind }, key: None });
                continue;
            }
            Event::MappingStart(0, None) if open.len() < MAX_DEPTH => {
                let kind = Kind::Mapping(Vec::new());
                open.push(Open { node: Node { start, end, kind }, key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { mut node, .. }) = open.pop() else { return Err(odd()) };
                node.end = end.max(node.start);
                node
            }
            Event::Nothing | Event::StreamStart | Event::DocumentStart(_) => continue,
            Event::DocumentEnd | Event::StreamEnd => break,
            _ => return Err(odd()),
        };
        let Some(Open { node, key }) = open.last_mut() else { return Ok(Some(whole)) };
        match (&mut node.kind, key.take(), whole.kind) {
            (Kind::Sequence { items, .. }, _, kind) => items.push(Node { kind, ..whole }),
            (Kind::Mapping(members), Some(name), kind) => members.push((name, Node { kind, ..whole })),
            (Kind::Mapping(_), None, Kind::Scalar(name)) => *key = Some(name),
            _ => return Err(odd()),
        }
    }
    Ok(None)
}

/// How long a scalar is, whatever blanks and comments follow it.
fn length(written: &str, style: ScalarStyle) -> usize {
    let quote = match style {
        ScalarStyle::SingleQuoted => '\'',
        ScalarStyle::DoubleQuoted => '"',
        _ => return written.trim_end().len(),
    };
    // A doubled quote ends one part and begins the next; a backslash escapes only between double ones.
    let (mut inside, mut escaped) = (false, false);
    for (at, c) in written.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && inside && quote == '"' {
            escaped = true;
        } else if c == quote {
            inside = !inside;
        } else if !inside {
            return at;
        }
    }
    written.trim_end().len()
}
