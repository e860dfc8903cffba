//! A JSON object while it is read: what it is tells what of it is of interest.

use std::borrow::Cow;

use super::json::{self, Json};
use super::kinds::{Kind, Known, known};
use super::shapes::shape_of;
use super::tree::{Entry, Node, Shape, Span, Value};

/// What is known of an object so far.
#[derive(Default)]
pub(super) struct Head<'a> {
    api_version: Option<Cow<'a, str>>,
    kind: Option<Cow<'a, str>>,
    entries: Vec<Entry<'a>>,
    /// Entries that came before it was known what they are.
    early: Vec<usize>,
    has_streamed: bool,
}

impl<'a> Head<'a> {
    /// Reads the value of `key`, as much as the kind needs.
    pub(super) fn entry(&mut self, json: &mut Json<'a>, key: Cow<'a, str>, key_at: Span) -> json::Result<()> {
        let value = match (key.as_ref(), self.words()) {
            ("apiVersion" | "kind", _) => json.value(&Shape::Whole)?,
            (key, Some((api_version, kind))) => json.value(shape_of(api_version, kind, key))?,
            (_, None) => {
                self.early.push(self.entries.len());
                json.value(&Shape::Skip)?
            }
        };
        match (key.as_ref(), &value.value) {
            ("apiVersion", Value::Text(text)) => self.api_version = Some(text.clone()),
            ("kind", Value::Text(text)) => self.kind = Some(text.clone()),
            (_, _) => (),
        }
        self.entries.push(Entry { key, key_at, is_odd: false, value });
        Ok(())
    }

    /// Whether the value that comes next, of `items`, is a list of objects. kubectl prints `kind` after it.
    pub(super) fn is_list(&mut self, json: &mut Json<'a>) -> bool {
        let is_list = match self.words() {
            Some((api_version, kind)) => known(api_version, kind) == Known::List && json.peek() == Some(b'['),
            None => json.is_at_objects(),
        };
        self.has_streamed |= is_list;
        is_list
    }

    pub(super) fn has_streamed(&self) -> bool {
        self.has_streamed
    }

    /// What the items are, where the list says it.
    pub(super) fn implied(&self) -> Option<(&str, Kind)> {
        self.words().and_then(|(api_version, kind)| implied_by(api_version, kind))
    }

    /// The object, what came early now read as its kind needs it.
    pub(super) fn finish(mut self, text: &'a str, at: Span) -> json::Result<Node<'a>> {
        for early in std::mem::take(&mut self.early) {
            let words = self.api_version.clone().zip(self.kind.clone());
            if let (Some((api_version, kind)), Some(entry)) = (words, self.entries.get_mut(early)) {
                let shape = shape_of(&api_version, &kind, &entry.key);
                entry.value = Json::new(text, entry.value.at.start).value(shape)?;
            }
        }
        Ok(Node { at, value: Value::Map(self.entries) })
    }

    fn words(&self) -> Option<(&str, &str)> {
        Some((self.api_version.as_deref()?, self.kind.as_deref()?))
    }
}

/// What `PodList` and its like say about items that don't say it themselves.
pub(super) fn implied_by<'k>(api_version: &'k str, kind: &str) -> Option<(&'k str, Kind)> {
    kind.strip_suffix("List").and_then(Kind::named).map(|kind| (api_version, kind))
}

/// An object of a list. A list in a list is read whole.
pub(super) fn item<'a>(
    text: &'a str,
    json: &mut Json<'a>,
    implied: Option<(&str, Kind)>,
) -> json::Result<Node<'a>> {
    if json.peek() != Some(b'{') {
        return json.value(&Shape::Whole);
    }
    let start = json.at();
    let mut head = Head {
        api_version: implied.map(|(api_version, _)| Cow::Owned(api_version.to_owned())),
        kind: implied.map(|(_, kind)| Cow::Borrowed(kind.name())),
        ..Head::default()
    };
    json.entries(|json, key, key_at| head.entry(json, key, key_at))?;
    head.finish(text, start..json.at())
}
