//! `test`, as a user runs it; what it prints is in `docs/test.md` and `pages/test.md`.

use std::fs;
use std::path::PathBuf;

use crate::command::{Run, lab, portcullis, root};

const CLUSTER: [&str; 4] = ["-f", "examples/three-tier", "--hosts", "examples/three-tier/hosts.csv"];
const TRUE: &str = "examples/assertions/three-tier.yaml";
const WISHES: &str = "examples/assertions/three-tier-wishes.yaml";

fn test(arguments: &[&str], stdin: &str) -> Run {
    portcullis(&[&["test"], arguments, &CLUSTER[..]].concat(), stdin)
}

/// What a file with this text is told.
fn told(text: &str) -> Run {
    test(&["-"], text)
}

/// A file that is gone when the test is over, however it ends.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        let name = format!("portcullis-{}-{name}", std::process::id());
        Temporary(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[test]
fn claims_that_hold_are_success() {
    let run = test(&[TRUE], "");
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{}", run.stdout);
}

#[test]
fn one_that_fails_is_a_finding() {
    assert_eq!(test(&[TRUE, WISHES], "").status, 1);
}

#[test]
fn one_about_nobody_is_no_answer() {
    let run = told("tests: [{name: a, allow: [fronted-tier/* -> backend-tier/*]}]");
    assert_eq!(run.status, 2);
    assert!(run.stdout.contains("did you mean `frontend-tier`?"), "{}", run.stdout);
    assert!(run.stderr.ends_with("error: 1 assertion could not be answered\n"), "{}", run.stderr);
}

#[test]
fn lines_of_one_kind_speak_together() {
    let together = "tests: [{name: a, only: [frontend-tier/* -> backend-tier/*:80, backend-tier/* -> database-tier/*:80]}]";
    assert_eq!(told(together).status, 0, "{}", told(together).stdout);
    let alone = "tests: [{name: a, only: [frontend-tier/* -> kube-system/*:53/udp]}]";
    assert_eq!(told(alone).status, 1, "{}", told(alone).stdout);
}

#[test]
fn a_pods_own_node_is_not_somebody_else() {
    let run = told("tests: [{name: a, exactly: [backend-tier/* -> database-tier/*]}]");
    assert_eq!(run.status, 0, "{}", run.stdout);
}

#[test]
fn what_must_not_pass_is_asked_over_both_families() {
    // Only IPv4 is let in, and the internet has both.
    let deny = "tests: [{name: a, deny: [internet -> frontend-tier/frontend:80]}]";
    assert_eq!(told(deny).status, 1);
    let over = |family| portcullis(&[&["test", "-", "--family", family], &CLUSTER[..]].concat(), deny).status;
    assert_eq!((over("4"), over("6"), over("both")), (1, 0, 1));
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_place() {
    let cases = [
        ("tests: [{name: a, allow: [*/* -> a/b]}]", "put it in quotes"),
        ("tests: [{name: a, alow: [a/b -> c/d]}]", "did you mean `allow`?"),
        ("tests: [{name: a, allow: [a/b]}]", "has no arrow"),
        ("tests: [{name: a, allow: [a/b -> c/d -> e/f]}]", "several arrows"),
        ("tests: [{name: a, allow: [a/b -> c/d:99999]}]", "`99999` is no port"),
        ("tests: [{name: a, isolated: [internet]}]", "is about addresses"),
        ("tests: [{name: a, allow: []}]", "`allow` claims nothing"),
        ("tests: [{name: a}]", "a test that claims nothing"),
        ("tests: [{allow: [a/b -> c/d]}]", "a test without a name"),
        ("tests: {a: b}", "must be a list"),
        ("- tests", "must be a map"),
        ("", "a file without tests"),
        ("tests: [{name: a, allow: [1]}]", "must be a string"),
    ];
    for (text, expected) in cases {
        let run = told(text);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{text}");
        assert!(run.stderr.contains(expected), "{text}: {}", run.stderr);
        assert!(run.stderr.contains("--> -:1:"), "{text}: {}", run.stderr);
    }
}

#[test]
fn what_hangs_on_an_unreadable_object_is_no_answer() {
    let told = |text: &str| {
        let files = ["-f", "examples/three-tier/cluster.yaml", "-f", "examples/broken", "--keep-going"];
        portcullis(&[&["test", "-"], &files[..]].concat(), text)
    };
    let unknown = told("tests: [{name: a, deny: [other-team/* -> backend-tier/*:80]}]");
    assert_eq!(unknown.status, 2);
    assert!(
        unknown.stdout.contains("can't be read in full (examples/broken/policy.yaml:2)"),
        "{}",
        unknown.stdout
    );
    let known = told(
        "tests: [{name: a, allow: [frontend-tier/* -> backend-tier/*:80, other-team/* -> kube-system/*]}]",
    );
    assert_eq!(known.status, 0, "{}", known.stdout);
    let failed = told("tests: [{name: a, deny: [frontend-tier/* -> backend-tier/*:80]}]");
    assert_eq!(failed.status, 1, "{}", failed.stdout);
}

#[test]
fn packets_say_the_same() {
    let arguments = [&[TRUE, "--lab"], &CLUSTER[..]].concat();
    let Some(run) = lab_test(&arguments) else { return };
    assert_eq!((run.status, run.stdout), (0, test(&[TRUE], "").stdout), "{}", run.stderr);
    let Some(run) = lab_test(&[&[WISHES, "--lab"], &CLUSTER[..]].concat()) else { return };
    assert_eq!((run.status, run.stdout), (1, test(&[WISHES], "").stdout), "{}", run.stderr);
}

/// Runs `portcullis test` where there can be a lab.
fn lab_test(arguments: &[&str]) -> Option<Run> {
    lab(&["-f", "examples/three-tier/cluster.yaml"], "")?;
    Some(portcullis(&[&["test"], arguments].concat(), ""))
}

#[test]
fn what_is_pinned_holds_and_nothing_else_does() {
    for example in ["three-tier", "netpol-demo", "web-app"] {
        let folder = format!("examples/{example}");
        let cluster = format!("{folder}/cluster.yaml");
        let pinned = portcullis(&["test", "--init", "-f", &folder], "");
        assert_eq!(pinned.status, 0, "{}", pinned.stderr);
        let same = portcullis(&["test", "-", "-f", &folder], &pinned.stdout);
        assert_eq!(same.status, 0, "{}", same.stdout);
        let without_policies = portcullis(&["test", "-", "-f", &cluster], &pinned.stdout);
        assert_eq!(without_policies.status, 1, "{}", without_policies.stdout);
    }
}

#[test]
fn a_file_that_is_there_is_not_pinned_over() {
    let file = Temporary::new("pinned.yaml");
    let init = || portcullis(&["test", "--init", file.path(), "-f", "examples/web-app"], "");
    assert_eq!(init().status, 0);
    let written = fs::read_to_string(&file.0).unwrap();
    assert!(written.contains("- name: who reaches front/web\n"), "{written}");
    let again = init();
    assert_eq!(again.status, 2);
    assert!(again.stderr.contains("cannot write"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(&file.0).unwrap(), written);
}

#[test]
fn the_documented_file_is_the_example() {
    let page = fs::read_to_string(root().join("docs/test.md")).unwrap();
    let shown = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let example = fs::read_to_string(root().join(TRUE)).unwrap();
    let body = shown.split_once('\n').unwrap().1;
    assert!(example.contains(body), "{body}");
}
