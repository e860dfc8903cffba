//! YAML as Kubernetes reads it: version 1.1's scalars, merge keys, anchors; with places.

use std::borrow::Cow;

use hashbrown::HashMap;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Marked, StrInput, Tag};

use super::json::{too_deep, too_long};
use super::tree::{Broken, Entry, LONGEST_SCALAR, MOST_DEPTH, Node, Span, Value};

/// How many values the aliases of a document may stand for in all.
const MOST_ALIASED: usize = 10_000;

/// How many values with an anchor are kept for aliases, those inside others counted again.
const MOST_REMEMBERED: usize = 200_000;

type Result<T> = std::result::Result<T, Broken>;

/// The documents that `text` has one after another; `base` is added to every place.
pub(super) fn documents(text: &str, base: usize) -> Result<Vec<Node<'_>>> {
    let mut yaml = Yaml {
        parser: Parser::new_from_str(text),
        places: Places { text, is_ascii: text.is_ascii(), base, characters: 0, bytes: 0 },
        anchored: HashMap::new(),
        remembered: 0,
        aliased: 0,
        depth: 0,
    };
    let mut documents = Vec::new();
    loop {
        let (event, marked) = yaml.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::Nothing | Event::DocumentStart(_) | Event::DocumentEnd => (),
            Event::Alias(_)
            | Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd => documents.push(yaml.node(event, marked)?),
        }
    }
}

/// Where one document of a file ends and the next begins: lines that are `---`.
pub(super) fn pieces(text: &str) -> Vec<Span> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for at in memchr::memmem::find_iter(text.as_bytes(), "\n---") {
        let after = text.as_bytes().get(at + 4);
        if matches!(after, None | Some(b' ' | b'\t' | b'\r' | b'\n')) {
            let piece = text.get(start..at + 1).unwrap_or_default();
            // directives belong to the document that they precede
            if !piece.starts_with('%') || piece.starts_with("---") {
                pieces.push(start..at + 1);
                start = at + 1;
            }
        }
    }
    pieces.push(start..text.len());
    pieces
}

/// Whether a document has nothing but comments.
pub(super) fn is_blank(piece: &str) -> bool {
    piece.lines().all(|line| {
        let line = line.strip_prefix("---").unwrap_or(line).trim();
        line.is_empty() || line.starts_with('#') || line == "..."
    })
}

struct Yaml<'a> {
    parser: Parser<'a, StrInput<'a>>,
    places: Places<'a>,
    anchored: HashMap<usize, (Option<Node<'a>>, usize)>,
    remembered: usize,
    aliased: usize,
    depth: usize,
}

