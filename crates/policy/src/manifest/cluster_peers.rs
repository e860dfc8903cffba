//! Who is at the other end of a ClusterNetworkPolicy's rule (S3-S5, S9).

use super::blocks::{Zeros, cidr};
use super::cluster_policy::{Dialect, check_count, missing, pods};
use super::fields::{Context, Unknown};
use super::labels::{Whose, selector};
use super::tree::{Entry, Node};
use crate::model::{Block, Peer, Text};

const INGRESS: [&str; 2] = ["namespaces", "pods"];
const EGRESS: [&str; 5] = ["namespaces", "pods", "networks", "nodes", "domainNames"];
/// A baseline's rules know no names (A4).
const BASELINE_EGRESS: [&str; 4] = ["namespaces", "pods", "networks", "nodes"];

/// The most that `networks` and `domainNames` may list.
const MOST_OF_A_SET: usize = 25;

pub(super) fn peers<'a>(
    context: &mut Context<'_, 'a>,
    rule: &Node<'a>,
    node: Option<&Node<'a>>,
    what: &str,
    dialect: Dialect,
) -> Vec<Peer> {
    let everyone = "for every pod write `namespaces: {}`".to_owned();
    let Some(node) = node else {
        missing(context, rule, "rule", what, everyone);
        return Vec::new();
    };
    let before = context.errors();
    let listed = context.list(Some(node), what);
    if listed.is_empty() && context.errors() == before {
        context.error("PC140", &node.at, format!("`{what}` names nobody"), everyone);
    }
    check_count(context, listed, what, dialect.most());
    let fields: &[&str] = match (what, dialect) {
        ("from", _) => &INGRESS,
        (_, Dialect::Baseline) => &BASELINE_EGRESS,
        (_, Dialect::Cluster | Dialect::Admin) => &EGRESS,
    };
    listed.iter().flat_map(|node| peer(context, node, what, fields, dialect)).collect()
}

fn peer<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: &str,
    fields: &[&str],
    dialect: Dialect,
) -> Vec<Peer> {
    let Some(entries) = context.map(node, what, fields, Unknown::Error) else {
        if node.is_null() {
            no_peer(context, node, fields);
        }
        return Vec::new();
    };
    let given: Vec<&Entry<'a>> = entries.iter().filter(|entry| !entry.value.is_null()).collect();
    let [only] = given.as_slice() else {
        match given.get(1) {
            Some(second) => {
                let help = "each element has one field; start another with `- `".to_owned();
                context.error("PC141", &second.key_at, "a peer of two kinds".to_owned(), help);
            }
            None => no_peer(context, node, fields),
        }
        return Vec::new();
    };
    match only.key.as_ref() {
        "namespaces" => vec![Peer::Pods(selector(context, &only.value, "namespaces", Whose::Namespace))],
        "pods" => pods(context, &only.value, dialect).map(Peer::Pods).into_iter().collect(),
        "networks" if fields.contains(&"networks") => networks(context, &only.value),
        "nodes" if fields.contains(&"nodes") => {
            vec![Peer::Nodes(selector(context, &only.value, "nodes", Whose::Own))]
        }
        "domainNames" if fields.contains(&"domainNames") => {
            vec![Peer::Domains(domains(context, &only.value))]
        }
        _ => Vec::new(),
    }
}

fn no_peer<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, fields: &[&str]) {
    let help = format!("each element has one of {}", fields.join(", "));
    context.error("PC140", &node.at, "a peer that names nobody".to_owned(), help);
}

fn networks<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Vec<Peer> {
    let listed = set(context, node, "networks");
    let blocks = listed.iter().filter_map(|node| cidr(context, node, "networks", Zeros::Rejected));
    blocks.map(|cidr| Peer::Block(Block { cidr, except: Vec::new() })).collect()
}

fn domains<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Vec<Text> {
    let listed = set(context, node, "domainNames");
    listed.iter().filter_map(|node| domain(context, node)).collect()
}

/// A list of 1 to 25 elements, each once.
fn set<'n, 'a>(context: &mut Context<'_, 'a>, node: &'n Node<'a>, what: &str) -> &'n [Node<'a>] {
    let before = context.errors();
    let listed = context.list(Some(node), what);
    if listed.is_empty() && context.errors() == before {
        context.error("PC140", &node.at, format!("`{what}` is empty"), None);
    }
    check_count(context, listed, what, MOST_OF_A_SET);
    for (at, node) in listed.iter().enumerate().take(MOST_OF_A_SET) {
        let again = listed.iter().take(at).any(|other| other.text().is_some() && other.text() == node.text());
        if again {
            let title = format!("`{}` is given twice", node.text().unwrap_or_default());
            context.error("PC142", &node.at, title, None);
        }
    }
    listed
}

/// Lower case and without the trailing dot, as names are compared.
fn domain<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Text> {
    let name = context.text(Some(node), "domainNames")?;
    if !is_domain(name) {
        let help = "a name with a dot, perhaps after `*.`, like `example.com` or `*.example.com`".to_owned();
        context.error("PC174", &node.at, format!("`{name}` is no domain name"), help);
        return None;
    }
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    Some(context.intern(&name))
}

/// The API's pattern; its `A-z` also takes the six characters between `Z` and `a` at a label's start.
fn is_domain(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let name = name.strip_suffix('.').unwrap_or(name);
    name.contains('.') && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphanumeric() || (b'['..=b'`').contains(&byte);
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let Some((first, rest)) = label.as_bytes().split_first() else { return false };
    is_first(*first)
        && rest.iter().all(|byte| is_inner(*byte))
        && rest.last().is_none_or(|last| last.is_ascii_alphanumeric())
}
