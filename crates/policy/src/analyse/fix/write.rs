//! Policies that are proposed, as their manifests say them.

use super::document::Document;
use super::edit::{Edit, What};
use crate::model::{
    Attribute, Block, Direction, Peer, Peers, Policy, PolicyKind, Port, Ports, Protocol, Rule, Selector,
    Text, Tier,
};

/// What to apply: a manifest where the policy is new, else a JSON patch of the policy, as a list.
pub fn document(edit: &Edit, before: Option<&Policy>) -> Document {
    let kind = edit.policy.kind;
    let namespace = edit.policy.namespace.as_ref();
    match &edit.what {
        What::New(policy) => manifest(policy),
        What::Rule(_, added) => {
            let added = rule(kind, namespace, edit.direction, added);
            // Where there is no rule there may be no list either.
            let is_first =
                before.and_then(|policy| policy.rules(edit.direction)).is_none_or(<[Rule]>::is_empty);
            let value = if is_first { Document::List(vec![added]) } else { added };
            patch(edit, before, value)
        }
        What::Peers(_, added) => {
            let added: Vec<Document> = added.iter().map(|one| peer(kind, namespace, one)).collect();
            patches(edit, before, added)
        }
        What::Ports(_, added) => {
            let added = added.iter().map(|one| port(kind, one)).collect();
            patches(edit, before, added)
        }
    }
}

/// Where in its policy something is added: `spec.ingress[0].ports`.
pub fn field(edit: &Edit) -> String {
    let list = format!("spec.{}", edit.direction);
    match &edit.what {
        What::New(_) => "spec".to_owned(),
        What::Rule(..) => list,
        What::Peers(at, _) => format!("{list}[{at}].{}", side(edit.direction)),
        What::Ports(at, _) => format!("{list}[{at}].{}", ports_field(edit.policy.kind)),
    }
}

fn side(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}

fn ports_field(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::ClusterNetworkPolicy => "protocols",
        PolicyKind::NetworkPolicy
        | PolicyKind::AdminNetworkPolicy
        | PolicyKind::BaselineAdminNetworkPolicy => "ports",
    }
}

fn patch(edit: &Edit, before: Option<&Policy>, value: Document) -> Document {
    patches(edit, before, vec![value])
}

fn patches(edit: &Edit, before: Option<&Policy>, values: Vec<Document>) -> Document {
    let list = format!("/spec/{}", edit.direction);
    let count = before.and_then(|policy| policy.rules(edit.direction)).map_or(0, <[Rule]>::len);
    let path = match &edit.what {
        What::New(_) => "/spec".to_owned(),
        What::Rule(..) if count == 0 => list,
        What::Rule(at, _) if *at >= count => format!("{list}/-"),
        What::Rule(at, _) => format!("{list}/{at}"),
        What::Peers(at, _) => format!("{list}/{at}/{}/-", side(edit.direction)),
        What::Ports(at, _) => format!("{list}/{at}/{}/-", ports_field(edit.policy.kind)),
    };
    let one = |value| {
        Document::map([
            ("op", Document::text("add")),
            ("path", Document::text(path.clone())),
            ("value", value),
        ])
    };
    Document::List(values.into_iter().map(one).collect())
}

fn manifest(policy: &Policy) -> Document {
    let kind = policy.id.kind;
    let version = match kind {
        PolicyKind::NetworkPolicy => "networking.k8s.io/v1",
        PolicyKind::ClusterNetworkPolicy => "policy.networking.k8s.io/v1alpha2",
        PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy => {
            "policy.networking.k8s.io/v1alpha1"
        }
    };
    let mut metadata = vec![("name".to_owned(), Document::text(policy.id.name.as_ref()))];
    metadata.extend(
        policy.id.namespace.iter().map(|name| ("namespace".to_owned(), Document::text(name.as_ref()))),
    );
    Document::map([
        ("apiVersion", Document::text(version)),
        ("kind", Document::text(kind.to_string())),
        ("metadata", Document::Map(metadata)),
        ("spec", spec(policy)),
    ])
}