impl<'a> Yaml<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Marked)> {
        match self.parser.next_event() {
            None => Ok((Event::StreamEnd, Marked::default())),
            Some(Ok(event)) => Ok(event),
            Some(Err(error)) => Err(self.broken(&error)),
        }
    }

    fn broken(&mut self, error: &ScanError) -> Broken {
        let at = self.places.byte(error.marker().index());
        let title = format!("not YAML: {}", error.info());
        Broken { at: at..at, code: "PC003", title, help: None }
    }

    fn node(&mut self, event: Event<'a>, marked: Marked) -> Result<Node<'a>> {
        let start = self.places.byte(marked.start.index());
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let end = self.places.byte(marked.end.index());
                if text.len() > LONGEST_SCALAR {
                    return Err(too_long(start..start));
                }
                let value = scalar(text, style, tag.as_deref());
                Ok(self.remember(anchor, Node { at: start..end, value }))
            }
            Event::SequenceStart(anchor, _) => self.list(start, anchor),
            Event::MappingStart(anchor, _) => self.map(start, anchor),
            Event::Alias(anchor) => {
                let end = self.places.byte(marked.end.index());
                self.alias(anchor, start..end)
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => Ok(Node { at: start..start, value: Value::Null }),
        }
    }

    fn list(&mut self, start: usize, anchor: usize) -> Result<Node<'a>> {
        self.enter(start)?;
        let mut elements = Vec::new();
        let end = loop {
            match self.next()? {
                (Event::SequenceEnd, marked) => break marked.end.index(),
                (event, marked) => elements.push(self.node(event, marked)?),
            }
        };
        self.depth -= 1;
        let at = self.span(start, end, elements.last().map(|last| last.at.end));
        Ok(self.remember(anchor, Node { at, value: Value::List(elements) }))
    }

    fn map(&mut self, start: usize, anchor: usize) -> Result<Node<'a>> {
        self.enter(start)?;
        let mut entries = Vec::new();
        let mut merged = Vec::new();
        let end = loop {
            match self.next()? {
                (Event::MappingEnd, marked) => break marked.end.index(),
                (event, marked) => {
                    let is_plain = matches!(&event, Event::Scalar(_, ScalarStyle::Plain, ..));
                    let key = self.node(event, marked)?;
                    let (event, marked) = self.next()?;
                    let value = self.node(event, marked)?;
                    match entry(key, value)? {
                        entry if is_plain && entry.key == "<<" => merged.push(entry.value),
                        entry => entries.push(entry),
                    }
                }
            }
        };
        self.depth -= 1;
        let at = self.span(start, end, entries.last().map(|last: &Entry<'_>| last.value.at.end));
        for value in merged {
            merge(&mut entries, value)?;
        }
        Ok(self.remember(anchor, Node { at, value: Value::Map(entries) }))
    }

    fn enter(&mut self, start: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > MOST_DEPTH { Err(too_deep(start..start + 1)) } else { Ok(()) }
    }

    /// Of a block the parser's end lies on a later line; its last element says where it ends.
    fn span(&mut self, start: usize, end: usize, last: Option<usize>) -> Span {
        let end = self.places.byte(end);
        start..last.map_or(end, |last| if self.places.is_closing(end) { end } else { last }).max(start)
    }

    fn remember(&mut self, anchor: usize, node: Node<'a>) -> Node<'a> {
        if anchor != 0 {
            let size = size(&node);
            self.remembered = self.remembered.saturating_add(size);
            let is_small = size <= MOST_ALIASED && self.remembered <= MOST_REMEMBERED;
            self.anchored.insert(anchor, (is_small.then(|| node.clone()), size));
        }
        node
    }

    fn alias(&mut self, anchor: usize, at: Span) -> Result<Node<'a>> {
        let size = self.anchored.get(&anchor).map_or(0, |(_, size)| *size);
        self.aliased += size;
        if self.aliased > MOST_ALIASED {
            return Err(Broken {
                at,
                code: "PC006",
                title: format!("aliases that stand for more than {MOST_ALIASED} values"),
                help: Some("write the values out, or into several documents".to_owned()),
            });
        }
        match self.anchored.get(&anchor) {
            Some((Some(node), _)) => Ok(Node { at, value: node.value.clone() }),
            Some((None, _)) | None => Err(Broken {
                at,
                code: "PC006",
                title: "an alias of something too large, or inside its own anchor".to_owned(),
                help: None,
            }),
        }
    }
}

fn size(node: &Node<'_>) -> usize {
    match &node.value {
        Value::List(elements) => 1 + elements.iter().map(size).sum::<usize>(),
        Value::Map(entries) => 1 + entries.iter().map(|entry| 1 + size(&entry.value)).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 1,
        Value::Text(text) => 1 + text.len() / 256,
        Value::Skipped => 1,
    }
}

/// Keys become strings the way kubectl's conversion to JSON does it.
fn entry<'a>(key: Node<'a>, value: Node<'a>) -> Result<Entry<'a>> {
    let key_at = key.at.clone();
    let (key, is_odd) = match key.value {
        Value::Text(text) => (text, false),
        Value::Bool(value) => (Cow::Borrowed(if value { "true" } else { "false" }), true),
        Value::Int(number) => (Cow::Owned(number.to_string()), false),
        Value::Float(number) => (Cow::Owned(number.to_string()), true),
        Value::Null => (Cow::Borrowed("null"), true),
        Value::List(_) | Value::Map(_) | Value::Skipped => {
            let title = "not YAML as Kubernetes has it: a key must be a scalar".to_owned();
            return Err(Broken { at: key_at, code: "PC003", title, help: unquoted_braces() });
        }
    };
    Ok(Entry { key, key_at, is_odd, value })
}

