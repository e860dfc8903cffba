//! Kubernetes objects to be printed: fields in the order in which people write them.

use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};

/// A value of YAML or JSON; printed with `Display` it is YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// Fields, in order.
    Map(Vec<(String, Document)>),
    /// Elements.
    List(Vec<Document>),
    /// A string.
    Text(String),
    /// A number.
    Number(u32),
}

impl Document {
    pub(super) fn map<const N: usize>(fields: [(&str, Document); N]) -> Self {
        Document::Map(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Document::Text(text.into())
    }

    fn is_short(&self) -> bool {
        match self {
            Document::Map(fields) => fields.is_empty(),
            Document::List(elements) => elements.is_empty(),
            Document::Text(_) | Document::Number(_) => true,
        }
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        match self {
            Document::Map(fields) if fields.is_empty() => f.write_str("{}"),
            Document::List(elements) if elements.is_empty() => f.write_str("[]"),
            Document::Text(text) => f.write_str(&scalar(text)),
            Document::Number(number) => write!(f, "{number}"),
            Document::Map(fields) => {
                for (at, (key, value)) in fields.iter().enumerate() {
                    start(f, at, indent)?;
                    write!(f, "{}:", scalar(key))?;
                    // A list may stand below its key without being moved in, as people write it.
                    let inner = if matches!(value, Document::List(_)) { indent } else { indent + 2 };
                    value.write_after(f, inner)?;
                }
                Ok(())
            }
            Document::List(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    start(f, at, indent)?;
                    f.write_str("- ")?;
                    element.write(f, indent + 2)?;
                }
                Ok(())
            }
        }
    }

    fn write_after(&self, f: &mut fmt::Formatter<'_>, indent: usize) -> fmt::Result {
        if self.is_short() {
            f.write_str(" ")?;
        } else {
            write!(f, "\n{:indent$}", "")?;
        }
        self.write(f, indent)
    }
}

/// The first element stands where the writer is already.
fn start(f: &mut fmt::Formatter<'_>, at: usize, indent: usize) -> fmt::Result {
    if at == 0 { Ok(()) } else { write!(f, "\n{:indent$}", "") }
}

/// In quotes unless nobody could take it for anything but a string.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let is_first = |letter: char| letter.is_ascii_alphabetic() || letter == '/';
    let is_word = text.starts_with(is_first) && !WORDS.contains(&text.to_lowercase().as_str());
    if (is_word || text.parse::<ipnet::Ipv4Net>().is_ok()) && text.chars().all(is_plain) {
        return text.to_owned();
    }
    // JSON's strings are YAML's.
    serde_json::Value::from(text).to_string()
}

/// YAML, without a newline at the end.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, 0)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Document::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(key, value)| map.serialize_entry(key, value))?;
                map.end()
            }
            Document::List(elements) => {
                let mut list = serializer.serialize_seq(Some(elements.len()))?;
                elements.iter().try_for_each(|element| list.serialize_element(element))?;
                list.end()
            }
            Document::Text(text) => serializer.serialize_str(text),
            Document::Number(number) => serializer.serialize_u32(*number),
        }
    }
}
