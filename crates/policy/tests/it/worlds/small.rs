//! Every small world: each family is all combinations of a few choices.

use std::net::IpAddr;

use policy::model::{
    Action, Cluster, Direction, Endpoint, Flow, Peer, Peers, Phase, Policy, Port, Ports, Protocol, Rule,
    Selector, Tier,
};

use super::{
    block, cluster, cluster_policy, container_port, label, namespace_label, network_policy, node,
    one_direction, pod, rule,
};

const ACTIONS: [Action; 3] = [Action::Accept, Action::Deny, Action::Pass];
const DIRECTIONS: [Direction; 2] = [Direction::Ingress, Direction::Egress];

/// All worlds that differ in the same few choices.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    build: fn(&mut Choices) -> Cluster,
}

/// The families, from one policy to one in each tier.
pub(crate) const FAMILIES: [Family; 5] = [
    Family { name: "one NetworkPolicy", build: one_network_policy },
    Family { name: "two NetworkPolicies", build: two_network_policies },
    Family { name: "a policy in each tier", build: three_tiers },
    Family { name: "two rules in one tier", build: two_rules },
    Family { name: "nodes and names", build: nodes_and_names },
];

/// One world's way through the choices: the digits of its number, each in the base of its choice.
pub(crate) struct Choices {
    left: usize,
    worlds: usize,
}

impl Choices {
    fn among<T: Clone>(&mut self, options: &[T]) -> T {
        let at = self.left % options.len();
        self.left /= options.len();
        self.worlds *= options.len();
        options[at].clone()
    }
}

impl Family {
    /// How many worlds it has.
    pub(crate) fn len(&self) -> usize {
        let mut choices = Choices { left: 0, worlds: 1 };
        (self.build)(&mut choices);
        choices.worlds
    }

    /// One of them.
    pub(crate) fn world(&self, number: usize) -> Cluster {
        (self.build)(&mut Choices { left: number, worlds: 1 })
    }
}

/// Every flow of a small world that any rule of the vocabulary could tell from another.
pub(crate) fn flows(cluster: &Cluster) -> Vec<Flow> {
    let outside: [IpAddr; 2] = ["198.51.100.7".parse().unwrap(), "2001:db8::7".parse().unwrap()];
    let ports = [(Protocol::Tcp, 80), (Protocol::Tcp, 81), (Protocol::Udp, 80), (Protocol::Other(1), 0)];
    super::flows(cluster, &outside, &ports)
}

fn one_network_policy(choices: &mut Choices) -> Cluster {
    let subject = choices.among(&[Selector::everything(), label("app", "a")]);
    let namespace = choices.among(&["x", "y"]);
    let ingress = choices.among(&sections());
    let egress = choices.among(&sections());
    let pods = choices.among(&every_population());
    populated(pods, vec![network_policy(namespace, "p", subject, ingress, egress)])
}

/// Nothing said, nobody, or one rule.
fn sections() -> Vec<Option<Vec<Rule>>> {
    let rules = combined(&[Action::Accept], &network_peers(), &network_ports());
    [None, Some(vec![])].into_iter().chain(rules.into_iter().map(|rule| Some(vec![rule]))).collect()
}

fn two_network_policies(choices: &mut Choices) -> Cluster {
    let direction = choices.among(&DIRECTIONS);
    let sections = [None]
        .into_iter()
        .chain(combined(&[Action::Accept], &network_peers(), &network_ports()[..3]).into_iter().map(Some));
    let sections: Vec<_> = sections.collect();
    let mut policies = Vec::new();
    for name in ["first", "second"] {
        let rules = choices.among(&sections).into_iter().collect();
        let subject = choices.among(&[Selector::everything(), label("app", "a")]);
        let (ingress, egress) = one_direction(direction, rules);
        policies.push(network_policy("x", name, subject, ingress, egress));
    }
    populated(choices.among(&every_population()), policies)
}