fn unquoted_braces() -> Option<String> {
    Some("text that starts with `{` or `[` must be quoted".to_owned())
}

/// `<<: *base`: keys that the map has itself win.
fn merge<'a>(entries: &mut Vec<Entry<'a>>, value: Node<'a>) -> Result<()> {
    match value.value {
        Value::Map(more) => {
            for entry in more {
                if entries.iter().all(|own| own.key != entry.key) {
                    entries.push(entry);
                }
            }
            Ok(())
        }
        Value::List(maps) => maps.into_iter().try_for_each(|map| merge(entries, map)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Skipped => {
            let title = "`<<` needs a map, or a list of maps".to_owned();
            Err(Broken { at: value.at, code: "PC003", title, help: None })
        }
    }
}

fn scalar<'a>(text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value<'a> {
    let tag = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    match (style, tag) {
        (_, Some("str" | "binary")) => Value::Text(text),
        (ScalarStyle::Plain, _) | (_, Some("int" | "bool" | "float" | "null")) => plain(text),
        (_, _) => Value::Text(text),
    }
}

/// The value of an unquoted scalar, as go-yaml version 2 resolves it.
fn plain(text: Cow<'_, str>) -> Value<'_> {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => {
            Value::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => {
            Value::Bool(false)
        }
        word => match number(word) {
            Some(value) => value,
            None => Value::Text(text),
        },
    }
}

fn number<'a>(word: &str) -> Option<Value<'a>> {
    if !word.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '.')) {
        return None;
    }
    match word {
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Some(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Some(Value::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Some(Value::Float(f64::NAN)),
        _ => (),
    }
    let digits: Cow<'_, str> =
        if word.contains('_') { Cow::Owned(word.replace('_', "")) } else { Cow::Borrowed(word) };
    whole(&digits).map(Value::Int).or_else(|| float(&digits).map(Value::Float))
}

/// An integer in any of the bases of YAML 1.1: `010` is 8.
fn whole(word: &str) -> Option<i64> {
    let (sign, digits) = match word.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, word.strip_prefix('+').unwrap_or(word)),
    };
    let (base, digits) = match digits.get(..2) {
        Some("0x" | "0X") => (16, digits.get(2..)?),
        Some("0b" | "0B") => (2, digits.get(2..)?),
        Some("0o" | "0O") => (8, digits.get(2..)?),
        Some(head) if head.starts_with('0') => (8, digits.get(1..)?),
        Some(_) | None => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return None;
    }
    i64::from_str_radix(digits, base).ok()?.checked_mul(sign)
}

fn float(word: &str) -> Option<f64> {
    let is_of_float = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-');
    if word.bytes().all(is_of_float) && word.bytes().any(|byte| byte.is_ascii_digit()) {
        word.parse().ok()
    } else {
        None
    }
}

/// From the parser's characters to bytes. Places are asked for in order, nearly.
struct Places<'a> {
    text: &'a str,
    is_ascii: bool,
    base: usize,
    characters: usize,
    bytes: usize,
}

impl Places<'_> {
    fn byte(&mut self, character: usize) -> usize {
        if self.is_ascii {
            return self.base + character.min(self.text.len());
        }
        while self.characters > character {
            let before = self.text.get(..self.bytes).unwrap_or_default();
            self.bytes -= before.chars().next_back().map_or(0, char::len_utf8);
            self.characters -= 1;
        }
        let rest = self.text.get(self.bytes..).unwrap_or_default();
        let step: usize = rest.chars().take(character - self.characters).map(char::len_utf8).sum();
        self.bytes += step;
        self.characters = character;
        self.base + self.bytes
    }

    /// Whether a closing bracket stands right before this byte.
    fn is_closing(&self, byte: usize) -> bool {
        let before = (byte - self.base).checked_sub(1).and_then(|at| self.text.as_bytes().get(at));
        matches!(before, Some(b'}' | b']'))
    }
}
