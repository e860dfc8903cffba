//! Manifests: the only module that knows Kubernetes' spelling and defaults.
//!
//! ```text
//! bytes ─► yaml | json ─► tree ─► objects ─► cluster
//!                          └─► diagnostics
//! ```
//!
//! [`read`] turns files into [`Objects`] and says everything that is wrong with them; [`Objects::cluster`]
//! turns those into a [`Cluster`](crate::model::Cluster): templates into pods, names into addresses. What
//! the API server rejects is an error here, and so is what it takes but means otherwise than it looks.

mod addresses;
mod assertions;
mod blocks;
mod cluster;
mod cluster_peers;
mod cluster_policy;
mod cluster_ports;
mod diagnostic;
mod doubt;
mod fields;
mod head;
mod hosts;
mod json;
mod kinds;
mod labels;
mod looks;
mod metadata;
mod names;
mod network_policy;
mod objects;
mod others;
mod place;
mod pods;
mod read;
mod shapes;
mod tree;
mod yaml;

use std::borrow::Cow;

use crate::model::Text;

pub use assertions::assertions;
pub use cluster::{DEFAULT_POD_NETWORKS, Settings};
pub use diagnostic::{Colour, Diagnostic, Place, Severity};
pub use doubt::Bounds;
pub use hosts::hosts;
pub use kinds::Kind;
pub use objects::{ObjectId, Objects};
pub use read::read;

/// A file's content, read by somebody else: nothing here does I/O.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// The file as the user named it; `-` for standard input.
    pub name: Text,
    /// All of it.
    pub bytes: Cow<'a, [u8]>,
    /// How it came to be read.
    pub listed: Listed,
}

/// How a file came to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed {
    /// The user named it: it must be a manifest.
    ByName,
    /// It lay in a folder; what is no Kubernetes object is passed over.
    InFolder,
}

/// How to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// What to do with a policy that can't be read in full.
    pub unreadable: Unreadable,
    /// What to do with policies of dialects that we don't evaluate.
    pub unsupported: Unsupported,
}

/// What to do with a policy that can't be read in full (D14). Its problems are reported in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unreadable {
    /// Leave the object out.
    #[default]
    Reject,
    /// Keep the policy, closed where it can't be read (`--keep-going`).
    FailClosed,
}

/// What to say of policies of other dialects (D24).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unsupported {
    /// An error.
    #[default]
    Reject,
    /// A warning (`--ignore-unsupported`).
    Warn,
}

/// What all files hold.
#[derive(Clone, Debug, Default)]
pub struct Read {
    /// What could be read.
    pub objects: Objects,
    /// What is wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// What was passed over.
    pub skipped: Skipped,
}

/// What was passed over without a word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Files found in folders that hold something else than Kubernetes objects.
    pub foreign_files: usize,
    /// Objects of kinds that have no part in what we ask.
    pub other_kinds: usize,
    /// Files found in folders that `helm template` must render first.
    pub helm_templates: usize,
}

impl Read {
    /// Whether something is wrong that leaves no answer to trust (D15).
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}
