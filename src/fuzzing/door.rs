//! What comes to the HTTP door.

use super::quotes_nothing;
use crate::ipc::door::route::{NoRoute, Pasted, Rejected, Route, body, callback, callback_path, route};
use crate::ipc::door::{Admitted, Given, Head, Keeper, Refused};
use crate::secret::Secret;

const HERE: [&str; 3] = ["127.0.0.1:4711", "localhost:4711", "[::1]:4711"];
const ORIGIN: &str = "https://app.example";

/// A request in lines: method, path, query, Host, Origin, Authorization, body. A line that isn't there is a header that
/// isn't there.
pub(super) fn door_requests(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.splitn(7, '\n');
    let (method, path, query) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next());
    let mut given =
        || lines.next().map_or(Given::Absent, |line| if line == "ODD" { Given::Odd } else { Given::One(line) });
    let head = Head { method, authority: None, path, host: given(), origin: given(), authorization: given() };
    let keeper = Keeper::new(4711, vec![ORIGIN.to_owned()], Secret::from("right".to_owned()));
    let admitted = keeper.admit(&head);
    if admitted != Err(Refused::Host) {
        assert!(matches!(head.host, Given::One(host) if HERE.iter().any(|here| here.eq_ignore_ascii_case(host))));
    }
    if let Ok(admitted) = admitted {
        assert!(matches!(head.origin, Given::Absent | Given::One(ORIGIN)));
        match admitted {
            Admitted::Asked => assert!(
                matches!(head.authorization, Given::One(sent) if sent.to_lowercase().starts_with("bearer ") && sent.ends_with(" right"))
            ),
            Admitted::Callback => assert_eq!(callback(path).map(callback_path).as_deref(), Some(path)),
            Admitted::Preflight => assert_eq!((method, head.origin), ("OPTIONS", Given::One(ORIGIN))),
        }
    }
    match route(method, path, query) {
        Ok(Route::Token(get)) => assert!(get.account.is_some()),
        Ok(_) => assert!(method == "GET" || method == "POST"),
        Err(NoRoute::Wrong(what)) => quotes_nothing(what),
        Err(NoRoute::NotFound | NoRoute::Method(_)) => {}
    }
    let sent = lines.next().unwrap_or("").as_bytes();
    body::<Pasted>(sent, "text").err().into_iter().for_each(quotes_nothing);
    body::<Rejected>(sent, "token").err().into_iter().for_each(quotes_nothing);
}
