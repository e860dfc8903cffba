//! Labels and label selectors.

use super::fields::{Context, Unknown, nearest};
use super::names::{is_label_key, is_label_value};
use super::tree::{Entry, Node, Span, Value, get};
use crate::model::{Attribute, Labels, Selector, Text};

/// Whose labels a selector asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// The pod's own (in a selector of nodes: the node's).
    Own,
    /// Those of the pod's namespace.
    Namespace,
}

/// `metadata.labels`.
pub(super) fn labels<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>) -> Labels {
    let pairs = node.map_or_else(Vec::new, |node| pairs(context, node, "labels"));
    context.interner.labels(pairs.into_iter().collect())
}

/// A LabelSelector; an empty one selects everything.
pub(super) fn selector<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: &str,
    whose: Whose,
) -> Selector {
    let Some(entries) = context.map(node, what, &["matchLabels", "matchExpressions"], Unknown::Error) else {
        return Selector::everything();
    };
    let mut parts = match get(entries, "matchLabels") {
        Some(labels) => equalities(context, labels, "matchLabels", whose),
        None => Vec::new(),
    };
    for expression in context.list(get(entries, "matchExpressions"), "matchExpressions") {
        parts.extend(requirement(context, expression, whose));
    }
    Selector::all(parts)
}

/// Each label must be there with its value: `matchLabels`, or a Service's selector.
pub(super) fn equalities<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: &str,
    whose: Whose,
) -> Vec<Selector> {
    let pairs = pairs(context, node, what);
    pairs.into_iter().map(|(key, value)| Selector::is_in(attribute(whose, key), vec![value])).collect()
}

fn attribute(whose: Whose, key: Text) -> Attribute {
    match whose {
        Whose::Own => Attribute::Label(key),
        Whose::Namespace => Attribute::NamespaceLabel(key),
    }
}

fn pairs<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, what: &str) -> Vec<(Text, Text)> {
    let Some(entries) = context.any_map(node, what) else { return Vec::new() };
    let mut pairs = Vec::with_capacity(entries.len());
    for entry in entries {
        check_key(context, entry);
        if let Some(value) = value(context, entry) {
            pairs.push((context.intern(&entry.key), value));
        }
    }
    pairs
}

fn check_key<'a>(context: &mut Context<'_, 'a>, entry: &Entry<'a>) {
    if entry.is_odd {
        let written = context.written(&entry.key_at);
        let title = format!(
            "the label key `{written}` is no string in YAML 1.1; kubectl makes `{}` of it",
            entry.key
        );
        context.error("PC113", &entry.key_at, title, format!("put it in quotes: `\"{written}\"`"));
    } else {
        key(context, &entry.key, &entry.key_at);
    }
}

fn key(context: &mut Context<'_, '_>, key: &str, at: &Span) {
    if !is_label_key(key) {
        let help = "letters, digits, `-`, `_` and `.`, at most 63, perhaps after a domain and `/`".to_owned();
        context.error("PC117", at, format!("`{key}` can't be a label key"), help);
    }
}

fn value<'a>(context: &mut Context<'_, 'a>, entry: &Entry<'a>) -> Option<Text> {
    match &entry.value.value {
        Value::Null => {
            let at = if entry.value.at.is_empty() { &entry.key_at } else { &entry.value.at };
            let title = format!("the label `{}` has no value", entry.key);
            let help = "`kubectl apply` would drop the label; in a selector that selects more than is meant. \
                        For an empty value write `\"\"`";
            context.error("PC115", at, title, help.to_owned());
            None
        }
        Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Map(_)
        | Value::Skipped => {
            label_value(context, &entry.value, || format!("the value of label `{}`", entry.key))
        }
    }
}

/// A label's value that stands for itself, in a map or a list.
fn label_value<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: impl FnOnce() -> String,
) -> Option<Text> {
    match node.text() {
        Some(text) if is_label_value(text) => Some(context.intern(text)),
        Some(_) | None => {
            no_label_value(context, node, &what());
            None
        }
    }
}

