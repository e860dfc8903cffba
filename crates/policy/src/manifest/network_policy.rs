//! networking.k8s.io/v1 NetworkPolicy: its defaults (N1-N3) and what the API server rejects (R1-R10).

use super::blocks::ip_block;
use super::doubt::{Doubt, ReadRule, Reading, Understood, settled, side};
use super::fields::{Context, Unknown, nearest};
use super::labels::{Whose, selector};
use super::metadata::Metadata;
use super::names::is_port_name;
use super::tree::{Entry, Node, Value, get};
use crate::model::{
    Action, Peer, Peers, Policy, PolicyId, PolicyKind, Port, Ports, Protocol, Rule, Selector, Text, Tier,
};

const OBJECT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
const SPEC: [&str; 4] = ["podSelector", "policyTypes", "ingress", "egress"];

/// The policy; what is unreadable in it is closed (D14), and it is not applied where its subject is.
/// `is_sound`: whether the object could be read so far.
pub(super) fn network_policy<'a>(
    context: &mut Context<'_, 'a>,
    object: &Node<'a>,
    of: Metadata,
    is_sound: bool,
) -> Understood {
    let namespace = of.namespace.clone().unwrap_or_else(|| Text::from("default"));
    let before = context.errors();
    context.map(object, "NetworkPolicy", &OBJECT, Unknown::Error);
    let spec = match object.get("spec") {
        Some(spec) => context.map(spec, "spec", &SPEC, Unknown::Error),
        None => Some(&[][..]),
    };
    let spec_is_sound = context.errors() == before;
    let spec = spec.unwrap_or_default();
    let subject = subject(context, get(spec, "podSelector"), &namespace);
    let rules = rules(context, spec, &namespace);
    let is_whole = spec_is_sound && rules.is_sound;
    let own = || Selector::namespace(&namespace);
    let policy = |subject: Selector, sides: [Option<Vec<Rule>>; 2]| {
        let [ingress, egress] = sides;
        Policy {
            id: PolicyId {
                kind: PolicyKind::NetworkPolicy,
                namespace: Some(namespace.clone()),
                name: of.name.clone(),
            },
            tier: Tier::NetworkPolicy,
            priority: 0,
            subject,
            ingress,
            egress,
            origin: of.origin.clone(),
        }
    };
    let all = |reading| [(); 2].map(|()| Some(vec![settled(reading, Action::Accept, &of.origin)]));
    let enforced = subject.clone().map(|subject| match is_whole {
        true => policy(subject, rules.sides(Reading::Narrow)),
        false => policy(subject, [(); 2].map(|()| Some(Vec::new()))),
    });
    let bound = |reading| match (&subject, is_sound && is_whole) {
        (Some(subject), true) => policy(subject.clone(), rules.sides(reading)),
        // Whom it isolates is unknown, so nobody gets what its rules say.
        (None, true) => {
            let there = rules.sides(reading).map(|side| side.is_some());
            let side = |is_there: bool| is_there.then(|| vec![settled(reading, Action::Accept, &of.origin)]);
            policy(own(), there.map(side))
        }
        (Some(subject), false) if is_sound => policy(subject.clone(), all(reading)),
        (Some(_) | None, false) => policy(own(), all(reading)),
    };
    let is_in_doubt = !is_sound || context.errors() > before;
    let doubt =
        is_in_doubt.then(|| Box::new(Doubt { narrow: bound(Reading::Narrow), wide: bound(Reading::Wide) }));
    Understood { policy: enforced, doubt }
}

/// A missing `podSelector` is all pods of the namespace (N3).
fn subject<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>, namespace: &str) -> Option<Selector> {
    let own = Selector::namespace(namespace);
    let Some(node) = node else { return Some(own) };
    let before = context.errors();
    let chosen = selector(context, node, "podSelector", Whose::Own);
    (context.errors() == before).then(|| own.and(chosen))
}

struct Rules {
    /// Whether all is readable but perhaps the rules themselves.
    is_sound: bool,
    types: Types,
    ingress: Vec<ReadRule>,
    egress: Vec<ReadRule>,
}

