//! What YAML and JSON have in common: values with their places.

use std::borrow::Cow;
use std::ops::Range;

/// Bytes of a file.
pub(super) type Span = Range<usize>;

/// How deep maps and lists may nest. Kubernetes' own objects stay under 20.
pub(super) const MOST_DEPTH: usize = 100;

/// The longest scalar, in bytes. The API server stores no object larger than 1.5 MiB.
pub(super) const LONGEST_SCALAR: usize = 4 << 20;

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    pub(super) at: Span,
    pub(super) value: Value<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Map(Vec<Entry<'a>>),
    /// Something that nobody reads; only its place is kept.
    Skipped,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    /// As kubectl would hand it over: a YAML 1.1 boolean as `true` or `false`.
    pub(super) key: Cow<'a, str>,
    pub(super) key_at: Span,
    /// The key is no string in YAML, so that `key` may not be what its author sees.
    pub(super) is_odd: bool,
    pub(super) value: Node<'a>,
}

/// Why a text is no YAML or JSON, and where.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) at: Span,
    pub(super) code: &'static str,
    pub(super) title: String,
    pub(super) help: Option<String>,
}

/// What of a JSON value is read; the rest is checked for its syntax alone.
#[derive(Debug)]
pub(super) enum Shape {
    /// All of it.
    Whole,
    /// Nothing.
    Skip,
    /// Of a map these keys' values; other keys are kept without their values.
    Keys(&'static [(&'static str, Shape)]),
    /// Of a list each element so.
    Each(&'static Shape),
}

impl<'a> Node<'a> {
    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
            Value::List(_) | Value::Map(_) | Value::Skipped => None,
        }
    }

    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// The value of a key, `null` being as good as none.
    pub(super) fn get(&self, key: &str) -> Option<&Node<'a>> {
        match &self.value {
            Value::Map(entries) => get(entries, key),
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => None,
            Value::Text(_) | Value::List(_) | Value::Skipped => None,
        }
    }

    /// In a sentence.
    pub(super) fn described(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "a number",
            Value::Float(_) => "a fraction",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Skipped => "something else",
        }
    }
}

/// The last value of a key, as kubectl reads it; `null` is as good as none.
pub(super) fn get<'n, 'a>(entries: &'n [Entry<'a>], key: &str) -> Option<&'n Node<'a>> {
    let found = entries.iter().rev().find(|entry| entry.key == key)?;
    Some(&found.value).filter(|value| !value.is_null())
}
