//! Selectors: boolean expressions over what a pod is.

use std::fmt;

use super::Text;

/// Something about a pod that a selector may ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Attribute {
    /// The pod's label of this key (in a selector of nodes: the node's).
    Label(Text),
    /// The label of this key of the pod's namespace.
    NamespaceLabel(Text),
    /// The name of the pod's namespace. Every pod has one.
    NamespaceName,
    /// The name of the pod's service account.
    ServiceAccountName,
}

/// Which pods (or nodes) are meant. Kubernetes' `NotIn` is `Not(In)`, its `DoesNotExist` is `Not(Has)`:
/// both match what lacks the key (N18).
///
/// Who is selected hangs on nothing but the pod's attributes. That a pod on the host's network or one that
/// has ended is never selected (D8, D12) is not said here; it holds for every selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selector {
    /// All of them match; of none, everything matches.
    All(Vec<Selector>),
    /// One of them matches; of none, nothing matches.
    Any(Vec<Selector>),
    /// It doesn't match.
    Not(Box<Selector>),
    /// The attribute is there and has one of these values (sorted, without duplicates).
    In(Attribute, Vec<Text>),
    /// The attribute is there.
    Has(Attribute),
}

impl Selector {
    /// The selector that matches everything.
    pub fn everything() -> Self {
        Selector::All(Vec::new())
    }

    /// All pods of one namespace.
    pub fn namespace(name: &str) -> Self {
        Selector::In(Attribute::NamespaceName, vec![name.into()])
    }

    /// Both must match. Nested conjunctions become one flat, sorted list, so that equal selectors are equal
    /// values however they were written.
    pub fn and(self, other: Self) -> Self {
        let mut parts = match self {
            Selector::All(parts) => parts,
            one @ (Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_)) => vec![one],
        };
        match other {
            Selector::All(more) => parts.extend(more),
            one @ (Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_)) => {
                parts.push(one)
            }
        }
        Selector::all(parts)
    }

    /// All of `parts`, in their one normal form: sorted, without duplicates, a single one standing alone.
    pub fn all(mut parts: Vec<Selector>) -> Self {
        parts.sort();
        parts.dedup();
        match <[Selector; 1]>::try_from(parts) {
            Ok([one]) => one,
            Err(parts) => Selector::All(parts),
        }
    }

    /// The attribute has one of `values`, in normal form.
    pub fn is_in(attribute: Attribute, mut values: Vec<Text>) -> Self {
        values.sort();
        values.dedup();
        Selector::In(attribute, values)
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Label(key) => f.write_str(key),
            Attribute::NamespaceLabel(key) => write!(f, "namespace:{key}"),
            Attribute::NamespaceName => f.write_str("namespace"),
            Attribute::ServiceAccountName => f.write_str("serviceaccount"),
        }
    }
}

/// `app=web, tier in (a, b), namespace=shop`; everything is `*`, nothing is `none`.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::All(parts) if parts.is_empty() => f.write_str("*"),
            Selector::Any(parts) if parts.is_empty() => f.write_str("none"),
            Selector::All(parts) => joined(f, parts, ", "),
            Selector::Any(parts) => joined(f, parts, " or "),
            Selector::Not(inner) => negated(f, inner),
            Selector::In(attribute, values) => one_of(f, attribute, values, "=", "in"),
            Selector::Has(attribute) => write!(f, "{attribute}"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[Selector], between: &str) -> fmt::Result {
    for (at, part) in parts.iter().enumerate() {
        let between = if at == 0 { "" } else { between };
        match part {
            Selector::All(inner) | Selector::Any(inner) if inner.len() > 1 => write!(f, "{between}({part})")?,
            Selector::All(_) | Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_) => {
                write!(f, "{between}{part}")?;
            }
        }
    }
    Ok(())
}

fn negated(f: &mut fmt::Formatter<'_>, inner: &Selector) -> fmt::Result {
    match inner {
        Selector::In(attribute, values) => one_of(f, attribute, values, "!=", "not in"),
        Selector::Has(attribute) => write!(f, "!{attribute}"),
        Selector::All(_) | Selector::Any(_) | Selector::Not(_) => write!(f, "not ({inner})"),
    }
}

fn one_of(
    f: &mut fmt::Formatter<'_>,
    of: &Attribute,
    values: &[Text],
    equal: &str,
    among: &str,
) -> fmt::Result {
    match values {
        [value] => write!(f, "{of}{equal}{value}"),
        values => write!(f, "{of} {among} ({})", values.join(", ")),
    }
}
