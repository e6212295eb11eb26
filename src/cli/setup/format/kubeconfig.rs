//! A kubeconfig: a user whose credentials we answer with, and that a context uses it. Kubectl writes the file anew, without its
//! comments, whenever it changes it; here lines are put in, and one name is replaced, which `--remove` puts back.

use serde::{Deserialize, Serialize};

use super::super::splice::{Splice, insert_lines, line_at, next_line, remove_lines};
use super::yaml::{Kind, Node, parse};
use super::{Look, Wrong};

/// A user, as `users` has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct ExecUser {
    /// Its name.
    pub(in super::super) name: String,
    /// The program.
    pub(in super::super) command: String,
    /// Its words.
    pub(in super::super) words: Vec<String>,
}

/// The user that a context uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct UserOfContext {
    /// The context's name.
    pub(in super::super) context: String,
    /// The user's.
    pub(in super::super) user: String,
}

/// A context, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Context {
    pub(in super::super) name: String,
    /// The URL of its cluster.
    pub(in super::super) server: Option<String>,
    pub(in super::super) current: bool,
}

/// The contexts of a file.
pub(in super::super) fn contexts(text: &str) -> Result<Vec<Context>, Wrong> {
    let Some(root) = parse(text)? else { return Ok(Vec::new()) };
    let named = |list: &'static str| root.get(list).map(Node::items).unwrap_or_default();
    let current = root.get("current-context").and_then(Node::text);
    let of_context = |item: &Node| {
        let name = item.get("name")?.text()?;
        let cluster = item.get("context").and_then(|context| context.get("cluster")).and_then(Node::text);
        let of_cluster = |item: &&Node| item.get("name").and_then(Node::text) == cluster && cluster.is_some();
        let found =
            named("clusters").iter().find(of_cluster).and_then(|item| item.get("cluster")?.get("server")?.text());
        Some(Context { name: name.to_owned(), server: found.map(str::to_owned), current: Some(name) == current })
    };
    Ok(named("contexts").iter().filter_map(of_context).collect())
}

impl ExecUser {
    pub(super) fn name(&self) -> String {
        format!("the user {}", self.name)
    }

    pub(super) fn look(&self, text: &str) -> Result<Look, Wrong> {
        let root = parse(text)?;
        let users = root.as_ref().and_then(|root| root.get("users"));
        if let Some(user) = self.find(users) {
            let same = self.is_same(user);
            return Ok(if same { Look::There } else { Look::Other(line_at(text, user.start)) });
        }
        let splice = match users {
            None => insert_lines(text, text.len(), &format!("users:\n{}", self.lines(""))),
            Some(users) => match (&users.kind, users.items().last()) {
                (Kind::Sequence { flow: false, .. }, Some(last)) => {
                    let start = text.get(..last.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
                    let before = text.get(start..last.start).unwrap_or_default();
                    let Some(indent) = before.trim_end().strip_suffix('-').filter(|it| it.trim().is_empty()) else {
                        return Err(by_kubectl(text, last.start));
                    };
                    insert_lines(text, next_line(text, last.last_end()), &self.lines(indent))
                }
                (Kind::Sequence { flow: true, .. }, None) => {
                    let lines = format!("\n{}", self.lines(""));
                    Splice::replace(text, users.start..users.end, lines.trim_end_matches('\n'))
                }
                (Kind::Scalar(nothing), _) if ["null", "~"].contains(&nothing.as_str()) => {
                    let lines = format!("\n{}", self.lines(""));
                    let end = users.start + nothing.len();
                    Splice::replace(text, users.start..end, lines.trim_end_matches('\n'))
                }
                (Kind::Scalar(nothing), _) if nothing.is_empty() => {
                    insert_lines(text, next_line(text, users.start), &self.lines(""))
                }
                _ => return Err(by_kubectl(text, users.start)),
            },
        };
        Ok(Look::Missing(splice))
    }

    pub(super) fn take(&self, text: &str) -> Result<Option<Splice>, Wrong> {
        let root = parse(text)?;
        let users = root.as_ref().and_then(|root| root.get("users"));
        let Some(user) = self.find(users).filter(|user| self.is_same(user)) else { return Ok(None) };
        let start = text.get(..user.start).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
        if text.get(start..user.start).is_none_or(|before| before.trim() != "-") {
            return Err(by_kubectl(text, user.start));
        }
        Ok(Some(remove_lines(text, start..next_line(text, user.last_end()))))
    }

    fn find<'a>(&self, users: Option<&'a Node>) -> Option<&'a Node> {
        let mut items = users?.items().iter();
        items.find(|item| item.get("name").and_then(Node::text) == Some(&self.name))
    }

    fn is_same(&self, user: &Node) -> bool {
        let exec = user.get("user").and_then(|user| user.get("exec"));
        let command = exec.and_then(|exec| exec.get("command")).and_then(Node::text);
        let words = exec.and_then(|exec| exec.get("args")).map(Node::items).unwrap_or_default();
        command == Some(&self.command)
            && words.iter().map(Node::text).eq(self.words.iter().map(|word| Some(word.as_str())))
    }

    fn lines(&self, indent: &str) -> String {
        let scalar = |text: &str| serde_json::Value::from(text).to_string();
        let mut lines = vec![
            format!("- name: {}", scalar(&self.name)),
            "  user:".to_owned(),
            "    exec:".to_owned(),
            "      apiVersion: client.authentication.k8s.io/v1".to_owned(),
            format!("      command: {}", scalar(&self.command)),
            "      args:".to_owned(),
        ];
        lines.extend(self.words.iter().map(|word| format!("      - {}", scalar(word))));
        lines.extend(["      interactiveMode: Never".to_owned(), "      provideClusterInfo: true".to_owned()]);
        lines.iter().map(|line| format!("{indent}{line}\n")).collect()
    }
}

