//! Clusters with verdicts that are given: literate cases, scenarios, and a corpus.
//!
//! Other crates' tests include this folder by its path, to give the same to their own evaluators.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::PathBuf;

use policy::manifest::{
    self, Colour, Diagnostic, Listed, Objects, Options, Settings, Severity, Source, Unreadable,
};
use policy::model::{Cluster, Host};

pub(crate) mod cases;
pub(crate) mod corpus;
pub(crate) mod scenarios;

/// The workspace's root. Asked at run time: tests also run from a copy, as a user who can't read the original.
fn workspace() -> PathBuf {
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    PathBuf::from(folder).join("../..")
}

/// The objects of a manifest without an error.
fn read_objects(name: &str, manifest: &str) -> Objects {
    let source = Source { name: name.into(), bytes: manifest.as_bytes().into(), listed: Listed::ByName };
    let read = manifest::read([source], Options::default());
    assert_no_error(&read.diagnostics);
    read.objects
}

/// The objects of a manifest with errors: a policy is closed where it can't be read (D14).
fn read_what_can_be_read(name: &str, manifest: &str) -> Objects {
    let source = Source { name: name.into(), bytes: manifest.as_bytes().into(), listed: Listed::ByName };
    let options = Options { unreadable: Unreadable::FailClosed, ..Options::default() };
    let read = manifest::read([source], options);
    assert!(read.has_errors(), "{name} can be read");
    read.objects
}

/// What they amount to, with these hosts outside.
fn cluster(objects: &Objects, hosts: &[Host]) -> Cluster {
    let (cluster, diagnostics) = objects.cluster(&Settings { hosts: hosts.to_vec(), ..Settings::default() });
    assert_no_error(&diagnostics);
    cluster
}

/// Hosts as `name,address,ports`.
fn read_hosts(name: &str, csv: &str) -> Vec<Host> {
    manifest::hosts(name.into(), csv).unwrap_or_else(|diagnostics| {
        assert_no_error(&diagnostics);
        Vec::new()
    })
}

fn assert_no_error(diagnostics: &[Diagnostic]) {
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|diagnostic| diagnostic.render(Colour::Plain)).collect();
    assert!(errors.is_empty(), "{}", errors.join("\n"));
}