fn three_tiers(choices: &mut Choices) -> Cluster {
    let direction = choices.among(&DIRECTIONS);
    let admin = choices.among(&combined(&ACTIONS, &cluster_peers(), &cluster_ports()));
    let baseline = choices.among(&combined(&ACTIONS, &cluster_peers()[..3], &cluster_ports()[..2]));
    let networks = choices.among(&network_policies(direction));
    let pods = choices.among(&every_population());
    let mut policies = networks;
    policies.push(cluster_policy(Tier::Admin, 5, "admin", label("app", "a"), direction, vec![admin]));
    let everyone = Selector::everything();
    policies.push(cluster_policy(Tier::Baseline, 5, "baseline", everyone, direction, vec![baseline]));
    populated(pods, policies)
}

/// None; isolation of the direction, of the other, of both; one that lets someone through.
fn network_policies(direction: Direction) -> Vec<Vec<Policy>> {
    let accept = || rule(Action::Accept, Peers::Of(vec![Peer::Pods(label("app", "a"))]), Ports::Any);
    let all = Selector::everything;
    let (this, other) = (one_direction(direction, vec![]), one_direction(turned(direction), vec![]));
    let open = one_direction(direction, vec![accept()]);
    vec![
        vec![],
        vec![network_policy("x", "this", all(), this.0, this.1)],
        vec![network_policy("x", "other", all(), other.0, other.1)],
        vec![network_policy("y", "both", all(), Some(vec![]), Some(vec![]))],
        vec![network_policy("x", "open", all(), open.0, open.1)],
    ]
}

fn turned(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}

/// Two rules of one tier that may contradict each other: in one policy, or in two of any order.
fn two_rules(choices: &mut Choices) -> Cluster {
    let tier = choices.among(&[Tier::Admin, Tier::Baseline]);
    let direction = choices.among(&DIRECTIONS);
    let options = combined(&ACTIONS, &cluster_peers()[..3], &[Ports::Any]);
    let (one, two) = (choices.among(&options), choices.among(&options));
    let all = Selector::everything;
    let named = |name, priority, rules| cluster_policy(tier, priority, name, all(), direction, rules);
    let mut policies = choices.among(&[
        vec![named("one", 5, vec![one.clone(), two.clone()])],
        vec![named("one", 5, vec![one.clone()]), named("two", 6, vec![two.clone()])],
        vec![named("one", 5, vec![one.clone()]), named("two", 5, vec![two.clone()])],
        vec![named("one", 6, vec![one]), named("two", 5, vec![two])],
    ]);
    let isolation = one_direction(direction, vec![]);
    policies
        .extend(choices.among(&[vec![], vec![network_policy("x", "np", all(), isolation.0, isolation.1)]]));
    populated(choices.among(&every_population()[..2]), policies)
}

/// Egress to nodes and domain names, over ports given by name.
fn nodes_and_names(choices: &mut Choices) -> Cluster {
    let peers = [
        Peer::Nodes(label("zone", "one")),
        Peer::Nodes(Selector::everything()),
        Peer::Domains(vec!["example.com".into()]),
        block("192.0.2.0/24", &["192.0.2.2/32"]),
        Peer::Pods(Selector::everything()),
    ];
    let tier = choices.among(&[Tier::Admin, Tier::Baseline]);
    let peers = Peers::Of(vec![choices.among(&peers), choices.among(&peers)]);
    let rules = vec![rule(choices.among(&ACTIONS), peers, choices.among(&cluster_ports()))];
    let policy = cluster_policy(tier, 0, "egress", Selector::everything(), Direction::Egress, rules);
    populated(choices.among(&every_population()), vec![policy])
}

fn combined(actions: &[Action], peers: &[Peers], ports: &[Ports]) -> Vec<Rule> {
    let mut rules = Vec::new();
    for action in actions {
        for peers in peers {
            rules.extend(ports.iter().map(|ports| rule(*action, peers.clone(), ports.clone())));
        }
    }
    rules
}

/// Addresses of the first pod and of the second, which is left out, in both families.
fn blocks() -> Peers {
    Peers::Of(vec![block("10.0.0.0/30", &["10.0.0.2/32"]), block("fd00::/126", &["fd00::2/128"])])
}

