//! Flows that live when a policy comes that denies them (D11), while the server goes on sending (D20).

use std::time::Duration;

use lab::{Drawing, End, Family, Flowing, Lab, Stream};
use libtest_mimic::{Failed, Trial};
use nft::kernel::Enforcer;
use policy::index::Index;
use policy::model::{Action, Cluster, Labels, Peer, Peers, Policy, Ports, Protocol, Selector};
use policy::rows::PodPorts;

use crate::worlds;

/// Nothing for so long, and a stream that sends every 2 ms is taken for ended.
const QUIET: Duration = Duration::from_millis(300);
/// D11: a flow that a policy denies is cut within a second.
const BOUND: Duration = Duration::from_secs(1);

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    vec![
        trial("a_flow_is_cut_when_ingress_to_its_server_is_denied", ingress_is_denied),
        trial("a_flow_is_cut_when_egress_of_its_client_is_denied", egress_is_denied),
        trial("a_flow_is_cut_when_its_client_loses_the_label_that_let_it_in", the_label_is_lost),
        trial("a_flow_between_nodes_is_cut", between_nodes),
        trial("a_flow_that_is_still_allowed_lives_through_a_commit", still_allowed),
        trial("a_flow_that_was_allowed_by_another_rule_lives_on", allowed_by_another_rule),
    ]
}

/// A client and a server, on nodes of these numbers.
fn cluster(nodes: [&str; 2], client: &str, policies: Vec<Policy>) -> Cluster {
    let pod = |id, app: &str, node, addresses: &[&str]| {
        worlds::pod(
            id,
            Labels::from([("app", app)]),
            node,
            addresses,
            &[worlds::container_port("web", Protocol::Tcp, 80)],
        )
    };
    let pods = vec![
        pod("x/client", client, nodes[0], &["10.244.0.1", "fd00:10:244::1"]),
        pod("x/server", "server", nodes[1], &["10.244.0.2", "fd00:10:244::2"]),
    ];
    let nodes = [("n1", ["172.18.0.2", "fd00:172:18::2"]), ("n2", ["172.18.0.3", "fd00:172:18::3"])];
    let nodes = nodes.map(|(name, addresses)| worlds::node(name, Labels::default(), &addresses));
    worlds::cluster(nodes.into(), pods, policies)
}

fn about(
    app: &str,
    ingress: Option<Vec<policy::model::Rule>>,
    egress: Option<Vec<policy::model::Rule>>,
) -> Policy {
    let subject = worlds::label("app", app).and(Selector::namespace("x"));
    worlds::network_policy("x", &format!("about-{app}"), subject, ingress, egress)
}

fn from_clients() -> Vec<policy::model::Rule> {
    let clients = worlds::label("app", "client").and(Selector::namespace("x"));
    vec![worlds::rule(Action::Accept, Peers::Of(vec![Peer::Pods(clients)]), Ports::Any)]
}

/// A lab with one enforcer a node, as agents would be.
struct Running {
    lab: Lab,
    enforcers: Vec<Enforcer>,
}

impl Running {
    fn start(cluster: &Cluster) -> Running {
        let drawing = Drawing::default().and(cluster, &PodPorts::Containers).expect("a drawing");
        let lab = Lab::build(drawing.plan()).expect("a lab");
        let open = |(place, node): (usize, &lab::NodePlan)| {
            let namespace = lab.node(place).expect("a node");
            namespace.enter(|| Enforcer::open(&node.name)).expect("its network").expect("an enforcer")
        };
        let enforcers = drawing.plan().nodes.iter().enumerate().map(open).collect();
        let mut running = Running { lab, enforcers };
        running.enforce(cluster);
        running
    }

    /// How many flows were ended.
    fn enforce(&mut self, cluster: &Cluster) -> usize {
        let index = Index::compile(cluster);
        self.enforcers
            .iter_mut()
            .map(|enforcer| enforcer.enforce(&index).expect("a commit").flows_ended)
            .sum()
    }

    fn stream(&mut self, family: Family) -> Stream {
        let mut stream = self.lab.stream(End::Pod(0), End::Pod(1), family, 8080).expect("a stream");
        assert_flows(&mut stream);
        stream
    }

    fn families(&self) -> Vec<Family> {
        self.lab.families().to_vec()
    }
}

fn assert_flows(stream: &mut Stream) {
    match stream.read_until_silent(QUIET, QUIET).expect("the stream") {
        Flowing::On { bytes } => assert!(bytes > 0),
        Flowing::Silent { bytes } => panic!("silent after {bytes} bytes"),
    }
}

fn assert_is_cut(stream: &mut Stream) {
    match stream.read_until_silent(QUIET, BOUND + QUIET).expect("the stream") {
        Flowing::Silent { .. } => (),
        Flowing::On { bytes } => panic!("it flows on: {bytes} bytes in {:?}", BOUND + QUIET),
    }
}

fn assert_is_cut_by(nodes: [&str; 2], before: Vec<Policy>, after: &Cluster) {
    let mut running = Running::start(&cluster(nodes, "client", before.clone()));
    for family in running.families() {
        running.enforce(&cluster(nodes, "client", before.clone()));
        let mut stream = running.stream(family);
        assert!(running.enforce(after) > 0, "a flow is ended");
        assert_is_cut(&mut stream);
    }
}

/// Nothing is said of what the server sends: only that its packets open no flow stops them.
fn ingress_is_denied() {
    let after = cluster(["n1", "n1"], "client", vec![about("server", Some(vec![]), None)]);
    assert_is_cut_by(["n1", "n1"], vec![], &after);
}

fn egress_is_denied() {
    let after = cluster(["n1", "n1"], "client", vec![about("client", None, Some(vec![]))]);
    assert_is_cut_by(["n1", "n1"], vec![], &after);
}

fn the_label_is_lost() {
    let policy = || vec![about("server", Some(from_clients()), None)];
    assert_is_cut_by(["n1", "n1"], policy(), &cluster(["n1", "n1"], "stranger", policy()));
}

fn between_nodes() {
    let nodes = ["n1", "n2"];
    let ingress = cluster(nodes, "client", vec![about("server", Some(vec![]), None)]);
    assert_is_cut_by(nodes, vec![], &ingress);
    let egress = cluster(nodes, "client", vec![about("client", None, Some(vec![]))]);
    assert_is_cut_by(nodes, vec![], &egress);
}

fn still_allowed() {
    let before = cluster(["n1", "n1"], "client", vec![]);
    let mut running = Running::start(&before);
    for family in running.families() {
        running.enforce(&before);
        let mut stream = running.stream(family);
        let after = cluster(["n1", "n1"], "client", vec![about("server", Some(from_clients()), None)]);
        assert_eq!(running.enforce(&after), 0, "no flow is ended");
        assert_flows(&mut stream);
    }
}

fn allowed_by_another_rule() {
    let everyone = vec![worlds::rule(Action::Accept, Peers::Any, Ports::Any)];
    let mut running =
        Running::start(&cluster(["n1", "n2"], "client", vec![about("server", Some(everyone), None)]));
    let mut stream = running.stream(Family::V4);
    let after = cluster(["n1", "n2"], "client", vec![about("server", Some(from_clients()), None)]);
    assert_eq!(running.enforce(&after), 0, "no flow is ended");
    assert_flows(&mut stream);
}
