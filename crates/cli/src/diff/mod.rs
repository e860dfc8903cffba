//! `portcullis diff`.

mod git;
mod json;
mod print;
mod ranked;

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use clap::ValueEnum;
use policy::analyse::diff::{Risk, Shape, Worries, diff};
use policy::analyse::names;
use policy::analyse::reach::words::Words;
use policy::analyse::reach::{Reach, groups};
use policy::index::Index;
use policy::model::Family;
use policy::rows::Families;

use crate::family::{FamilyArg, families};
use crate::input::{self, Content};
use crate::manifests::{self, Reading, Understood};
use crate::reach::doubt;
use crate::reach::select::Filter;
use crate::{Outcome, output};

use ranked::{Line, lines};

/// Show what changes in who can talk to whom
///
/// Exit status 1 where something changed; with --fail-on, where something of that kind did.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The cluster as it was: a file or folder; `git:REV` is NEW's path at that revision, `git:REV:PATH`
    /// another one
    #[arg(value_name = "OLD")]
    old: Place,
    /// The cluster as it is to be: in the same way
    #[arg(value_name = "NEW")]
    new: Place,
    /// What both share; of an object that OLD or NEW has too, theirs counts
    #[arg(short = 'f', long = "filename", value_name = "PATH", num_args = 1)]
    shared: Vec<PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Over this address family only [default: both]
    #[arg(long, value_name = "FAMILY")]
    family: Option<FamilyArg>,
    /// Which changes make the exit status 1 [default: any]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    fail_on: Vec<Kind>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// Where one side is read from.
#[derive(Clone, Debug)]
enum Place {
    Path(PathBuf),
    Git { rev: String, path: Option<PathBuf> },
}

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Somebody who had nothing gets something
    Added,
    /// Somebody who had something gets nothing
    Removed,
    /// Somebody gets something else than before
    Changed,
    /// Something opens between a pod and the internet
    Internet,
    /// Something opens to the address where clouds hand out credentials
    Metadata,
    /// DNS is lost
    Dns,
    /// Something opens between namespaces
    Namespaces,
    /// Something opens
    Opened,
    /// Something closes
    Closed,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For a pull request
    Md,
    /// For programs: docs/diff.schema.json
    Json,
}

/// Reads both, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let shared = input::read(&args.shared)?;
    let sides = [contents(&args.old, &args.new)?, contents(&args.new, &args.old)?];
    let read = manifests::sides(shared, sides, &args.reading)?;
    let [old, new] = read.each_ref().map(Understood::narrow);
    let (old_index, new_index) = (Index::compile(old), Index::compile(new));
    let (before, after) = (Reach::of(old, &old_index), Reach::of(new, &new_index));
    let diff = diff(&before, &after, asked(args.family));
    let worries = Worries::of(&diff, names::internet(new));
    let lines = lines(&diff, &worries, [old, new]);
    let unknown = unknown(&read, [&before, &after], families(args.family));
    output::print(&match args.output {
        Output::Table => print::table(&lines, &unknown),
        Output::Md => print::markdown(&lines, &unknown),
        Output::Json => json::json(&diff, &lines, &unknown),
    })?;
    let fails = |line: &Line<'_>| args.fail_on.is_empty() || args.fail_on.iter().any(|kind| kind.is_of(line));
    Ok(if lines.iter().any(fails) { Outcome::Findings } else { Outcome::Clean })
}

/// What nobody can say of a side, because some of its objects can't be read in full.
struct Unknown {
    side: &'static str,
    unreadable: Vec<String>,
    /// Who, to whom, on which ports.
    lines: Vec<(String, String, String)>,
}

fn unknown(read: &[Understood; 2], reaches: [&Reach<'_>; 2], families: Families) -> Vec<Unknown> {
    let of_side = |((side, read), reach): ((&'static str, &Understood), &Reach<'_>)| {
        let bounds = read.bounds.as_ref()?;
        let words = Words::of(reach, &bounds.narrow);
        let named = |line: groups::Line| {
            (words.name(&line.sources), words.name(&line.destinations), line.ports.to_string())
        };
        let lines = doubt::lines(bounds, reach, families, &Filter::default());
        let unreadable = manifests::doubts(bounds);
        Some(Unknown { side, unreadable, lines: lines.into_iter().map(named).collect() })
    };
    ["OLD", "NEW"].into_iter().zip(read).zip(reaches).filter_map(of_side).collect()
}

fn asked(argument: Option<FamilyArg>) -> &'static [Family] {
    match families(argument) {
        Families::Natural | Families::Both => &Family::BOTH,
        Families::Only(Family::V4) => &[Family::V4],
        Families::Only(Family::V6) => &[Family::V6],
    }
}

/// The files of one side. A revision without a path is about the other side's, or about the current folder.
fn contents(side: &Place, other: &Place) -> Result<Vec<Content>> {
    match (side, other) {
        (Place::Path(path), _) => input::read(std::slice::from_ref(path)),
        (Place::Git { rev, path: Some(path) }, _)
        | (Place::Git { rev, path: None }, Place::Path(path) | Place::Git { path: Some(path), .. }) => {
            git::read(rev, path)
        }
        (Place::Git { rev, path: None }, Place::Git { path: None, .. }) => git::read(rev, Path::new(".")),
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(named) = text.strip_prefix("git:") else { return Ok(Place::Path(text.into())) };
        let (rev, path) = match named.split_once(':') {
            Some((rev, path)) => (rev, Some(PathBuf::from(path))),
            None => (named, None),
        };
        let is_empty = rev.is_empty() || path.as_ref().is_some_and(|path| path.as_os_str().is_empty());
        match is_empty {
            true => Err("write it as `git:REV` or `git:REV:PATH`".to_owned()),
            false => Ok(Place::Git { rev: rev.to_owned(), path }),
        }
    }
}

impl Kind {
    fn is_of(self, line: &Line<'_>) -> bool {
        let shape = line.change.shape();
        match self {
            Kind::Added => shape == Shape::Added,
            Kind::Removed => shape == Shape::Removed,
            Kind::Changed => shape == Shape::Changed,
            Kind::Internet => line.risks.contains(&Risk::Internet),
            Kind::Metadata => line.risks.contains(&Risk::Metadata),
            Kind::Dns => line.risks.contains(&Risk::Dns),
            Kind::Namespaces => line.risks.contains(&Risk::Namespaces),
            Kind::Opened => line.risks.contains(&Risk::Opened),
            Kind::Closed => line.risks.contains(&Risk::Closed),
        }
    }
}
