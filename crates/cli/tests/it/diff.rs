//! `diff`, as a user runs it: exit statuses, what both sides share, and sides in a git repository. What it prints
//! is in `pages/diff.md`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::command::{Run, portcullis, portcullis_in, portcullis_with, root};

/// What the pages are about.
const PAGES: &str = "crates/cli/tests/it/pages/diff";

/// A folder that goes with its test, also where that fails.
struct Folder(PathBuf);

impl Folder {
    fn with(name: &str, files: &[(&str, &str)]) -> Folder {
        let folder = Folder(std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id())));
        for (file, text) in files {
            folder.write(file, text);
        }
        folder
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn at(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }

    /// Without the settings of whoever runs the tests.
    fn git(&self, arguments: &[&str]) {
        let mut command = Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments);
        command.current_dir(&self.0).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let run = command.output().unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn page(file: &str) -> String {
    fs::read_to_string(root().join(PAGES).join(file)).unwrap()
}

/// A repository in which the policies are the old ones at `v1`, and the new ones in another file at `v2`. In its
/// folder they are the new ones.
fn repository(name: &str) -> Folder {
    let folder = Folder::with(
        name,
        &[("deploy/a/policies.yaml", &page("old.yaml")), ("deploy/a.yaml", ""), ("deploy/notes.md", "x")],
    );
    folder.write("readme/notes.md", "no manifest");
    folder.git(&["init", "--quiet"]);
    folder.git(&["add", "."]);
    folder.git(&["commit", "--quiet", "-m", "Old"]);
    folder.git(&["tag", "v1"]);
    fs::remove_file(folder.0.join("deploy/a/policies.yaml")).unwrap();
    folder.write("deploy/policies.json.yaml", &page("new.yaml"));
    folder.git(&["add", "."]);
    folder.git(&["commit", "--quiet", "-m", "New"]);
    folder.git(&["tag", "v2"]);
    folder
}

fn diff(arguments: &[&str]) -> Run {
    let shared = format!("{PAGES}/cluster.yaml");
    portcullis(&[&["diff", "-f", &shared], arguments].concat(), "")
}

/// What the pages have.
fn expected() -> String {
    let [old, new] = ["old.yaml", "new.yaml"].map(|file| format!("{PAGES}/{file}"));
    let run = diff(&[&old, &new]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    run.stdout
}

#[test]
fn a_side_may_be_a_revision() {
    let repository = repository("revision");
    let deploy = repository.at("deploy");
    let [old, new] = ["v1", "v2"].map(|rev| format!("git:{rev}:{deploy}"));
    let gone = format!("git:v1:{deploy}/a/policies.yaml");
    for sides in [["git:v1", &deploy], [&old, "git:v2"], ["git:v1", &new], [&old, &deploy], [&gone, &deploy]]
    {
        let run = diff(&sides);
        assert_eq!((run.status, run.stdout), (1, expected()), "{sides:?}: {}", run.stderr);
    }
    let run = diff(&["git:HEAD", &deploy]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "nothing changes\n"), "{}", run.stderr);
}

#[test]
fn without_paths_two_revisions_are_about_the_current_folder() {
    let repository = repository("folder");
    let shared = root().join(PAGES).join("cluster.yaml");
    let arguments = ["diff", "git:v1", "git:v2", "-f", shared.to_str().unwrap()];
    let run = portcullis_in(&repository.0.join("deploy"), &arguments);
    assert_eq!((run.status, run.stdout), (1, expected()), "{}", run.stderr);
}

#[test]
fn what_is_wrong_in_a_revision_is_shown_by_its_place() {
    let repository = repository("wrong");
    repository.write(
        "deploy/b.yaml",
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: b}\nspec: {x: 1}\n",
    );
    repository.git(&["add", "."]);
    repository.git(&["commit", "--quiet", "-m", "Wrong"]);
    fs::remove_file(repository.0.join("deploy/b.yaml")).unwrap();
    let deploy = repository.at("deploy");
    let run = diff(&["git:HEAD", &deploy]);
    assert_eq!(run.status, 2, "{}", run.stdout);
    assert!(run.stderr.contains(&format!("HEAD:{deploy}/b.yaml:4")), "{}", run.stderr);
}