impl Rules {
    /// Ingress and egress, where the policy speaks of them.
    fn sides(&self, reading: Reading) -> [Option<Vec<Rule>>; 2] {
        [
            self.types.ingress.then(|| side(&self.ingress, reading)),
            self.types.egress.then(|| side(&self.egress, reading)),
        ]
    }
}

#[derive(Clone, Copy)]
struct Types {
    ingress: bool,
    egress: bool,
}

fn rules<'a>(context: &mut Context<'_, 'a>, spec: &[Entry<'a>], namespace: &str) -> Rules {
    let before = context.errors();
    let ingress = context.list(get(spec, "ingress"), "ingress");
    let egress = context.list(get(spec, "egress"), "egress");
    let types = types(context, get(spec, "policyTypes"), !egress.is_empty());
    Rules {
        is_sound: context.errors() == before,
        types,
        ingress: ingress.iter().map(|node| rule(context, node, "from", namespace)).collect(),
        egress: egress.iter().map(|node| rule(context, node, "to", namespace)).collect(),
    }
}

/// None listed: Ingress, and Egress where there are egress rules (N2).
fn types<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>, has_egress: bool) -> Types {
    let listed = context.list(node, "policyTypes");
    if let Some(third) = listed.get(2) {
        let help = "Ingress and Egress are all there are".to_owned();
        context.error("PC160", &third.at, "more than two `policyTypes`".to_owned(), help);
    }
    if listed.is_empty() {
        return Types { ingress: true, egress: has_egress };
    }
    let mut types = Types { ingress: false, egress: false };
    for node in listed {
        match context.text(Some(node), "policyTypes") {
            Some("Ingress") => types.ingress = true,
            Some("Egress") => types.egress = true,
            Some(word) => {
                let help = match nearest(word, &["Ingress", "Egress"]) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "Ingress and Egress are all there are".to_owned(),
                };
                context.error("PC160", &node.at, format!("unknown policy type `{word}`"), help);
            }
            None if node.is_null() => {
                context.error("PC160", &node.at, "a policy type with no value".to_owned(), None);
            }
            None => (),
        }
    }
    types
}

fn rule<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, peers_field: &str, namespace: &str) -> ReadRule {
    let before = context.errors();
    let direction = if peers_field == "from" { "ingress" } else { "egress" };
    let entries = context.map(node, direction, &[peers_field, "ports"], Unknown::Error).unwrap_or_default();
    let peers = peers(context, get(entries, peers_field), peers_field, namespace);
    let ports = ports(context, get(entries, "ports"));
    let origin = context.file.origin(node.at.start);
    (Rule { name: None, action: Action::Accept, peers, ports, origin }, context.errors() == before)
}

/// In the API an empty list is everyone (N11). From here on it is nobody.
fn peers<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>, what: &str, namespace: &str) -> Peers {
    let listed = context.list(node, what);
    if listed.is_empty() {
        return Peers::Any;
    }
    Peers::Of(listed.iter().filter_map(|node| peer(context, node, what, namespace)).collect())
}

fn peer<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, what: &str, namespace: &str) -> Option<Peer> {
    let fields = ["podSelector", "namespaceSelector", "ipBlock"];
    if node.is_null() {
        no_peer(context, node);
        return None;
    }
    let entries = context.map(node, what, &fields, Unknown::Error)?;
    let pods = get(entries, "podSelector");
    let namespaces = get(entries, "namespaceSelector");
    let block = get(entries, "ipBlock");
    match (pods, namespaces, block) {
        (None, None, None) => {
            if entries.iter().all(|entry| fields.contains(&entry.key.as_ref())) {
                no_peer(context, node);
            }
            None
        }
        (None, None, Some(block)) => ip_block(context, block).map(Peer::Block),
        (_, _, Some(block)) => {
            let help = "an element is either a block or pods; start a second one with `- `".to_owned();
            context.error("PC141", &block.at, "`ipBlock` together with a selector".to_owned(), help);
            None
        }
        (pods, None, None) => {
            let chosen = optional(context, pods, "podSelector", Whose::Own);
            Some(Peer::Pods(Selector::namespace(namespace).and(chosen)))
        }
        (pods, namespaces, None) => {
            let chosen = optional(context, pods, "podSelector", Whose::Own);
            let inside = optional(context, namespaces, "namespaceSelector", Whose::Namespace);
            Some(Peer::Pods(inside.and(chosen)))
        }
    }
}

