//! `check`, as a user runs it. For each code there is a file in `pages/check` in which it is found, and one almost
//! like it in which it isn't.

use policy::analyse::check::codes::PAGES;
use serde_json::Value;

use crate::command::{Run, portcullis, root};

const FIXTURES: &str = "crates/cli/tests/it/pages/check";

fn check(file: &str, arguments: &[&str]) -> Run {
    let path = format!("{FIXTURES}/{file}.yaml");
    portcullis(&[&["check", "-f", &path], arguments].concat(), "")
}

/// The codes of what is found, each once.
fn codes(file: &str) -> Vec<String> {
    let run = check(file, &["--output", "json"]);
    let report: Value =
        serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{file}: {}", run.stderr));
    assert_eq!(report["diagnostics"], Value::Array(vec![]), "{file}");
    let found = report["findings"].as_array().unwrap();
    assert_eq!(run.status, i32::from(!found.is_empty()), "{file}");
    let mut codes: Vec<String> = found.iter().map(|one| one["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn each_code_is_found_where_it_should_be_and_not_nearby() {
    for page in PAGES {
        let (there, near) = (codes(page.code), codes(&format!("{}-near", page.code)));
        assert!(there.iter().any(|code| code == page.code), "{}: {there:?}", page.code);
        assert!(!near.iter().any(|code| code == page.code), "{}: {near:?}", page.code);
    }
}

#[test]
fn each_code_has_a_page() {
    for page in PAGES {
        let run = portcullis(&["check", "--explain", page.code], "");
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.stdout.starts_with(&format!("{} ({}, ", page.code, page.name)), "{}", run.stdout);
        assert!(run.stdout.contains("What to do:"), "{}", run.stdout);
        assert!(root().join(FIXTURES).join(format!("{}.yaml", page.code)).exists());
    }
    let run = portcullis(&["check", "--explain", "PC999"], "");
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("there is no page on `PC999`"), "{}", run.stderr);
}
