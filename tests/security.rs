//! SECURITY.md names the test that attacks each promise: a test that is renamed or gone must not be promised any more.

use std::fs;
use std::path::Path;

/// `FILE::TEST` and `FILE`, as that page names them: in `tests/` unless they say `src`.
fn named(page: &str) -> Vec<(&str, Option<&str>)> {
    let words = page.split('`').skip(1).step_by(2).filter(|word| word.contains(".rs") || word.starts_with("tests/"));
    words.map(|word| word.split_once("::").map_or((word, None), |(file, test)| (file, Some(test)))).collect()
}

/// What is wrong with a name, if anything is.
fn complaint(root: &Path, file: &str, test: Option<&str>) -> Option<String> {
    let path = if file.starts_with("src") || file.starts_with("tests/") {
        root.join(file)
    } else {
        root.join("tests").join(file)
    };
    if !path.exists() {
        return Some(format!("{file} is not there"));
    }
    let test = test?;
    let text = fs::read_to_string(&path).expect("text");
    let before = text.split(&format!("fn {test}()")).next().filter(|before| before.len() < text.len());
    let is_test = before.is_some_and(|before| {
        let above = before
            .trim_end_matches("async ")
            .trim_end()
            .lines()
            .rev()
            .map(str::trim)
            .take_while(|line| line.starts_with('#'));
        { above }.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    });
    (!is_test).then(|| format!("{file} has no test {test}"))
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("SECURITY.md")).expect("the page");
    let named = named(&page);
    assert!(named.len() > 20, "{named:?}");
    let complaints: Vec<_> = named.iter().filter_map(|(file, test)| complaint(root, file, *test)).collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(complaint(root, "security.rs", Some("named")).is_some() && complaint(root, "gone.rs", None).is_some());
}
