//! ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2, and the two kinds of v1alpha1 that became it
//! (S1-S12, A1-A7).

use super::cluster_peers::peers;
use super::cluster_ports::ports;
use super::doubt::{Doubt, FIRST, ReadRule, Reading, Understood, settled, side};
use super::fields::{Context, Unknown, nearest};
use super::labels::{Whose, selector};
use super::metadata::Metadata;
use super::tree::{Entry, Node, Value, get};
use crate::model::{Action, Peer, Peers, Policy, PolicyId, PolicyKind, Port, Ports, Rule, Selector, Tier};

const OBJECT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// Where the kinds differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Cluster,
    Admin,
    Baseline,
}

/// The policy; what is unreadable in it is closed (D14), and it is not applied where its subject, tier or
/// priority is. `is_sound`: whether the object could be read so far.
pub(super) fn cluster_policy<'a>(
    context: &mut Context<'_, 'a>,
    object: &Node<'a>,
    of: Metadata,
    dialect: Dialect,
    is_sound: bool,
) -> Understood {
    let before = context.errors();
    context.map(object, dialect.kind_name(), &OBJECT, Unknown::Error);
    if dialect == Dialect::Baseline && of.name.as_ref() != "default" {
        let help = "there is one BaselineAdminNetworkPolicy, named `default`".to_owned();
        context.error("PC105", &of.name_at, format!("it can't be named `{}`", of.name), help);
    }
    let read = spec(context, object, &of, dialect);
    let id = PolicyId { kind: dialect.kind(), namespace: None, name: of.name };
    let policy = |place: &Place, sides: [Vec<Rule>; 2]| {
        let [ingress, egress] = sides.map(|rules| Some(rules).filter(|rules| !rules.is_empty()));
        let Place { tier, priority, subject } = place.clone();
        Policy { id: id.clone(), tier, priority, subject, ingress, egress, origin: of.origin.clone() }
    };
    let sides = |read: &Spec, reading| [side(&read.ingress, reading), side(&read.egress, reading)];
    let enforced = read.as_ref().and_then(|read| {
        let place = read.place.as_ref()?;
        Some(policy(place, sides(read, Reading::Narrow)))
    });
    let bound = |reading| match &read {
        Some(read @ Spec { place: Some(place), is_sound: true, .. }) if is_sound => {
            policy(place, sides(read, reading))
        }
        Some(_) | None => {
            let any = || vec![settled(reading, Action::Pass, &of.origin)];
            let anywhere = Place { tier: Tier::Admin, priority: FIRST, subject: Selector::everything() };
            policy(&anywhere, [any(), any()])
        }
    };
    let is_in_doubt = !is_sound || context.errors() > before;
    let doubt =
        is_in_doubt.then(|| Box::new(Doubt { narrow: bound(Reading::Narrow), wide: bound(Reading::Wide) }));
    Understood { policy: enforced, doubt }
}

/// Whom a policy is about, and when it is asked.
#[derive(Clone)]
struct Place {
    tier: Tier,
    priority: i32,
    subject: Selector,
}

struct Spec {
    /// `None` where a part of it can't be read.
    place: Option<Place>,
    ingress: Vec<ReadRule>,
    egress: Vec<ReadRule>,
    /// Whether all is readable but perhaps the rules themselves.
    is_sound: bool,
}

fn spec<'a>(
    context: &mut Context<'_, 'a>,
    object: &Node<'a>,
    of: &Metadata,
    dialect: Dialect,
) -> Option<Spec> {
    let Some(node) = object.get("spec") else {
        context.error("PC114", &of.name_at, format!("the {} has no `spec`", dialect.kind_name()), None);
        return None;
    };
    let before = context.errors();
    let entries = context.map(node, "spec", dialect.spec_fields(), Unknown::Error)?;
    let tier = dialect.tier(context, node, entries);
    let priority = dialect.priority(context, node, entries);
    let subject = subject(context, node, get(entries, "subject"), dialect);
    let listed = [get(entries, "ingress"), get(entries, "egress")];
    let [ingress, egress] = ["ingress", "egress"];
    let counts =
        listed.map(|node| node.is_none_or(|node| matches!(node.value, Value::List(_) | Value::Null)));
    let is_sound = context.errors() == before && counts == [true, true];
    let place = match (tier, priority, subject) {
        (Some(tier), Some(priority), Some(subject)) => Some(Place { tier, priority, subject }),
        (_, _, _) => None,
    };
    let [into, out] = listed;
    let ingress = rules(context, into, ingress, dialect);
    let egress = rules(context, out, egress, dialect);
    Some(Spec { place, ingress, egress, is_sound })
}

impl Dialect {
    fn kind(self) -> PolicyKind {
        match self {
            Dialect::Cluster => PolicyKind::ClusterNetworkPolicy,
            Dialect::Admin => PolicyKind::AdminNetworkPolicy,
            Dialect::Baseline => PolicyKind::BaselineAdminNetworkPolicy,
        }
    }