fn no_label_value<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, what: &str) {
    let written = context.written(&node.at);
    let quoted = format!("put it in quotes: `\"{written}\"`");
    match &node.value {
        Value::Text(text) => {
            let help =
                "letters, digits, `-`, `_` and `.`, at most 63, the first and the last a letter or digit";
            context.error("PC117", &node.at, format!("`{text}` can't be {what}"), help.to_owned());
        }
        Value::Bool(_) => {
            let title = format!(
                "{what} must be a string; `{written}` is a boolean in YAML 1.1, which Kubernetes reads"
            );
            context.error("PC113", &node.at, title, quoted);
        }
        Value::Int(_) | Value::Float(_) => {
            context.error("PC116", &node.at, format!("{what} must be a string, not a number"), quoted);
        }
        Value::Null | Value::List(_) | Value::Map(_) | Value::Skipped => {
            context.error(
                "PC112",
                &node.at,
                format!("{what} must be a string, not {}", node.described()),
                None,
            );
        }
    }
}

fn requirement<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, whose: Whose) -> Option<Selector> {
    let entries = context.map(node, "matchExpressions", &["key", "operator", "values"], Unknown::Error)?;
    let operator = get(entries, "operator");
    let found = get(entries, "key");
    let name = context.text(found, "key");
    let attribute = match (found, name) {
        (Some(node), Some(name)) => {
            key(context, name, &node.at);
            attribute(whose, context.intern(name))
        }
        (Some(_), None) => return None,
        (None, _) => {
            context.error("PC114", &node.at, "an expression needs a `key`".to_owned(), None);
            return None;
        }
    };
    let listed = get(entries, "values");
    let values = values(context, listed);
    let has_values =
        listed.is_some_and(|node| !matches!(&node.value, Value::List(listed) if listed.is_empty()));
    let Some(operator) = operator else {
        let help = "one of In, NotIn, Exists, DoesNotExist".to_owned();
        context.error("PC120", &node.at, "an expression needs an `operator`".to_owned(), help);
        return None;
    };
    let word = context.text(Some(operator), "operator")?;
    match word {
        "In" => some(context, operator, values, has_values).map(|values| Selector::is_in(attribute, values)),
        "NotIn" => some(context, operator, values, has_values)
            .map(|values| Selector::Not(Box::new(Selector::is_in(attribute, values)))),
        "Exists" => none(context, operator, has_values).then_some(Selector::Has(attribute)),
        "DoesNotExist" => {
            none(context, operator, has_values).then(|| Selector::Not(Box::new(Selector::Has(attribute))))
        }
        _ => {
            unknown_operator(context, operator, word);
            None
        }
    }
}

fn unknown_operator<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, word: &str) {
    let known = ["In", "NotIn", "Exists", "DoesNotExist"];
    let help = match nearest(word, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "one of In, NotIn, Exists, DoesNotExist".to_owned(),
    };
    context.error("PC120", &node.at, format!("unknown operator `{word}`"), help);
}

fn values<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>) -> Vec<Text> {
    let listed = context.list(node, "values");
    listed.iter().filter_map(|value| label_value(context, value, || "a label value".to_owned())).collect()
}

fn some<'a>(
    context: &mut Context<'_, 'a>,
    operator: &Node<'a>,
    values: Vec<Text>,
    has_values: bool,
) -> Option<Vec<Text>> {
    if !has_values {
        let word = operator.text().unwrap_or_default();
        let help = "list them under `values`, or use Exists or DoesNotExist".to_owned();
        context.error("PC121", &operator.at, format!("`{word}` needs values"), help);
    }
    Some(values).filter(|values| !values.is_empty())
}

fn none<'a>(context: &mut Context<'_, 'a>, operator: &Node<'a>, has_values: bool) -> bool {
    if has_values {
        let word = operator.text().unwrap_or_default();
        let help = "leave `values` out, or use In or NotIn".to_owned();
        context.error("PC121", &operator.at, format!("`{word}` takes no values"), help);
    }
    !has_values
}
