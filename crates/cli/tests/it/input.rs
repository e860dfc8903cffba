//! What can't be answered: exit status 2, and why on standard error.

use crate::command::portcullis;

fn refused(arguments: &[&str], stdin: &str) -> String {
    let run = portcullis(arguments, stdin);
    assert_eq!(run.status, 2, "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.stdout, "");
    run.stderr
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = refused(&["lab", "-f", "no/such/file.yaml"], "");
    assert!(error.contains("cannot read `no/such/file.yaml`"), "{error}");
    assert!(error.contains("No such file or directory"), "{error}");
}

#[test]
fn a_folder_without_manifests_is_an_error() {
    let error = refused(&["lab", "-f", "examples/three-tier/expect"], "");
    assert!(error.contains("`examples/three-tier/expect` holds no files named *.yaml"), "{error}");
}

#[test]
fn a_wrong_policy_is_shown_with_its_line() {
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n\
                  spec:\n  podSelector: {}\n  ingres: []\n";
    let error = refused(&["lab", "-f", "-"], policy);
    assert!(error.contains("ingres: []"), "{error}");
    assert!(error.contains("did you mean `ingress`?"), "{error}");
    assert!(error.contains("-:6"), "{error}");
}

#[test]
fn all_files_are_reported_in_one_go() {
    let folder = std::env::temp_dir().join(format!("portcullis-wrong-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let wrong = |name: &str| {
        format!(
            "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: {name}}}\nspec: {{x: 1}}\n"
        )
    };
    std::fs::write(folder.join("a.yaml"), wrong("a")).unwrap();
    std::fs::write(folder.join("b.yaml"), wrong("b")).unwrap();
    let error = refused(&["lab", "-f", folder.to_str().unwrap()], "");
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(error.contains("a.yaml") && error.contains("b.yaml"), "{error}");
}

#[test]
fn a_wrong_hosts_file_is_an_error() {
    let hosts = std::env::temp_dir().join(format!("portcullis-hosts-{}.csv", std::process::id()));
    std::fs::write(&hosts, "name,address,ports\nbank,not-an-address,443/tcp\n").unwrap();
    let error =
        refused(&["lab", "-f", "examples/three-tier/cluster.yaml", "--hosts", hosts.to_str().unwrap()], "");
    std::fs::remove_file(&hosts).unwrap();
    assert!(error.contains("not-an-address"), "{error}");
}

#[test]
fn a_wrong_expected_table_is_an_error_that_names_the_line() {
    let error = refused(
        &["lab", "-f", "examples/three-tier/cluster.yaml", "--expect", "examples/three-tier/hosts.csv"],
        "",
    );
    assert!(error.contains("cannot read `examples/three-tier/hosts.csv`"), "{error}");
    assert!(error.contains("line 1: the columns must be `source,destination,port,verdict`"), "{error}");
}

#[test]
fn arguments_that_make_no_sense_are_refused() {
    for arguments in [
        &["lab"][..],
        &["lab", "-f", "-", "--ports", "80"],
        &["lab", "-f", "-", "--family", "5"],
        &["lab", "-f", "-", "--nodes", "0"],
        &["lab", "-f", "-", "--output", "xml"],
        &["no-such-command"],
    ] {
        refused(arguments, "");
    }
}

#[test]
fn a_policy_of_another_dialect_is_never_passed_over() {
    let policy = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {}\n";
    let error = refused(&["lab", "-f", "-"], policy);
    assert!(error.contains("projectcalico.org"), "{error}");
}