    fn kind_name(self) -> &'static str {
        match self {
            Dialect::Cluster => "ClusterNetworkPolicy",
            Dialect::Admin => "AdminNetworkPolicy",
            Dialect::Baseline => "BaselineAdminNetworkPolicy",
        }
    }

    fn spec_fields(self) -> &'static [&'static str] {
        match self {
            Dialect::Cluster => &["tier", "priority", "subject", "ingress", "egress"],
            Dialect::Admin => &["priority", "subject", "ingress", "egress"],
            Dialect::Baseline => &["subject", "ingress", "egress"],
        }
    }

    /// The caps on rules and on their peers; what one of v1alpha1 may have more, the model holds as well.
    pub(super) fn most(self) -> usize {
        match self {
            Dialect::Cluster => 25,
            Dialect::Admin | Dialect::Baseline => 100,
        }
    }

    pub(super) fn ports_field(self) -> &'static str {
        match self {
            Dialect::Cluster => "protocols",
            Dialect::Admin | Dialect::Baseline => "ports",
        }
    }

    fn actions(self) -> &'static [(&'static str, Action)] {
        match self {
            Dialect::Cluster => &[("Accept", Action::Accept), ("Deny", Action::Deny), ("Pass", Action::Pass)],
            Dialect::Admin => &[("Allow", Action::Accept), ("Deny", Action::Deny), ("Pass", Action::Pass)],
            Dialect::Baseline => &[("Allow", Action::Accept), ("Deny", Action::Deny)],
        }
    }

    fn tier<'a>(self, context: &mut Context<'_, 'a>, spec_at: &Node<'a>, spec: &[Entry<'a>]) -> Option<Tier> {
        match self {
            Dialect::Admin => return Some(Tier::Admin),
            Dialect::Baseline => return Some(Tier::Baseline),
            Dialect::Cluster => (),
        }
        let help = "`Admin` comes before NetworkPolicies, `Baseline` after them".to_owned();
        let Some(node) = get(spec, "tier") else {
            missing(context, spec_at, "spec", "tier", help);
            return None;
        };
        match context.text(Some(node), "tier")? {
            "Admin" => Some(Tier::Admin),
            "Baseline" => Some(Tier::Baseline),
            word => {
                let help = nearest(word, &["Admin", "Baseline"])
                    .map_or(help, |near| format!("did you mean `{near}`?"));
                context.error("PC170", &node.at, format!("unknown tier `{word}`"), help);
                None
            }
        }
    }

    fn priority<'a>(
        self,
        context: &mut Context<'_, 'a>,
        spec_at: &Node<'a>,
        spec: &[Entry<'a>],
    ) -> Option<i32> {
        if self == Dialect::Baseline {
            return Some(0);
        }
        let help = "a number from 0 to 1000; the lowest is asked first".to_owned();
        let Some(node) = get(spec, "priority") else {
            missing(context, spec_at, "spec", "priority", help);
            return None;
        };
        let number = context.whole(Some(node), "priority")?;
        let priority = i32::try_from(number).ok().filter(|number| (0..=1000).contains(number));
        if priority.is_none() {
            context.error("PC171", &node.at, format!("`priority` {number} is out of range"), help);
        }
        priority
    }
}

/// A field that must be there.
pub(super) fn missing<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: &str,
    field: &str,
    help: String,
) {
    context.error("PC114", &node.at, format!("`{what}` lacks `{field}`"), help);
}

fn subject<'a>(
    context: &mut Context<'_, 'a>,
    spec: &Node<'a>,
    node: Option<&Node<'a>>,
    dialect: Dialect,
) -> Option<Selector> {
    let Some(node) = node else {
        let help = "for all pods write `subject: {namespaces: {}}`".to_owned();
        missing(context, spec, "spec", "subject", help);
        return None;
    };
    let before = context.errors();
    let entries = context.map(node, "subject", &["namespaces", "pods"], Unknown::Error)?;
    let chosen = match (get(entries, "namespaces"), get(entries, "pods")) {
        (Some(namespaces), None) => Some(selector(context, namespaces, "namespaces", Whose::Namespace)),
        (None, Some(found)) => pods(context, found, dialect),
        (None, None) => {
            let help = "name `namespaces` or `pods`; for all pods write `namespaces: {}`".to_owned();
            context.error("PC140", &node.at, "a subject that names nobody".to_owned(), help);
            None
        }
        (Some(_), Some(found)) => {
            let help = "`pods` has a `namespaceSelector` of its own".to_owned();
            context.error("PC141", &found.at, "both `namespaces` and `pods`".to_owned(), help);
            None
        }
    };
    chosen.filter(|_| context.errors() == before)
}

/// Pods of namespaces; v1alpha1 wants both selectors, later ones take a missing one of namespaces for all.
pub(super) fn pods<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, dialect: Dialect) -> Option<Selector> {
    let entries = context.map(node, "pods", &["namespaceSelector", "podSelector"], Unknown::Error)?;
    let namespaces = get(entries, "namespaceSelector");
    match (dialect, namespaces) {
        (Dialect::Admin | Dialect::Baseline, None) => {
            missing(context, node, "pods", "namespaceSelector", "for all write `{}`".to_owned());
        }
        (Dialect::Admin | Dialect::Baseline, Some(_)) | (Dialect::Cluster, _) => (),
    }
    let Some(chosen) = get(entries, "podSelector") else {
        missing(context, node, "pods", "podSelector", "for all write `{}`".to_owned());
        return None;
    };
    let inside = match namespaces {
        Some(node) => selector(context, node, "namespaceSelector", Whose::Namespace),
        None => Selector::everything(),
    };
    Some(inside.and(selector(context, chosen, "podSelector", Whose::Own)))
}

