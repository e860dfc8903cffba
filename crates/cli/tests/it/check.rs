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

#[test]
fn sarif_has_a_rule_for_every_code_and_a_place_for_every_result() {
    for file in ["PC510", "PC591-near", "broken"] {
        let run = check(file, &["--output", "sarif"]);
        let document: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(document["version"], "2.1.0");
        let (rules, results) = (
            &document["runs"][0]["tool"]["driver"]["rules"],
            document["runs"][0]["results"].as_array().unwrap(),
        );
        for page in PAGES {
            assert!(rules.as_array().unwrap().iter().any(|rule| rule["id"] == page.code), "{}", page.code);
        }
        assert!(!results.is_empty());
        for result in results {
            let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[at]["id"], result["ruleId"]);
            let place = &result["locations"][0]["physicalLocation"];
            let is_ours = result["ruleId"] != "PC560";
            assert!(!is_ours || place["region"]["startLine"].as_u64().unwrap() > 0, "{result}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_no_answer_and_findings_are_one() {
    assert_eq!(check("broken", &[]).status, 2);
    assert_eq!(check("broken", &["--keep-going"]).status, 1);
    assert_eq!(check("PC512-near", &["--ignore", "PC560"]).status, 0);
    assert_eq!(check("PC512", &[]).status, 1);
    assert_eq!(check("PC512", &["--ignore", "PC999"]).status, 2);
    assert_eq!(portcullis(&["check"], "").status, 2);
}