fn no_peer<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) {
    let help = "name a `podSelector`, a `namespaceSelector` or an `ipBlock`; for everyone leave the list out";
    context.error("PC140", &node.at, "a peer that names nobody".to_owned(), help.to_owned());
}

fn optional<'a>(
    context: &mut Context<'_, 'a>,
    node: Option<&Node<'a>>,
    what: &str,
    whose: Whose,
) -> Selector {
    node.map_or_else(Selector::everything, |node| selector(context, node, what, whose))
}

/// In the API an empty list is every port and protocol (N11). From here on it is none.
fn ports<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>) -> Ports {
    let listed = context.list(node, "ports");
    if listed.is_empty() {
        return Ports::Any;
    }
    Ports::Of(listed.iter().filter_map(|node| port(context, node)).collect())
}

fn port<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Port> {
    // `- ` with nothing behind it is an element like any other: every TCP port
    let entries = if node.is_null() {
        &[][..]
    } else {
        context.map(node, "ports", &["protocol", "port", "endPort"], Unknown::Error)?
    };
    let protocol = match get(entries, "protocol") {
        Some(node) => protocol(context, node),
        None => Some(Protocol::Tcp),
    };
    let end = get(entries, "endPort");
    match get(entries, "port").map(|node| (node, &node.value)) {
        None => match end {
            None => protocol.map(Port::Protocol),
            Some(end) => {
                let help = "write the first port of the range as `port`".to_owned();
                context.error("PC133", &end.at, "`endPort` without `port`".to_owned(), help);
                None
            }
        },
        Some((node, Value::Text(name))) => {
            check_port_name(context, node, name);
            if let Some(end) = end {
                let help = "a range needs a number as `port`".to_owned();
                context.error("PC133", &end.at, "`endPort` with a named port".to_owned(), help);
            }
            Some(Port::Named(Some(protocol?), context.intern(name)))
        }
        Some((node, _)) => {
            let first = number(context, node, "port");
            let last = match end {
                Some(end) => last_port(context, end, first),
                None => first,
            };
            Some(Port::Range(protocol?, first?, last?))
        }
    }
}

fn check_port_name<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, name: &str) {
    if is_port_name(name) {
        return;
    }
    let help = match name.parse::<u16>() {
        Ok(number) => format!("write the number without quotes: `{number}`"),
        Err(_) if is_range(name) => "write a range as `port` and `endPort`".to_owned(),
        Err(_) => "at most 15 lower case letters, digits and single `-`, with a letter among them".to_owned(),
    };
    context.error("PC132", &node.at, format!("`{name}` can't be a port's name"), help);
}

fn is_range(name: &str) -> bool {
    name.split_once('-')
        .is_some_and(|(first, last)| first.parse::<u16>().is_ok() && last.parse::<u16>().is_ok())
}

fn last_port<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, first: Option<u16>) -> Option<u16> {
    let last = number(context, node, "endPort")?;
    match first {
        Some(first) if last < first => {
            let title = format!("`endPort` {last} is less than `port` {first}");
            context.error("PC133", &node.at, title, None);
            None
        }
        Some(_) | None => Some(last),
    }
}

/// A port's number, 1 to 65535.
pub(super) fn number<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, what: &str) -> Option<u16> {
    let number = context.whole(Some(node), what)?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => Some(port),
        Ok(_) | Err(_) => {
            let help = "ports are numbers from 1 to 65535".to_owned();
            context.error("PC131", &node.at, format!("`{what}` {number} is no port"), help);
            None
        }
    }
}

/// TCP, UDP or SCTP (R3).
pub(super) fn protocol<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Protocol> {
    match context.text(Some(node), "protocol")? {
        "TCP" => Some(Protocol::Tcp),
        "UDP" => Some(Protocol::Udp),
        "SCTP" => Some(Protocol::Sctp),
        word => {
            let help = match nearest(word, &["TCP", "UDP", "SCTP"]) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "one of TCP, UDP, SCTP; a rule without `ports` is about every protocol".to_owned(),
            };
            context.error("PC130", &node.at, format!("unknown protocol `{word}`"), help);
            None
        }
    }
}