fn spec(policy: &Policy) -> Document {
    let namespace = policy.id.namespace.as_ref();
    let kind = policy.id.kind;
    let sides = [Direction::Ingress, Direction::Egress]
        .into_iter()
        .filter_map(|direction| Some((direction, policy.rules(direction)?)));
    let mut fields = match kind {
        PolicyKind::NetworkPolicy => {
            let types = sides.clone().map(|(direction, _)| {
                Document::text(match direction {
                    Direction::Ingress => "Ingress",
                    Direction::Egress => "Egress",
                })
            });
            vec![
                ("podSelector".to_owned(), selector(&policy.subject, Whose::Pod)),
                ("policyTypes".to_owned(), Document::List(types.collect())),
            ]
        }
        PolicyKind::ClusterNetworkPolicy => {
            let tier = match policy.tier {
                Tier::Admin | Tier::NetworkPolicy => "Admin",
                Tier::Baseline => "Baseline",
            };
            vec![("tier".to_owned(), Document::text(tier)), priority(policy), subject(policy)]
        }
        PolicyKind::AdminNetworkPolicy => vec![priority(policy), subject(policy)],
        PolicyKind::BaselineAdminNetworkPolicy => vec![subject(policy)],
    };
    fields.extend(sides.map(|(direction, rules)| {
        let rules = rules.iter().map(|one| rule(kind, namespace, direction, one)).collect();
        (direction.to_string(), Document::List(rules))
    }));
    Document::Map(fields)
}

fn priority(policy: &Policy) -> (String, Document) {
    ("priority".to_owned(), Document::Number(u32::try_from(policy.priority).unwrap_or_default()))
}

fn subject(policy: &Policy) -> (String, Document) {
    ("subject".to_owned(), Document::map([("pods", pods(&policy.subject))]))
}

fn rule(kind: PolicyKind, namespace: Option<&Text>, direction: Direction, rule: &Rule) -> Document {
    let mut fields = Vec::new();
    let action = match kind {
        PolicyKind::NetworkPolicy => None,
        PolicyKind::ClusterNetworkPolicy => Some("Accept"),
        PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy => Some("Allow"),
    };
    fields.extend(action.map(|action| ("action".to_owned(), Document::text(action))));
    if let Peers::Of(peers) = &rule.peers {
        let peers = peers.iter().map(|one| peer(kind, namespace, one)).collect();
        fields.push((side(direction).to_owned(), Document::List(peers)));
    }
    if let Ports::Of(ports) = &rule.ports {
        let ports = ports.iter().map(|one| port(kind, one)).collect();
        fields.push((ports_field(kind).to_owned(), Document::List(ports)));
    }
    Document::Map(fields)
}

fn peer(kind: PolicyKind, namespace: Option<&Text>, peer: &Peer) -> Document {
    match (peer, kind) {
        (Peer::Pods(chosen), PolicyKind::NetworkPolicy) => {
            let is_own = namespace.is_some_and(|own| has(chosen, &Selector::namespace(own)));
            if is_own { Document::map([("podSelector", selector(chosen, Whose::Pod))]) } else { pods(chosen) }
        }
        (Peer::Pods(chosen), _) => Document::map([("pods", pods(chosen))]),
        (Peer::Block(block), PolicyKind::NetworkPolicy) => Document::map([("ipBlock", ip_block(block))]),
        (Peer::Block(block), _) => {
            Document::map([("networks", Document::List(vec![Document::text(block.cidr.to_string())]))])
        }
        (Peer::Nodes(chosen), _) => Document::map([("nodes", selector(chosen, Whose::Pod))]),
        (Peer::Domains(names), _) => {
            let names = names.iter().map(|name| Document::text(name.as_ref())).collect();
            Document::map([("domainNames", Document::List(names))])
        }
    }
}

fn ip_block(block: &Block) -> Document {
    let mut fields = vec![("cidr".to_owned(), Document::text(block.cidr.to_string()))];
    if !block.except.is_empty() {
        let except = block.except.iter().map(|net| Document::text(net.to_string())).collect();
        fields.push(("except".to_owned(), Document::List(except)));
    }
    Document::Map(fields)
}

fn pods(chosen: &Selector) -> Document {
    Document::map([
        ("namespaceSelector", selector(chosen, Whose::Namespace)),
        ("podSelector", selector(chosen, Whose::Pod)),
    ])
}

fn port(kind: PolicyKind, port: &Port) -> Document {
    match (port, kind) {
        (Port::Protocol(protocol), PolicyKind::NetworkPolicy) => {
            Document::map([("protocol", named(*protocol))])
        }
        (Port::Protocol(protocol), _) => range(kind, *protocol, 1, u16::MAX),
        (Port::Range(protocol, from, to), _) => range(kind, *protocol, *from, *to),
        (Port::Named(protocol, name), PolicyKind::NetworkPolicy) => Document::map([
            ("protocol", named(protocol.unwrap_or(Protocol::Tcp))),
            ("port", Document::text(name.as_ref())),
        ]),
        (Port::Named(_, name), PolicyKind::ClusterNetworkPolicy) => {
            Document::map([("destinationNamedPort", Document::text(name.as_ref()))])
        }
        (Port::Named(_, name), PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy) => {
            Document::map([("namedPort", Document::text(name.as_ref()))])
        }
    }
}