#[test]
fn a_revision_that_can_not_be_read_is_no_answer() {
    let repository = repository("unreadable");
    let (deploy, outside) = (repository.at("deploy"), Folder::with("outside", &[("a.yaml", "")]));
    std::os::unix::fs::symlink("notes.md", repository.0.join("deploy/link.yaml")).unwrap();
    repository.git(&["add", "."]);
    repository.git(&["commit", "--quiet", "-m", "Link"]);
    let gone = format!("git:v1:{deploy}/policies.json.yaml");
    let empty = format!("git:v1:{}", repository.at("readme"));
    for (old, new, why) in [
        ("git:v3", deploy.as_str(), "`v3` is no revision of the git repository of"),
        ("git:--all", &deploy, "`--all` is no revision of the git repository of"),
        ("git:v1", &outside.at(""), "is in no git repository that can be read: fatal: not a git repository"),
        (&gone, &deploy, "is not in `v1`"),
        (&empty, &deploy, "holds no files named *.yaml, *.yml or *.json in `v1`"),
        ("git:HEAD", &deploy, "/link.yaml` is a symbolic link, which is not followed in a revision"),
        ("git:v1", "-", "`git:v1` needs a path: standard input has no revisions"),
        ("git:", &deploy, "write it as `git:REV` or `git:REV:PATH`"),
    ] {
        let run = diff(&[old, new]);
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{old}: {}", run.stderr);
        assert!(run.stderr.contains(why), "{old}: {}", run.stderr);
    }
}

#[test]
fn without_git_there_is_no_answer() {
    let repository = repository("without");
    let deploy = repository.at("deploy");
    let run = portcullis_with(&["diff", "git:v1", &deploy], &[("PATH", "/nowhere")]);
    assert_eq!(run.status, 2, "{}", run.stdout);
    assert!(run.stderr.contains("error: cannot run `git`, which reads a `git:REV`"), "{}", run.stderr);
}

#[test]
fn fail_on_chooses_what_makes_the_exit_status_1() {
    let [old, new] = ["old.yaml", "new.yaml"].map(|file| format!("{PAGES}/{file}"));
    let status = |old: &str, new: &str, kinds: &str| diff(&[old, new, "--fail-on", kinds]).status;
    for kind in ["added", "removed", "internet", "metadata", "dns", "namespaces", "opened", "closed"] {
        assert_eq!(status(&old, &new, kind), 1, "{kind}");
        assert_eq!(status(&old, &old, kind), 0, "{kind}");
    }
    assert_eq!(status(&old, &new, "changed"), 0);
    assert_eq!(status(&old, &new, "changed,dns"), 1);
    // The other way round nobody gets at the metadata address, and DNS is found again.
    assert_eq!(status(&new, &old, "metadata,dns,changed"), 0);
    assert_eq!(status(&new, &old, "everything"), 2);
}

#[test]
fn what_both_share_gives_way_to_what_one_side_has() {
    let [old, new] = ["old.yaml", "new.yaml"].map(|file| format!("{PAGES}/{file}"));
    let nothing = Folder::with("nothing", &[("a.yaml", "")]);
    let run = diff(&[&nothing.at("a.yaml"), &new, "-f", &old]);
    assert_eq!((run.status, run.stdout), (1, expected()), "{}", run.stderr);
}

#[test]
fn long_lists_are_folded_for_a_pull_request() {
    let policy = |at: usize| {
        format!(
            "---\n{{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: p{at}, namespace: \
             shop}}, spec: {{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{from: [{{ipBlock: {{cidr: \
             10.9.0.{at}/32}}}}], ports: [{{port: {}}}]}}]}}}}\n",
            80 + at
        )
    };
    let new: String = (0..11).map(policy).collect();
    let old = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, namespace: shop}, \
               spec: {podSelector: {matchLabels: {app: db}}}}";
    let folder = Folder::with("folded", &[("old.yaml", old), ("new.yaml", &new)]);
    let run = diff(&[&folder.at("old.yaml"), &folder.at("new.yaml"), "--output", "md"]);
    let begin = "**Who can talk to whom changes:** 11 open.\n\n<details><summary><b>opens</b>: 11 lines</summary>\n\n\
                 | from | to | before | after |\n|---|---|---|---|\n| `10.9.0.0/32` | `shop/db` | none | 80/tcp |\n";
    assert!(run.stdout.starts_with(begin) && run.stdout.ends_with("|\n\n</details>\n"), "{}", run.stdout);
}
