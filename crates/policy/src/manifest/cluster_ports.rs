//! The `protocols` of a ClusterNetworkPolicy's rule (S6, S10), and the `ports` of v1alpha1 (A1).

use super::cluster_policy::{Dialect, check_count, missing};
use super::fields::{Context, Unknown};
use super::network_policy::{number, protocol};
use super::tree::{Entry, Node, get};
use crate::model::{Port, Ports, Protocol};

const PROTOCOLS: [&str; 4] = ["tcp", "udp", "sctp", "destinationNamedPort"];
const PORTS: [&str; 3] = ["portNumber", "namedPort", "portRange"];

/// Without the field: every protocol and port.
pub(super) fn ports<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>, dialect: Dialect) -> Ports {
    let Some(node) = node else { return Ports::Any };
    let what = dialect.ports_field();
    let before = context.errors();
    let listed = context.list(Some(node), what);
    if listed.is_empty() && context.errors() == before {
        let help = "leave it out for every protocol and port".to_owned();
        context.error("PC140", &node.at, format!("`{what}` is empty"), help);
    }
    check_count(context, listed, what, dialect.most());
    Ports::Of(listed.iter().filter_map(|node| element(context, node, dialect)).collect())
}

fn element<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, dialect: Dialect) -> Option<Port> {
    let fields: &[&str] = match dialect {
        Dialect::Cluster => &PROTOCOLS,
        Dialect::Admin | Dialect::Baseline => &PORTS,
    };
    let entries = match context.map(node, dialect.ports_field(), fields, Unknown::Error) {
        Some(entries) => entries,
        None if node.is_null() => &[],
        None => return None,
    };
    let only = only(context, node, entries, fields)?;
    match (dialect, only.key.as_ref()) {
        (Dialect::Cluster, "tcp") => of_protocol(context, &only.value, Protocol::Tcp, "tcp"),
        (Dialect::Cluster, "udp") => of_protocol(context, &only.value, Protocol::Udp, "udp"),
        (Dialect::Cluster, "sctp") => of_protocol(context, &only.value, Protocol::Sctp, "sctp"),
        (Dialect::Cluster, "destinationNamedPort") => named(context, &only.value),
        (Dialect::Admin | Dialect::Baseline, "namedPort") => named(context, &only.value),
        (Dialect::Admin | Dialect::Baseline, "portNumber") => port_number(context, &only.value),
        (Dialect::Admin | Dialect::Baseline, "portRange") => port_range(context, &only.value),
        (_, _) => None,
    }
}

/// The one field of an element that must have exactly one.
fn only<'n, 'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    entries: &'n [Entry<'a>],
    fields: &[&str],
) -> Option<&'n Entry<'a>> {
    let given: Vec<&Entry<'a>> = entries.iter().filter(|entry| !entry.value.is_null()).collect();
    match given.as_slice() {
        [only] => Some(only),
        [] => {
            let title = format!("an element with none of {}", fields.join(", "));
            context.error("PC140", &node.at, title, None);
            None
        }
        [_, second, ..] => {
            let help = "each element has one field; start another with `- `".to_owned();
            context.error("PC141", &second.key_at, "an element of two kinds".to_owned(), help);
            None
        }
    }
}

fn named<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Port> {
    let name = context.text(Some(node), "name of a port")?;
    if name.is_empty() {
        let help = "a client of the API can't tell it from no protocol at all".to_owned();
        context.error("PC132", &node.at, "an empty port name".to_owned(), help);
        return None;
    }
    Some(Port::Named(None, context.intern(name)))
}

fn of_protocol<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    protocol: Protocol,
    what: &str,
) -> Option<Port> {
    let entries = context.map(node, what, &["destinationPort"], Unknown::Error)?;
    let all = "for all ports write `destinationPort: {range: {start: 1, end: 65535}}`".to_owned();
    let Some(port) = get(entries, "destinationPort") else {
        missing(context, node, what, "destinationPort", all);
        return None;
    };
    let fields = ["number", "range"];
    let entries = context.map(port, "destinationPort", &fields, Unknown::Error)?;
    let only = only(context, port, entries, &fields)?;
    if only.key == "number" {
        let port = number(context, &only.value, "number")?;
        return Some(Port::Range(protocol, port, port));
    }
    let (first, last) = range(context, &only.value, "range", &["start", "end"])?;
    if first >= last {
        let help = "for one port write `number`".to_owned();
        let title = format!("the range's `start` {first} must be less than its `end` {last}");
        context.error("PC176", &only.value.at, title, help);
        return None;
    }
    Some(Port::Range(protocol, first, last))
}

fn range<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: &str,
    fields: &[&str],
) -> Option<(u16, u16)> {
    let entries = context.map(node, what, fields, Unknown::Error)?;
    let ends = (get(entries, "start"), get(entries, "end"));
    let (Some(start), Some(end)) = ends else {
        let field = if ends.0.is_none() { "start" } else { "end" };
        missing(context, node, what, field, "ports are numbers from 1 to 65535".to_owned());
        return None;
    };
    let (first, last) = (number(context, start, "start"), number(context, end, "end"));
    Some((first?, last?))
}

fn port_number<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Port> {
    let entries = context.map(node, "portNumber", &["protocol", "port"], Unknown::Error)?;
    let protocol = v1alpha1_protocol(context, get(entries, "protocol"));
    let Some(port) = get(entries, "port") else {
        missing(context, node, "portNumber", "port", "ports are numbers from 1 to 65535".to_owned());
        return None;
    };
    let port = number(context, port, "port")?;
    Some(Port::Range(protocol?, port, port))
}

/// The API server takes a range that ends before it starts; it has no port.
fn port_range<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Port> {
    let (first, last) = range(context, node, "portRange", &["protocol", "start", "end"])?;
    let protocol = v1alpha1_protocol(context, node.get("protocol"))?;
    if first > last {
        let title = format!("the range from {first} to {last} has no port");
        context.warning("PC176", &node.at, title, "`start` is the lower port".to_owned());
        return None;
    }
    Some(Port::Range(protocol, first, last))
}

fn v1alpha1_protocol<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>) -> Option<Protocol> {
    match node {
        Some(node) => protocol(context, node),
        None => Some(Protocol::Tcp),
    }
}
