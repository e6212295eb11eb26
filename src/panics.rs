//! What a panic may say: where it happened, never why. Its text can quote the value that it failed on (a slice of a text
//! does), and that value can be a token.

use std::panic;

/// From now on a panic of this process is told by `say`, in one line and without its text.
pub(crate) fn tell_where_only(say: impl Fn(&str) + Send + Sync + 'static) {
    panic::set_hook(Box::new(move |panicked| {
        let at = panicked.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        say(&format!("internal error{at}: this is a bug, please report it with this line"));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn a_panic_tells_where_it_happened_and_not_what_it_quotes() {
        let before = panic::take_hook();
        let said = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&said);
        tell_where_only(move |line| heard.lock().expect("no panic in here").push(line.to_owned()));
        let token = "ßecret-token".to_owned();
        let panicked = std::thread::spawn(move || token[1..].to_owned()).join();
        panic::set_hook(before);
        assert!(panicked.is_err(), "no boundary of a character");
        let said = said.lock().expect("no panic in here");
        // Another test may fail at the same time.
        let ours: Vec<_> = said.iter().filter(|line| line.contains("panics.rs")).collect();
        assert!(!ours.is_empty() && ours.iter().all(|line| !line.contains("token")), "{said:?}");
    }
}
