//! What the documentation shows is what the command prints.
//!
//! In a block of ```` ```console ````, each line with `$ portcullis` is run in the workspace's root, and what
//! follows it must be its answer, or its complaint where there is no answer; `$ echo $?` is followed by the
//! exit status. With `PORTCULLIS_BLESS` set, the pages are written anew instead.

use std::fs;

use crate::command::{portcullis, root};

#[test]
fn the_readme_shows_what_is_printed() {
    holds("README.md");
}

#[test]
fn can_is_as_documented() {
    holds("docs/can.md");
    holds("crates/cli/tests/it/pages/can.md");
}

#[test]
fn check_is_as_documented() {
    holds("docs/check.md");
    holds("crates/cli/tests/it/pages/check.md");
}

#[test]
fn explain_is_as_documented() {
    holds("docs/explain.md");
}

#[test]
fn diff_is_as_documented() {
    holds("docs/diff.md");
    holds("crates/cli/tests/it/pages/diff.md");
}

#[test]
fn reach_is_as_documented() {
    holds("docs/reach.md");
    holds("crates/cli/tests/it/pages/reach.md");
}

#[test]
fn test_is_as_documented() {
    holds("docs/test.md");
    holds("crates/cli/tests/it/pages/test.md");
}

fn holds(page: &str) {
    let path = root().join(page);
    let written = fs::read_to_string(&path).unwrap();
    let real = filled(&written);
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        fs::write(&path, real).unwrap();
    } else {
        assert!(real == written, "{page} should be\n{real}");
    }
}

/// The page with what the commands really print.
fn filled(page: &str) -> String {
    let (mut text, mut shown, mut status) = (String::new(), false, 0);
    for line in page.lines() {
        match (shown, line.strip_prefix("$ ")) {
            (true, Some(command)) => {
                text += &format!("{line}\n");
                text += &match command.strip_prefix("portcullis ") {
                    Some(arguments) => {
                        let run = portcullis(&words(arguments), "");
                        status = run.status;
                        run.stdout + &run.stderr
                    }
                    None if command == "echo $?" => format!("{status}\n"),
                    None => panic!("`{command}` can't be run"),
                };
            }
            (true, None) if line == "```" => {
                shown = false;
                text += "```\n";
            }
            (true, None) => (),
            (false, _) => {
                shown = line == "```console";
                text += &format!("{line}\n");
            }
        }
    }
    text
}

/// Words between blanks, those in single quotes without them.
fn words(arguments: &str) -> Vec<&str> {
    arguments.split(' ').map(|word| word.trim_matches('\'')).collect()
}
