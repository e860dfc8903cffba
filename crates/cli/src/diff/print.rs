//! Changes for people: as text, and as Markdown for a pull request.

use std::fmt::Write as _;

use policy::analyse::diff::Risk;

use super::Unknown;
use super::ranked::{Line, title};

/// A name that is longer than this is not aligned to.
const LONGEST: usize = 40;

/// More than this of one rank is folded away in Markdown.
const UNFOLDED: usize = 10;

/// `web/* -> db/* : none => 5432/tcp`, below what the change does.
pub(super) fn table(lines: &[Line<'_>], unknown: &[Unknown]) -> String {
    let doubts: String = unknown.iter().map(|side| doubt(side, "  ")).collect();
    known(lines) + &doubts
}

/// What nobody can say of a side, below the objects that are to blame.
fn doubt(Unknown { side, unreadable, lines }: &Unknown, indent: &str) -> String {
    let because = unreadable.join(", ");
    let line = |(from, to, ports): &(String, String, String)| format!("{indent}{from} -> {to} : {ports}\n");
    format!("\nunknown in {side}, because {because}\n{}", lines.iter().map(line).collect::<String>())
}

fn known(lines: &[Line<'_>]) -> String {
    let width = |of: fn(&Line<'_>) -> usize| lines.iter().map(of).max().unwrap_or(0).min(LONGEST);
    let (sources, destinations) = (width(|line| line.sources.len()), width(|line| line.destinations.len()));
    let mut text = String::new();
    for section in sections(lines) {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", section.first().map_or("", |line| title(line.rank)));
        for line in section {
            let Line { sources: from, destinations: to, families, change, .. } = line;
            let (before, after) = (&change.before, &change.after);
            let _ = writeln!(text, "  {from:sources$} -> {to:destinations$} : {before} => {after}{families}");
        }
    }
    if lines.is_empty() { "nothing changes\n".to_owned() } else { text }
}

/// How many of each rank, then a table for each; long ones folded.
pub(super) fn markdown(lines: &[Line<'_>], unknown: &[Unknown]) -> String {
    let doubts: String = unknown.iter().map(|side| doubt(side, "- ").replacen('\n', "\n\n", 2)).collect();
    changes(lines) + &doubts
}

fn changes(lines: &[Line<'_>]) -> String {
    if lines.is_empty() {
        return "Nothing changes in who can talk to whom.\n".to_owned();
    }
    let counts: Vec<String> = sections(lines).map(|section| counted(section)).collect();
    let mut text = format!("**Who can talk to whom changes:** {}.\n", counts.join(", "));
    for section in sections(lines) {
        let rank = section.first().map_or("", |line| title(line.rank));
        let _ = match section.len() {
            0..=UNFOLDED => write!(text, "\n### {rank}\n\n{}", rows(section)),
            count => {
                let head = format!("<summary><b>{rank}</b>: {count} lines</summary>");
                write!(text, "\n<details>{head}\n\n{}\n</details>\n", rows(section))
            }
        };
    }
    text
}

fn sections<'l, 'd>(lines: &'l [Line<'d>]) -> impl Iterator<Item = &'l [Line<'d>]> {
    lines.chunk_by(|one, other| one.rank == other.rank)
}

fn counted(section: &[Line<'_>]) -> String {
    let count = section.len();
    let Some(rank) = section.first().map(|line| line.rank) else { return String::new() };
    let (one, many) = match rank {
        Risk::Internet => ("opens to or from the internet", "open to or from the internet"),
        Risk::Metadata => ("opens to the metadata address", "open to the metadata address"),
        Risk::Dns => ("loses DNS", "lose DNS"),
        Risk::Namespaces => ("opens between namespaces", "open between namespaces"),
        Risk::Opened => ("opens", "open"),
        Risk::Closed => ("closes", "close"),
    };
    format!("{count} {}", if count == 1 { one } else { many })
}

fn rows(section: &[Line<'_>]) -> String {
    let mut text = "| from | to | before | after |\n|---|---|---|---|\n".to_owned();
    for Line { sources, destinations, families, change, .. } in section {
        let (before, after) = (&change.before, &change.after);
        let _ = writeln!(text, "| `{sources}` | `{destinations}`{families} | {before} | {after} |");
    }
    text
}