fn rules<'a>(
    context: &mut Context<'_, 'a>,
    node: Option<&Node<'a>>,
    what: &str,
    dialect: Dialect,
) -> Vec<ReadRule> {
    let listed = context.list(node, what);
    check_count(context, listed, what, dialect.most());
    listed.iter().map(|node| rule(context, node, what, dialect)).collect()
}

/// The API's caps on lists.
pub(super) fn check_count<'a>(context: &mut Context<'_, 'a>, listed: &[Node<'a>], what: &str, most: usize) {
    if let Some(node) = listed.get(most) {
        let help = "split the policy".to_owned();
        context.error(
            "PC173",
            &node.at,
            format!("`{what}` has {} elements, at most {most} are allowed", listed.len()),
            help,
        );
    }
}

fn rule<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, direction: &str, dialect: Dialect) -> ReadRule {
    let before = context.errors();
    let peers_field = if direction == "ingress" { "from" } else { "to" };
    let fields = ["name", "action", peers_field, dialect.ports_field()];
    let entries = context.map(node, direction, &fields, Unknown::Error).unwrap_or_default();
    let action = action(context, node, get(entries, "action"), dialect);
    let peers = peers(context, node, get(entries, peers_field), peers_field, dialect);
    let ports = ports(context, get(entries, dialect.ports_field()), dialect);
    let name = name(context, get(entries, "name"));
    check_domains(context, get(entries, peers_field), action, &peers);
    check_named(context, get(entries, dialect.ports_field()), &peers, &ports);
    let is_sound = context.errors() == before;
    let origin = context.file.origin(node.at.start);
    let name = name.map(|name| context.intern(name));
    // Of an unknown action it is known that it may be any.
    let action = action.unwrap_or(Action::Pass);
    (Rule { name, action, peers: Peers::Of(peers), ports, origin }, is_sound)
}

fn name<'n, 'a>(context: &mut Context<'_, 'a>, node: Option<&'n Node<'a>>) -> Option<&'n str> {
    let name = context.text(node, "name")?;
    if let Some(node) = node.filter(|_| name.chars().count() > 100) {
        let help = "at most 100 characters".to_owned();
        context.error("PC175", &node.at, "the rule's name is too long".to_owned(), help);
    }
    Some(name)
}

fn action<'a>(
    context: &mut Context<'_, 'a>,
    rule: &Node<'a>,
    node: Option<&Node<'a>>,
    dialect: Dialect,
) -> Option<Action> {
    let known = dialect.actions();
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let Some(node) = node else {
        missing(context, rule, "rule", "action", format!("one of {}", names.join(", ")));
        return None;
    };
    let word = context.text(Some(node), "action")?;
    let found = known.iter().find(|(name, _)| *name == word).map(|(_, action)| *action);
    if found.is_none() {
        let meant = match word.to_lowercase().as_str() {
            "allow" | "accept" => names.first().copied(),
            "drop" | "reject" => Some("Deny"),
            _ => nearest(word, &names),
        };
        let help = match meant {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("one of {}", names.join(", ")),
        };
        context.error("PC172", &node.at, format!("`{word}` is no action of {}", dialect.kind_name()), help);
    }
    found
}

/// Names can only be allowed: nobody knows all addresses that they have (S8).
fn check_domains<'a>(
    context: &mut Context<'_, 'a>,
    node: Option<&Node<'a>>,
    action: Option<Action>,
    peers: &[Peer],
) {
    let has_domains = peers.iter().any(|peer| matches!(peer, Peer::Domains(_)));
    match (action, node) {
        (Some(Action::Deny | Action::Pass), Some(node)) if has_domains => {
            let help = "Deny and Pass can't know all addresses that a name has; deny `networks` instead";
            let title = "`domainNames` in a rule that doesn't accept".to_owned();
            context.error("PC174", &node.at, title, help.to_owned());
        }
        (_, _) => (),
    }
}

/// A destination that is no pod has no named ports (S7).
fn check_named<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>, peers: &[Peer], ports: &Ports) {
    let is_named = |port: &Port| matches!(port, Port::Named(..));
    let has_named = match ports {
        Ports::Any => false,
        Ports::Of(ports) => ports.iter().any(is_named),
    };
    let is_outside = |peer: &Peer| matches!(peer, Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_));
    if let Some(node) = node.filter(|_| has_named && peers.iter().any(is_outside)) {
        let title = "a named port with peers that needn't be pods".to_owned();
        let help = "only a pod has named ports; other destinations are never matched".to_owned();
        context.warning("PC178", &node.at, title, help);
    }
}
