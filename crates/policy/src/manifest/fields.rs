//! Reading typed fields out of a tree, and saying what is wrong with them.

use std::sync::Arc;

use hashbrown::HashSet;

use super::diagnostic::{Diagnostic, Severity};
use super::place::File;
use super::tree::{Entry, Node, Span, Value};
use crate::model::{ContainerPort, Labels, Text};

/// More than anybody reads; what comes after is only counted.
pub(super) const MOST_DIAGNOSTICS: usize = 1_000;

/// Texts and label sets, each kept once.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: HashSet<Text>,
    labels: HashSet<Labels>,
    ports: HashSet<Arc<[ContainerPort]>>,
}

/// All problems so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) errors: usize,
    pub(super) left_out: usize,
}

/// What every reading function needs.
pub(super) struct Context<'c, 'a> {
    pub(super) file: &'c File<'a>,
    pub(super) problems: &'c mut Problems,
    pub(super) interner: &'c mut Interner,
}

/// What to do about fields that the kind doesn't have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// An error, as in policies: a field that nobody reads changes what they mean.
    Error,
    /// An error only where it looks like a misspelt one that we read.
    NearMiss,
}

impl Interner {
    pub(super) fn text(&mut self, text: &str) -> Text {
        self.texts.get_or_insert_with(text, |text| Text::from(text)).clone()
    }

    pub(super) fn labels(&mut self, labels: Labels) -> Labels {
        self.labels.get_or_insert_with(&labels, Labels::clone).clone()
    }

    pub(super) fn ports(&mut self, ports: Vec<ContainerPort>) -> Arc<[ContainerPort]> {
        self.ports.get_or_insert_with(ports.as_slice(), |ports| Arc::from(ports)).clone()
    }
}

impl Problems {
    pub(super) fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error {
            self.errors += 1;
        }
        if self.diagnostics.len() < MOST_DIAGNOSTICS {
            self.diagnostics.push(diagnostic);
        } else {
            self.left_out += 1;
        }
    }

    pub(super) fn absorb(&mut self, others: Problems) {
        let errors = self.errors + others.errors;
        for diagnostic in others.diagnostics {
            self.push(diagnostic);
        }
        self.errors = errors;
        self.left_out += others.left_out;
    }
}