impl UserOfContext {
    pub(super) fn name(&self) -> String {
        format!("the user of the context {}", self.context)
    }

    pub(super) fn look(&self, text: &str) -> Result<Look, Wrong> {
        let root = parse(text)?;
        let Some(user) = root.as_ref().and_then(|root| self.find(root)) else { return Ok(Look::Other(1)) };
        if user.text() == Some(&self.user) {
            return Ok(Look::There);
        }
        let new = serde_json::Value::from(self.user.as_str()).to_string();
        Ok(Look::Missing(Splice::replace(text, user.start..user.end, &new)))
    }

    /// What it was before, only the splice says that put it in.
    pub(super) fn take(&self, text: &str, done: &[Splice]) -> Result<Option<Splice>, Wrong> {
        let root = parse(text)?;
        let user = root.as_ref().and_then(|root| self.find(root)).filter(|user| user.text() == Some(&self.user));
        let ours = serde_json::Value::from(self.user.as_str()).to_string();
        let before = done.iter().find_map(|splice| splice.replaced_by(&ours));
        Ok(user.zip(before).map(|(user, before)| Splice::replace(text, user.start..user.end, before)))
    }

    fn find<'a>(&self, root: &'a Node) -> Option<&'a Node> {
        let mut items = root.get("contexts")?.items().iter();
        let context = items.find(|item| item.get("name").and_then(Node::text) == Some(&self.context))?;
        context.get("context")?.get("user")
    }
}

fn by_kubectl(text: &str, at: usize) -> Wrong {
    Wrong::at(
        line_at(text, at),
        "`users` is written in a way that is not changed here: use `kubectl config set-credentials`",
    )
}

#[cfg(test)]
mod tests {
    use super::super::Entry;
    use super::super::play::put_in;
    use super::*;

    fn user() -> Entry {
        let words = ["helper", "kubectl"].map(str::to_owned).to_vec();
        Entry::ExecUser(ExecUser { name: "ours".to_owned(), command: "/b/cred-helper".to_owned(), words })
    }

    const LINES: &str = "- name: \"ours\"\n  user:\n    exec:\n      apiVersion: client.authentication.k8s.io/v1\n      command: \
        \"/b/cred-helper\"\n      args:\n      - \"helper\"\n      - \"kubectl\"\n      interactiveMode: Never\n      provideClusterInfo: true\n";

    #[test]
    fn a_user_goes_behind_the_others() {
        for (before, after) in [
            (
                "kind: Config\nusers:\n- name: a\n  user: {} # c\n# end\nx: 1\n",
                "kind: Config\nusers:\n- name: a\n  user: {} # c\nLINES# end\nx: 1\n",
            ),
            ("users:\n- name: ä\n  user:\n    token: t", "users:\n- name: ä\n  user:\n    token: t\nLINE"),
            ("users: []\nx: 1\n", "users: \nLINE\nx: 1\n"),
            ("users:\nx: 1\n", "users:\nLINESx: 1\n"),
            ("x: 1\nusers:", "x: 1\nusers:\nLINE"),
            ("users: null\nx: 1\n", "users: \nLINE\nx: 1\n"),
            ("kind: Config\n", "kind: Config\nusers:\nLINES"),
        ] {
            let after = after.replace("LINES", LINES).replace("LINE", LINES.trim_end());
            assert_eq!(put_in(&user(), before), after);
        }
        let indented = put_in(&user(), "users:\n  - name: a\n    user: {}\nx: 1\n");
        assert!(indented.contains("\n  - name: \"ours\"\n    user:\n"), "{indented}");
    }

    #[test]
    fn what_cannot_be_changed_safely_is_left_with_its_line() {
        for (text, line) in [("users: [{name: a}]\n", 1), ("users: x\n", 1), ("{\"users\": {}}", 1)] {
            assert_eq!(user().look(text).expect_err(text).line, Some(line), "{text}");
        }
        assert!(user().look("a: [\n").is_err());
        assert_eq!(user().look("users:\n- name: ours\n  user: {}\n"), Ok(Look::Other(2)));
    }

    #[test]
    fn a_context_gets_another_user_and_its_own_back() {
        let entry = UserOfContext { context: "b".to_owned(), user: "ours".to_owned() };
        let text = "contexts:\n- context:\n    cluster: c\n    user: 'admin' # c\n  name: b\ncurrent-context: b\n\
                    clusters:\n- {name: c, cluster: {server: 'https://k.example:6443'}}\n";
        let Ok(Look::Missing(splice)) = entry.look(text) else { panic!("not missing") };
        let after = splice.apply(text).expect("a text");
        assert_eq!(after, text.replace("'admin'", "\"ours\""));
        let moved = format!("# by kubectl\n{}", after.replace("\"ours\"", "ours"));
        let back = entry.take(&moved, &[splice]).expect("read").expect("there").apply(&moved).expect("a text");
        assert_eq!(back, format!("# by kubectl\n{text}"));
        let server = Some("https://k.example:6443".to_owned());
        assert_eq!(contexts(text).expect("contexts"), [Context { name: "b".to_owned(), server, current: true }]);
    }
}
