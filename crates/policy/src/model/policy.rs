//! Policies of every dialect, lowered to one shape.

use std::fmt;

use ipnet::IpNet;
use sha2::{Digest, Sha256};

use super::{Direction, Protocol, Selector, Text};

/// The kinds we read. Their order here is the order among equal priorities (D13).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PolicyKind {
    /// policy.networking.k8s.io/v1alpha1, tier Admin.
    AdminNetworkPolicy,
    /// policy.networking.k8s.io/v1alpha1, tier Baseline.
    BaselineAdminNetworkPolicy,
    /// policy.networking.k8s.io/v1alpha2, either tier.
    ClusterNetworkPolicy,
    /// networking.k8s.io/v1.
    NetworkPolicy,
}

/// Which object a policy is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId {
    /// Its kind.
    pub kind: PolicyKind,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
}

/// Tiers in the order in which they are asked (C1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Before NetworkPolicies.
    Admin,
    /// NetworkPolicies: no order among them, and isolation where one selects a pod.
    NetworkPolicy,
    /// After NetworkPolicies, where none isolates.
    Baseline,
}

impl Tier {
    /// All tiers, in order.
    pub const ALL: [Tier; 3] = [Tier::Admin, Tier::NetworkPolicy, Tier::Baseline];
}

/// What a rule says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Allowed in this direction, finally.
    Accept,
    /// Denied, finally.
    Deny,
    /// The rest of this tier is skipped.
    Pass,
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The file as the user named it; `-` for standard input; the object's name where there was no file.
    pub file: Text,
    /// Line, counted from 1; 0 where unknown.
    pub line: u32,
}

/// One policy object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Which object.
    pub id: PolicyId,
    /// When it is asked.
    pub tier: Tier,
    /// Lower is asked first within the tier. 0 for NetworkPolicies, which have no order.
    pub priority: i32,
    /// Which pods it is about. For a NetworkPolicy its namespace is part of this selector.
    pub subject: Selector,
    /// `None`: it says nothing about ingress. In the NetworkPolicy tier `Some`, even of no rule, isolates.
    pub ingress: Option<Vec<Rule>>,
    /// The same for egress.
    pub egress: Option<Vec<Rule>>,
    /// Where it was written.
    pub origin: Origin,
}

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The name a ClusterNetworkPolicy may give its rule.
    pub name: Option<Text>,
    /// What happens to a flow that matches. Always `Accept` in a NetworkPolicy.
    pub action: Action,
    /// Who is at the other end.
    pub peers: Peers,
    /// Over which protocols and destination ports.
    pub ports: Ports,
    /// Where it was written.
    pub origin: Origin,
}

/// The other ends that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// Every address there is, pod or not (N11).
    Any,
    /// One of these (N12); of none: nobody.
    Of(Vec<Peer>),
}

/// One kind of other end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// Pods with a network of their own that haven't ended.
    Pods(Selector),
    /// Addresses, whoever owns them (D2).
    Block(Block),
    /// Addresses of nodes, chosen by the nodes' labels (C9). Egress only.
    Nodes(Selector),
    /// Addresses that DNS gave for these names (C12). They are learnt where packets flow; on paper nobody.
    Domains(Vec<Text>),
}

/// A CIDR less its exceptions. Host bits are zero; the exceptions are sorted and lie inside the CIDR.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Block {
    /// The addresses.
    pub cidr: IpNet,
    /// Those among them that are not meant.
    pub except: Vec<IpNet>,
}

/// The protocols and destination ports that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ports {
    /// Every protocol, also those without ports (D9).
    Any,
    /// One of these; of none: nothing.
    Of(Vec<Port>),
}

/// One element of a rule's ports. Protocols are TCP, UDP or SCTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// Every port of a protocol.
    Protocol(Protocol),
    /// From the first to the second port, both included.
    Range(Protocol, u16, u16),
    /// A container port's name, looked up on the destination pod (N23, D18). Without a protocol, the
    /// container port's own (C10).
    Named(Option<Protocol>, Text),
}

/// What names a rule, or a default, from the manifest to the drop in the kernel's log: 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u64);

impl RuleId {
    /// The id of the rule at `index` (from 0) in that direction of `policy`.
    pub fn rule(policy: &PolicyId, direction: Direction, index: usize) -> Self {
        Self::digest(&["rule", &policy.to_string(), &direction.to_string(), &index.to_string()])
    }

    /// The id of the default denial that these policies, sorted, cause together by isolating a pod.
    pub fn isolation<'a>(policies: impl Iterator<Item = &'a PolicyId>, direction: Direction) -> Self {
        let direction = direction.to_string();
        let names: Vec<String> = policies.map(ToString::to_string).collect();
        let parts = ["isolation", &direction].into_iter().chain(names.iter().map(String::as_str));
        Self::digest(&parts.collect::<Vec<_>>())
    }

    fn digest(parts: &[&str]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let head = hash.finalize().iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte));
        RuleId(head)
    }
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for RuleId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(RuleId)
    }
}

impl Policy {
    /// The rules of one direction; `None` where the policy says nothing about it.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// What orders policies: tier, priority, then kind and name (C1, D13).
    pub fn order(&self) -> (Tier, i32, &PolicyId) {
        (self.tier, self.priority, &self.id)
    }
}

impl fmt::Display for PolicyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PolicyKind::AdminNetworkPolicy => "AdminNetworkPolicy",
            PolicyKind::BaselineAdminNetworkPolicy => "BaselineAdminNetworkPolicy",
            PolicyKind::ClusterNetworkPolicy => "ClusterNetworkPolicy",
            PolicyKind::NetworkPolicy => "NetworkPolicy",
        })
    }
}

/// `NetworkPolicy database-tier/default`, `ClusterNetworkPolicy no-metadata`.
impl fmt::Display for PolicyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Tier::Admin => "Admin",
            Tier::NetworkPolicy => "NetworkPolicy",
            Tier::Baseline => "Baseline",
        })
    }
}

impl fmt::Display for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.cidr)?;
        let except: Vec<String> = self.except.iter().map(ToString::to_string).collect();
        if except.is_empty() { Ok(()) } else { write!(f, " except {}", except.join(", ")) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}