impl<'a> Context<'_, 'a> {
    pub(super) fn error(
        &mut self,
        code: &'static str,
        at: &Span,
        title: String,
        help: impl Into<Option<String>>,
    ) {
        self.report(Severity::Error, code, at, title, help.into());
    }

    pub(super) fn warning(
        &mut self,
        code: &'static str,
        at: &Span,
        title: String,
        help: impl Into<Option<String>>,
    ) {
        self.report(Severity::Warning, code, at, title, help.into());
    }

    fn report(
        &mut self,
        severity: Severity,
        code: &'static str,
        at: &Span,
        title: String,
        help: Option<String>,
    ) {
        if self.problems.diagnostics.len() >= MOST_DIAGNOSTICS {
            self.problems.errors += usize::from(severity == Severity::Error);
            self.problems.left_out += 1;
            return;
        }
        let place = Some(self.file.place(at));
        self.problems.push(Diagnostic { severity, code, title, place, help });
    }

    /// How many errors there are so far: whether some came while a thing was read tells whether it is sound.
    pub(super) fn errors(&self) -> usize {
        self.problems.errors
    }

    pub(super) fn intern(&mut self, text: &str) -> Text {
        self.interner.text(text)
    }

    /// The entries of the map `what`, its keys checked against those that it may have.
    pub(super) fn map<'n>(
        &mut self,
        node: &'n Node<'a>,
        what: &str,
        known: &[&str],
        unknown: Unknown,
    ) -> Option<&'n [Entry<'a>]> {
        let entries = self.any_map(node, what)?;
        for entry in entries {
            if !known.contains(&entry.key.as_ref()) {
                self.unknown_field(entry, what, known, unknown);
            }
        }
        Some(entries)
    }

    /// The entries of the map `what`, whatever its keys.
    pub(super) fn any_map<'n>(&mut self, node: &'n Node<'a>, what: &str) -> Option<&'n [Entry<'a>]> {
        match &node.value {
            Value::Map(entries) => {
                self.check_unique(entries);
                Some(entries)
            }
            Value::Null | Value::Skipped => None,
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => {
                self.wrong_type(node, what, "a map");
                None
            }
        }
    }

    /// The elements of the list `what`; none where it is missing.
    pub(super) fn list<'n>(&mut self, node: Option<&'n Node<'a>>, what: &str) -> &'n [Node<'a>] {
        match node.map(|node| (node, &node.value)) {
            Some((_, Value::List(elements))) => elements,
            None | Some((_, Value::Null | Value::Skipped)) => &[],
            Some((
                node,
                Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Map(_),
            )) => {
                self.wrong_type(node, what, "a list");
                &[]
            }
        }
    }

    pub(super) fn text<'n>(&mut self, node: Option<&'n Node<'a>>, what: &str) -> Option<&'n str> {
        let node = node?;
        match &node.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Skipped => None,
            Value::Bool(_) => {
                self.boolean_for_text(node, what);
                None
            }
            Value::Int(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(node, what, "a string");
                None
            }
        }
    }

    pub(super) fn whole(&mut self, node: Option<&Node<'a>>, what: &str) -> Option<i64> {
        let node = node?;
        match &node.value {
            Value::Int(number) => Some(*number),
            Value::Null | Value::Skipped => None,
            Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(node, what, "a whole number");
                None
            }
        }
    }

    pub(super) fn boolean(&mut self, node: Option<&Node<'a>>, what: &str) -> Option<bool> {
        let node = node?;
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Null | Value::Skipped => None,
            Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => {
                self.wrong_type(node, what, "`true` or `false`");
                None
            }
        }
    }

    pub(super) fn wrong_type(&mut self, node: &Node<'a>, what: &str, wanted: &str) {
        let title = format!("`{what}` must be {wanted}, not {}", node.described());
        let help = match (&node.value, wanted) {
            (Value::Int(_) | Value::Float(_), "a string") => {
                Some(format!("put it in quotes: `\"{}\"`", self.written(&node.at)))
            }
            (Value::Text(_), "a whole number") => Some("write it as a number, without quotes".to_owned()),
            (Value::Map(_), "a list") => Some("start each element with `- `".to_owned()),
            (Value::List(_), "a map") => Some("leave out the `- `".to_owned()),
            (_, _) => None,
        };
        self.error("PC112", &node.at, title, help);
    }

    pub(super) fn boolean_for_text(&mut self, node: &Node<'a>, what: &str) {
        let written = self.written(&node.at);
        let title = format!(
            "`{what}` must be a string; `{written}` is a boolean in YAML 1.1, which Kubernetes reads"
        );
        self.error("PC113", &node.at, title, format!("put it in quotes: `\"{written}\"`"));
    }

    /// The text of the file at this place, cut where it is long.
    pub(super) fn written(&self, at: &Span) -> String {
        let text = self.file.text.get(at.clone()).unwrap_or_default();
        let head: String = text.chars().take(60).take_while(|character| *character != '\n').collect();
        if head.len() < text.len() { format!("{head}...") } else { head }
    }

    fn unknown_field(&mut self, entry: &Entry<'a>, what: &str, known: &[&str], unknown: Unknown) {
        let near = nearest(&entry.key, known);
        let help = near.map(|name| format!("did you mean `{name}`?"));
        match (unknown, &help) {
            (Unknown::NearMiss, None) => return,
            (Unknown::NearMiss, Some(_)) | (Unknown::Error, _) => (),
        }
        let written = self.written(&entry.key_at);
        let help = help.or_else(|| Some(format!("it may have: {}", known.join(", "))));
        let title = format!("unknown field `{}` in `{what}`", written.trim_matches(['"', '\'']));
        self.error("PC110", &entry.key_at, title, help);
    }

    /// Of a key given twice kubectl keeps the last, and says nothing (D25).
    pub(super) fn check_unique(&mut self, entries: &[Entry<'a>]) {
        if entries.len() < 2 || entries.len() <= FEW && is_unique(entries) {
            return;
        }
        let mut seen: Vec<(&str, usize)> =
            entries.iter().enumerate().map(|(at, entry)| (entry.key.as_ref(), at)).collect();
        seen.sort_unstable();
        let mut again: Vec<usize> = seen.windows(2).filter_map(repeated).collect();
        again.sort_unstable();
        for entry in again.into_iter().filter_map(|at| entries.get(at)) {
            let first = entries.iter().find(|first| first.key == entry.key).unwrap_or(entry);
            let line = self.file.line(first.key_at.start);
            let title = format!("the key `{}` is given twice", entry.key);
            let help = format!("kubectl would keep the last and drop the first, on line {line}, silently");
            self.error("PC111", &entry.key_at, title, help);
        }
    }
}

/// So few keys are compared each with each: no memory is asked for.
const FEW: usize = 12;

fn is_unique(entries: &[Entry<'_>]) -> bool {
    entries
        .iter()
        .enumerate()
        .all(|(at, entry)| entries.iter().skip(at + 1).all(|other| other.key != entry.key))
}

fn repeated(pair: &[(&str, usize)]) -> Option<usize> {
    match pair {
        [(one, _), (other, at)] if one == other => Some(*at),
        _ => None,
    }
}

/// Which letters there are, a bit each, upper or lower case.
fn letters(name: &str) -> u32 {
    name.bytes().fold(0, |letters, byte| letters | 1 << (byte & 31))
}

/// The name that was probably meant.
pub(super) fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let distance = |name: &&'k str| {
        let most = (name.len().min(written.len()) / 4).min(2);
        // most names are told apart by their lengths and letters, at no cost; an edit changes at most two letters
        let are_far = || (letters(name) ^ letters(written)).count_ones() as usize > 2 * most;
        if *name == written || name.len().abs_diff(written.len()) > most || written.is_ascii() && are_far() {
            return None;
        }
        let distance = strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase());
        (distance <= most).then_some((distance, *name))
    };
    known.iter().filter_map(distance).min().map(|(_, name)| name)
}