fn range(kind: PolicyKind, protocol: Protocol, from: u16, to: u16) -> Document {
    let number = |port: u16| Document::Number(port.into());
    let (first, last) = (("start", number(from)), ("end", number(to)));
    match (kind, from == to) {
        (PolicyKind::NetworkPolicy, true) => {
            Document::map([("protocol", named(protocol)), ("port", number(from))])
        }
        (PolicyKind::NetworkPolicy, false) => {
            Document::map([("protocol", named(protocol)), ("port", number(from)), ("endPort", number(to))])
        }
        (PolicyKind::ClusterNetworkPolicy, is_one) => {
            let port = if is_one {
                Document::map([("number", number(from))])
            } else {
                Document::map([("range", Document::map([first, last]))])
            };
            let protocol = protocol.to_string();
            Document::map([(&protocol, Document::map([("destinationPort", port)]))])
        }
        (PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy, true) => {
            let port = Document::map([("protocol", named(protocol)), ("port", number(from))]);
            Document::map([("portNumber", port)])
        }
        (PolicyKind::AdminNetworkPolicy | PolicyKind::BaselineAdminNetworkPolicy, false) => {
            Document::map([("portRange", Document::map([("protocol", named(protocol)), first, last]))])
        }
    }
}

fn named(protocol: Protocol) -> Document {
    Document::text(protocol.to_string().to_uppercase())
}

/// Whose labels a selector of a manifest is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Pod,
    Namespace,
}

/// The parts of a selector that are about the labels of pods, or of namespaces.
fn selector(chosen: &Selector, whose: Whose) -> Document {
    let (mut labels, mut expressions) = (Vec::new(), Vec::new());
    for part in parts(chosen) {
        match (part, key(part, whose)) {
            (_, None) => (),
            (Selector::In(_, values), Some(key)) => match values.as_slice() {
                [one] => labels.push((key.to_string(), Document::text(one.as_ref()))),
                several => expressions.push(expression(key, "In", several)),
            },
            (Selector::Has(_), Some(key)) => expressions.push(expression(key, "Exists", &[])),
            (Selector::Not(inner), Some(key)) => expressions.push(match inner.as_ref() {
                Selector::In(_, values) => expression(key, "NotIn", values),
                Selector::Has(_) | Selector::Not(_) | Selector::All(_) | Selector::Any(_) => {
                    expression(key, "DoesNotExist", &[])
                }
            }),
            (Selector::All(_) | Selector::Any(_), Some(_)) => (),
        }
    }
    let labels = (!labels.is_empty()).then(|| ("matchLabels".to_owned(), Document::Map(labels)));
    let expressions =
        (!expressions.is_empty()).then(|| ("matchExpressions".to_owned(), Document::List(expressions)));
    Document::Map(labels.into_iter().chain(expressions).collect())
}

fn expression(key: &Text, operator: &str, values: &[Text]) -> Document {
    let mut fields = vec![
        ("key".to_owned(), Document::text(key.as_ref())),
        ("operator".to_owned(), Document::text(operator)),
    ];
    if !values.is_empty() {
        let values = values.iter().map(|value| Document::text(value.as_ref())).collect();
        fields.push(("values".to_owned(), Document::List(values)));
    }
    Document::Map(fields)
}

fn parts(selector: &Selector) -> &[Selector] {
    match selector {
        Selector::All(parts) => parts,
        Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_) => {
            std::slice::from_ref(selector)
        }
    }
}

fn has(selector: &Selector, part: &Selector) -> bool {
    parts(selector).contains(part)
}

/// The label that a part asks for, where it is one of `whose`.
fn key(part: &Selector, whose: Whose) -> Option<&Text> {
    match part {
        Selector::In(attribute, _) | Selector::Has(attribute) => match (attribute, whose) {
            (Attribute::Label(key), Whose::Pod) => Some(key),
            (Attribute::NamespaceLabel(key), Whose::Namespace) => Some(key),
            (Attribute::Label(_) | Attribute::NamespaceLabel(_), Whose::Pod | Whose::Namespace)
            | (Attribute::NamespaceName | Attribute::ServiceAccountName, _) => None,
        },
        Selector::Not(inner) => key(inner, whose),
        Selector::All(_) | Selector::Any(_) => None,
    }
}