fn network_peers() -> Vec<Peers> {
    vec![
        Peers::Any,
        Peers::Of(vec![Peer::Pods(label("app", "a").and(Selector::namespace("x")))]),
        Peers::Of(vec![Peer::Pods(namespace_label("team", "y")), block("198.51.100.0/24", &[])]),
        blocks(),
        Peers::Of(vec![Peer::Pods(Selector::Not(Box::new(label("app", "a"))))]),
        Peers::Of(vec![]),
    ]
}

fn network_ports() -> Vec<Ports> {
    vec![
        Ports::Any,
        Ports::Of(vec![Port::Range(Protocol::Tcp, 80, 80)]),
        Ports::Of(vec![Port::Named(Some(Protocol::Tcp), "web".into())]),
        Ports::Of(vec![Port::Protocol(Protocol::Udp), Port::Range(Protocol::Tcp, 81, 90)]),
    ]
}

fn cluster_peers() -> Vec<Peers> {
    vec![
        Peers::Of(vec![Peer::Pods(Selector::everything())]),
        Peers::Of(vec![Peer::Pods(label("app", "a"))]),
        blocks(),
        Peers::Of(vec![Peer::Pods(namespace_label("team", "y"))]),
        Peers::Any,
    ]
}

fn cluster_ports() -> Vec<Ports> {
    vec![
        Ports::Any,
        Ports::Of(vec![Port::Range(Protocol::Tcp, 80, 80), Port::Protocol(Protocol::Udp)]),
        Ports::Of(vec![Port::Named(None, "web".into())]),
        Ports::Of(vec![]),
    ]
}

/// Three pods in two namespaces: of IPv4, of both families with one on its node's network, and of IPv6 with
/// one that has ended and whose address another took over.
fn every_population() -> [Population; 3] {
    [Population::Plain, Population::HostNetwork, Population::Ended]
}

#[derive(Clone, Copy)]
enum Population {
    Plain,
    HostNetwork,
    Ended,
}

fn populated(population: Population, policies: Vec<Policy>) -> Cluster {
    let pods = three_pods();
    let nodes = |one: &[&str], two: &[&str]| {
        vec![node("n1", [("zone", "one")].into(), one), node("n2", [("zone", "two")].into(), two)]
    };
    match population {
        Population::Plain => {
            cluster(nodes(&["192.0.2.1"], &["192.0.2.2"]), pods.map(|pod| only(pod, true)).into(), policies)
        }
        Population::HostNetwork => {
            let [first, second, mut third] = pods;
            third.host_network = true;
            third.addresses = vec!["192.0.2.1".parse().unwrap(), "fd00:2::1".parse().unwrap()];
            let pods = vec![first, Endpoint { phase: Phase::Terminating, ..second }, third];
            cluster(nodes(&["192.0.2.1", "fd00:2::1"], &[]), pods, policies)
        }
        Population::Ended => {
            let [first, mut second, third] = pods.map(|pod| only(pod, false));
            second.phase = Phase::Ended;
            second.addresses.clone_from(&third.addresses);
            cluster(nodes(&["fd00:2::1"], &["fd00:2::2"]), vec![first, second, third], policies)
        }
    }
}

fn only(mut pod: Endpoint, v4: bool) -> Endpoint {
    pod.addresses.retain(|address| address.is_ipv4() == v4);
    pod
}

/// `x/a` and `x/b` call different ports `web`; `y/a` names none.
fn three_pods() -> [Endpoint; 3] {
    let tcp = |port| container_port("web", Protocol::Tcp, port);
    let udp = container_port("web", Protocol::Udp, 80);
    [
        pod("x/a", [("app", "a")].into(), "n1", &["10.0.0.1", "fd00::1"], &[tcp(80)]),
        pod("x/b", [("app", "b")].into(), "n2", &["10.0.0.2", "fd00::2"], &[tcp(81), udp]),
        pod("y/a", [("app", "a")].into(), "n1", &["10.0.0.3", "fd00::3"], &[]),
    ]
}
