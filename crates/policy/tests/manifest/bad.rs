//! Bad manifests: what we say of each, and whether a real API server rejects it too.
//!
//! The cases stand in `bad/*.md`. `BLESS=1` writes what we say today into them; read the difference before
//! you believe it. `BLESS=1 make oracle` writes what a real API server says, `make oracle` holds it to that.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::world::{read_text, rendered};

/// One case of a file.
struct Case {
    name: String,
    /// `yaml` or `json`.
    language: String,
    manifest: String,
    expected: String,
    /// `rejects` or `accepts`, as seen on a real one; `not asked` until then.
    api_server: String,
}

fn files() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/manifest/bad");
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn cases(text: &str) -> Vec<Case> {
    text.split("\n## ").skip(1).map(case).collect()
}

fn case(section: &str) -> Case {
    let (name, rest) = section.split_once('\n').unwrap();
    let (_, rest) = rest.split_once("```").unwrap_or_else(|| panic!("{name}: no manifest"));
    let (language, rest) = rest.split_once('\n').unwrap();
    let (manifest, rest) = rest.split_once("```\n").unwrap_or_else(|| panic!("{name}: no end"));
    let expected = rest.split_once("```text\n").map_or("", |(_, rest)| rest.split_once("```").unwrap().0);
    let api_server = rest.split_once("api server: ").map_or("", |(_, rest)| rest.lines().next().unwrap());
    Case {
        name: name.to_owned(),
        language: language.to_owned(),
        manifest: manifest.to_owned(),
        expected: expected.to_owned(),
        api_server: api_server.to_owned(),
    }
}

fn said(case: &Case) -> String {
    let name = format!("bad.{}", case.language);
    let lines = rendered(&read_text(&name, &case.manifest));
    lines.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn written(text: &str, cases: &[Case]) -> String {
    let title = text.split("\n## ").next().unwrap();
    let mut written = title.trim_end().to_owned() + "\n";
    for case in cases {
        let Case { name, language, manifest, expected, api_server } = case;
        written += &format!(
            "\n## {name}\n```{language}\n{manifest}```\n```text\n{expected}```\napi server: {api_server}\n"
        );
    }
    written
}

fn is_blessed() -> bool {
    std::env::var_os("BLESS").is_some()
}

#[test]
fn every_bad_manifest_gets_its_diagnostic() {
    let mut wrong = Vec::new();
    let mut names = BTreeSet::new();
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let mut cases = cases(&text);
        for case in &mut cases {
            assert!(names.insert(case.name.clone()), "two cases are named `{}`", case.name);
            let said = said(case);
            assert!(!said.is_empty(), "{}: we say nothing", case.name);
            if said != case.expected {
                wrong.push(format!("{}\nexpected:\n{}\nsaid:\n{said}", case.name, case.expected));
                case.expected = said;
            }
        }
        if is_blessed() {
            fs::write(&file, written(&text, &cases)).unwrap();
        }
    }
    assert!(names.len() >= 120, "only {} cases", names.len());
    assert!(is_blessed() || wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs a real API server: make oracle"]
fn oracle() {
    let kubectl = std::env::var("PORTCULLIS_KUBECTL").expect("run by `make oracle`");
    let mut wrong = Vec::new();
    let mut asked = 0;
    for file in files() {
        let text = fs::read_to_string(&file).unwrap();
        let mut cases = cases(&text);
        for case in &mut cases {
            let (answer, words) = ask(&kubectl, &case.manifest);
            asked += 1;
            if answer != case.api_server {
                wrong.push(format!("{}: the API server {answer} it: {words}", case.name));
                case.api_server = answer.to_owned();
            }
        }
        if is_blessed() {
            fs::write(&file, written(&text, &cases)).unwrap();
        }
    }
    println!("{asked} manifests asked, {} answers other than written:\n{}", wrong.len(), wrong.join("\n"));
    assert!(is_blessed() || wrong.is_empty());
}

/// What the server says of a manifest: `rejects` or `accepts`, and kubectl's words.
fn ask(kubectl: &str, manifest: &str) -> (&'static str, String) {
    let mut child = Command::new(kubectl)
        .args(["apply", "--dry-run=server", "--validate=strict", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(manifest.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let answer = if output.status.success() { "accepts" } else { "rejects" };
    (answer, String::from_utf8_lossy(&output.stderr).trim().to_owned())
}
