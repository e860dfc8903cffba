//! The grouped lines as text, as Markdown and as a graph.

use std::fmt::Write as _;

use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::{self, Line};
use policy::analyse::reach::json::Unknown;
use policy::analyse::reach::words::Words;
use policy::model::Cluster;
use policy::rows::Families;

use super::select::Filter;

/// Who, to whom, on which ports.
pub(crate) type Named = (String, String, String);

/// All lines that are asked for, in words.
pub(crate) struct Lines {
    known: Vec<Named>,
    unknown: Vec<Named>,
    /// Why they are unknown, a sentence each.
    unreadable: Vec<String>,
}

impl Lines {
    pub(crate) fn of(
        cluster: &Cluster,
        reach: &Reach<'_>,
        families: Families,
        filter: &Filter,
        unknown: &Unknown,
    ) -> Self {
        let words = Words::of(reach, cluster);
        let named = |Line { sources, destinations, ports }: Line| {
            (words.name(&sources), words.name(&destinations), ports.to_string())
        };
        let known = groups::lines(reach, families).into_iter().filter_map(|line| filter.line(reach, line));
        Lines {
            known: known.map(named).collect(),
            unknown: unknown.lines.iter().cloned().map(named).collect(),
            unreadable: unknown.unreadable.clone(),
        }
    }
}

/// `web/* -> db/* : 5432/tcp`, aligned as far as names are short.
pub(crate) fn table(lines: &Lines) -> String {
    let mut text = aligned(&lines.known);
    if lines.known.is_empty() {
        text += "nobody can talk to anybody\n";
    }
    if !lines.unknown.is_empty() {
        let _ = writeln!(text, "\nunknown, because");
        lines.unreadable.iter().for_each(|why| text += &format!("- {why}\n"));
        text += &aligned(&lines.unknown);
    }
    text
}

fn aligned(lines: &[Named]) -> String {
    const LONGEST: usize = 40;
    let width =
        |of: fn(&Named) -> &String| lines.iter().map(|line| of(line).len()).max().unwrap_or(0).min(LONGEST);
    let (sources, destinations) = (width(|line| &line.0), width(|line| &line.1));
    let mut text = String::new();
    for (source, destination, ports) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{source:sources$} -> {destination:destinations$} : {ports}");
    }
    text
}

/// A table of three columns.
pub(crate) fn markdown(lines: &Lines) -> String {
    let mut text = rows(&lines.known);
    if !lines.unknown.is_empty() {
        let _ = writeln!(text, "\nUnknown, because");
        lines.unreadable.iter().for_each(|why| text += &format!("- {why}\n"));
        text += &format!("\n{}", rows(&lines.unknown));
    }
    text
}

fn rows(lines: &[Named]) -> String {
    let mut text = "| from | to | ports |\n|---|---|---|\n".to_owned();
    for (source, destination, ports) in lines {
        let _ = writeln!(text, "| `{source}` | `{destination}` | {ports} |");
    }
    text
}

/// A graph for Graphviz: a node for each end of a line.
pub(crate) fn dot(lines: &Lines) -> String {
    let mut text = "digraph reach {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (source, destination, ports) in &lines.known {
        let _ = writeln!(text, "  {source:?} -> {destination:?} [label={ports:?}];");
    }
    for (source, destination, ports) in &lines.unknown {
        let label = format!("unknown: {ports}");
        let _ = writeln!(text, "  {source:?} -> {destination:?} [label={label:?}, style=dashed];");
    }
    text + "}\n"
}
