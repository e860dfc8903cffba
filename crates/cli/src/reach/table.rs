//! The grouped lines as text, as Markdown and as a graph.

use std::fmt::Write as _;

use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::{self, Line};
use policy::analyse::reach::words::Words;
use policy::model::Cluster;
use policy::rows::Families;

use super::select::Filter;

/// Who, to whom, on which ports.
pub(crate) type Named = (String, String, String);

/// All lines that are asked for, in words.
pub(crate) fn lines(cluster: &Cluster, reach: &Reach<'_>, families: Families, filter: &Filter) -> Vec<Named> {
    let words = Words::of(reach, cluster);
    let lines = groups::lines(reach, families).into_iter().filter_map(|line| filter.line(reach, line));
    let named = |Line { sources, destinations, ports }: Line| {
        (words.name(&sources), words.name(&destinations), ports.to_string())
    };
    lines.map(named).collect()
}

/// `web/* -> db/* : 5432/tcp`, aligned as far as names are short.
pub(crate) fn table(lines: &[Named]) -> String {
    const LONGEST: usize = 40;
    let width =
        |of: fn(&Named) -> &String| lines.iter().map(|line| of(line).len()).max().unwrap_or(0).min(LONGEST);
    let (sources, destinations) = (width(|line| &line.0), width(|line| &line.1));
    let mut text = String::new();
    for (source, destination, ports) in lines {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{source:sources$} -> {destination:destinations$} : {ports}");
    }
    if lines.is_empty() { "nobody can talk to anybody\n".to_owned() } else { text }
}

/// A table of three columns.
pub(crate) fn markdown(lines: &[Named]) -> String {
    let mut text = "| from | to | ports |\n|---|---|---|\n".to_owned();
    for (source, destination, ports) in lines {
        let _ = writeln!(text, "| `{source}` | `{destination}` | {ports} |");
    }
    text
}

/// A graph for Graphviz: a node for each end of a line.
pub(crate) fn dot(lines: &[Named]) -> String {
    let mut text = "digraph reach {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for (source, destination, ports) in lines {
        let _ = writeln!(text, "  {source:?} -> {destination:?} [label={ports:?}];");
    }
    text + "}\n"
}
