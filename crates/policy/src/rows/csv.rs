//! Tables as comma separated values: `source,destination,port,verdict`, with `family` where both are asked.

use std::fmt::{self, Write as _};

use hashbrown::HashMap;

use super::{Pair, ProtocolPort, Row};
use crate::decision::Verdict;
use crate::model::{Family, Protocol};

/// Whether a table says of each row which family it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyColumn {
    /// Four columns.
    Left,
    /// A fifth, `4` or `6`.
    Shown,
}

const COLUMNS: &str = "source,destination,port,verdict";

/// The first line of a table.
pub(crate) fn header(family: FamilyColumn) -> String {
    match family {
        FamilyColumn::Left => format!("{COLUMNS}\n"),
        FamilyColumn::Shown => format!("{COLUMNS},family\n"),
    }
}

/// A table with its header, a line a row. The verdict is a `Verdict`, or what stands for the lack of one.
pub fn write<'a, V: fmt::Display>(
    rows: impl IntoIterator<Item = (&'a Row, V)>,
    family: FamilyColumn,
) -> String {
    let mut text = header(family);
    for (row, verdict) in rows {
        let Row { source, destination, port, protocol, .. } = row;
        let end = match family {
            FamilyColumn::Left => String::new(),
            FamilyColumn::Shown => format!(",{}", row.family),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{source},{destination},{port}/{protocol},{verdict}{end}");
    }
    text
}

/// The verdicts that a file expects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    rows: Vec<ExpectedRow>,
    by_key: HashMap<Key, usize>,
}

/// A line of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedRow {
    /// Counted from 1.
    pub line: usize,
    /// What it is about.
    pub key: Key,
    /// What it expects.
    pub verdict: Verdict,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// As a table names it.
    pub source: String,
    /// As a table names it.
    pub destination: String,
    /// Protocol and port.
    pub port: ProtocolPort,
    /// `None` in a table without that column.
    pub family: Option<Family>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ReadError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: Problem,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The first line names other columns.
    #[error("the columns must be `{COLUMNS}`, with `,family` where both families are asked")]
    Columns,
    /// Too few or too many fields.
    #[error("{found} fields where there are {expected} columns")]
    Fields {
        /// Columns.
        expected: usize,
        /// Fields.
        found: usize,
    },
    /// Not a port.
    #[error("`{0}` is no port; write it as `80/tcp`")]
    Port(String),
    /// Not a verdict.
    #[error("`{0}` is no verdict; write `allow` or `deny`")]
    Verdict(String),
    /// Not a family.
    #[error("`{0}` is no family; write `4` or `6`")]
    Family(String),
    /// A row that stands there already.
    #[error("the same row stands in line {0}")]
    Twice(usize),
}

impl Expected {
    /// Reads a table with its header. Empty lines and carriage returns are passed over.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let header = lines.next().map_or("", |(_, line)| line);
        let family = match header.strip_prefix(COLUMNS) {
            Some("") => FamilyColumn::Left,
            Some(",family") => FamilyColumn::Shown,
            Some(_) | None => return Err(ReadError { line: 1, problem: Problem::Columns }),
        };
        let mut expected = Expected::default();
        for (line, text) in lines.filter(|(_, text)| !text.is_empty()) {
            expected.add(line, text, family).map_err(|problem| ReadError { line, problem })?;
        }
        Ok(expected)
    }

    fn add(&mut self, line: usize, text: &str, family: FamilyColumn) -> Result<(), Problem> {
        let (key, verdict) = parse(text, family)?;
        let place = self.rows.len();
        match self.by_key.insert(key.clone(), place).and_then(|place| self.rows.get(place)) {
            Some(first) => Err(Problem::Twice(first.line)),
            None => {
                self.rows.push(ExpectedRow { line, key, verdict });
                Ok(())
            }
        }
    }

    /// What is expected of a flow that `row` stands for, and the place of the line that says so: a line may
    /// name a workload or, before that, one of its pods.
    pub fn of(&self, row: &Row, pair: &Pair) -> Option<(usize, Verdict)> {
        let sources = [pair.source.to_string(), row.source.to_string()];
        let destinations = [pair.destination.to_string(), row.destination.to_string()];
        let families = [Some(Family::of(&pair.flow.destination)), None];
        let names = sources.iter().flat_map(|source| destinations.iter().map(move |to| (source, to)));
        let mut keys = names.flat_map(|(source, destination)| {
            families.map(|family| Key {
                source: source.clone(),
                destination: destination.clone(),
                port: (row.protocol, row.port),
                family,
            })
        });
        let place = keys.find_map(|key| self.by_key.get(&key).copied())?;
        self.rows.get(place).map(|row| (place, row.verdict))
    }

    /// Its lines in order.
    pub fn rows(&self) -> &[ExpectedRow] {
        &self.rows
    }
}

fn parse(text: &str, family: FamilyColumn) -> Result<(Key, Verdict), Problem> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let (source, destination, port, verdict, family) = match (family, fields.as_slice()) {
        (FamilyColumn::Left, [source, destination, port, verdict]) => {
            (source, destination, port, verdict, None)
        }
        (FamilyColumn::Shown, [source, destination, port, verdict, family]) => {
            (source, destination, port, verdict, Some(parse_family(family)?))
        }
        (FamilyColumn::Left, found) => return Err(Problem::Fields { expected: 4, found: found.len() }),
        (FamilyColumn::Shown, found) => return Err(Problem::Fields { expected: 5, found: found.len() }),
    };
    let port = parse_port(port).ok_or_else(|| Problem::Port((*port).to_owned()))?;
    let verdict = parse_verdict(verdict)?;
    Ok((Key { source: (*source).to_owned(), destination: (*destination).to_owned(), port, family }, verdict))
}

/// `80/tcp`; the protocol in either case.
pub fn parse_port(text: &str) -> Option<ProtocolPort> {
    let (port, protocol) = text.split_once('/')?;
    let port = port.parse().ok().filter(|port| *port > 0)?;
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    Some((protocol, port))
}

fn parse_verdict(text: &str) -> Result<Verdict, Problem> {
    match text {
        "allow" => Ok(Verdict::Accept),
        "deny" => Ok(Verdict::Deny),
        other => Err(Problem::Verdict(other.to_owned())),
    }
}

fn parse_family(text: &str) -> Result<Family, Problem> {
    match text {
        "4" => Ok(Family::V4),
        "6" => Ok(Family::V6),
        other => Err(Problem::Family(other.to_owned())),
    }
}
