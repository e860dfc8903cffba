//! Clusters of any size, made by rule, for measuring.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use policy::model::{
    Action, Attribute, Block, Cluster, ContainerPort, Endpoint, EndpointId, Labels, NAMESPACE_NAME_LABEL,
    Namespace, Origin, Peer, Peers, Phase, Policy, PolicyId, PolicyKind, Port, Ports, Protocol, Rule,
    Selector, Text, Tier, Workload,
};

/// How large a cluster is to be. Every namespace has the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) namespaces: usize,
    pub(crate) workloads: usize,
    pub(crate) pods_per_workload: usize,
    pub(crate) policies: usize,
}

/// Namespaces of workloads, each namespace with a default deny, its own 8080, teams with a port range,
/// egress to a block and DNS, and then one allow rule from a workload to the next for each policy more.
pub(crate) fn cluster(size: Size) -> Cluster {
    let mut cluster = Cluster::default();
    for ns in 0..size.namespaces {
        let name: Text = format!("team-{ns}").into();
        let labels =
            Labels::from([(NAMESPACE_NAME_LABEL, name.as_ref()), ("team", &format!("t{}", ns % 20))]);
        cluster.namespaces.insert(name.clone(), Namespace { name: name.clone(), labels });
        for workload in 0..size.workloads {
            for pod in 0..size.pods_per_workload {
                let number = (ns * size.workloads + workload) * size.pods_per_workload + pod;
                let endpoint = endpoint(&name, workload, number);
                cluster.endpoints.insert(endpoint.id.clone(), endpoint);
            }
        }
        for number in 0..size.policies {
            let policy = policy(&name, number, size.workloads);
            cluster.policies.insert(policy.id.clone(), policy);
        }
    }
    cluster
}

/// A pod of a workload, as kubectl prints them: ten labels, of which policies mention two.
pub(crate) fn endpoint(namespace: &Text, workload: usize, number: usize) -> Endpoint {
    let app = format!("app-{workload}");
    let hash = format!("{:x}", workload * 7919);
    let labels = Labels::from([
        ("app", app.as_str()),
        ("team", &format!("t{}", workload % 5)),
        ("pod-template-hash", &hash),
        ("app.kubernetes.io/name", &app),
        ("app.kubernetes.io/instance", &app),
        ("app.kubernetes.io/part-of", "shop"),
        ("app.kubernetes.io/managed-by", "helm"),
        ("helm.sh/chart", "shop-1.2.3"),
        ("version", "v1"),
        ("track", "stable"),
    ]);
    let http = ContainerPort { name: Some("http".into()), protocol: Protocol::Tcp, port: 8080 };
    Endpoint {
        id: EndpointId { namespace: namespace.clone(), name: format!("app-{workload}-{number}").into() },
        labels,
        service_account: "default".into(),
        addresses: addresses(number),
        addresses_made_up: false,
        ports: vec![http],
        node: Some(format!("node-{}", number % 100).into()),
        host_network: false,
        phase: Phase::Live,
        workload: Workload { kind: "Deployment".into(), name: app.into() },
    }
}

/// The addresses of the pod of that number, one a family.
pub(crate) fn addresses(number: usize) -> Vec<IpAddr> {
    let number = number as u32 + 256;
    let v4 = Ipv4Addr::from(0x0a00_0000 + number);
    let v6 = Ipv6Addr::from((0xfd00_0010_0244_u128 << 80) + u128::from(number));
    vec![v4.into(), v6.into()]
}

fn policy(namespace: &Text, number: usize, workloads: usize) -> Policy {
    let everything = Selector::namespace(namespace);
    match number {
        0 => network_policy(namespace, "default-deny", everything, Some(vec![]), None),
        1 => {
            let rule = rule(Peers::Of(vec![Peer::Pods(everything.clone())]), tcp(8080, 8080));
            network_policy(namespace, "same-namespace", everything, Some(vec![rule]), None)
        }
        2 => {
            let team = Attribute::NamespaceLabel("team".into());
            let peers = Peers::Of(vec![Peer::Pods(Selector::is_in(team, vec!["t1".into(), "t2".into()]))]);
            let team = label("team", "t1").and(everything);
            network_policy(namespace, "teams", team, Some(vec![rule(peers, tcp(9000, 9100))]), None)
        }
        3 => {
            let out =
                Block { cidr: net("0.0.0.0/0"), except: vec![net("10.0.0.0/8"), net("169.254.169.254/32")] };
            let dns = label("k8s-app", "kube-dns").and(Selector::namespace("kube-system"));
            let rules = vec![
                rule(Peers::Of(vec![Peer::Block(out)]), tcp(443, 443)),
                rule(Peers::Of(vec![Peer::Pods(dns)]), Ports::Of(vec![Port::Range(Protocol::Udp, 53, 53)])),
            ];
            network_policy(namespace, "egress", everything, None, Some(rules))
        }
        more => {
            let (from, to) = (format!("app-{}", more % workloads), format!("app-{}", (more + 1) % workloads));
            let peers = Peers::Of(vec![Peer::Pods(label("app", &from).and(everything.clone()))]);
            let subject = label("app", &to).and(everything);
            network_policy(
                namespace,
                &format!("allow-{more}"),
                subject,
                Some(vec![rule(peers, tcp(8080, 8080))]),
                None,
            )
        }
    }
}

/// A NetworkPolicy of that name.
pub(crate) fn network_policy(
    namespace: &Text,
    name: &str,
    subject: Selector,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
) -> Policy {
    let id =
        PolicyId { kind: PolicyKind::NetworkPolicy, namespace: Some(namespace.clone()), name: name.into() };
    Policy { id, tier: Tier::NetworkPolicy, priority: 0, subject, ingress, egress, origin: origin() }
}

/// A rule that accepts.
pub(crate) fn rule(peers: Peers, ports: Ports) -> Rule {
    Rule { name: None, action: Action::Accept, peers, ports, origin: origin() }
}

/// Pods with that label.
pub(crate) fn label(key: &str, value: &str) -> Selector {
    Selector::is_in(Attribute::Label(key.into()), vec![value.into()])
}

/// A range of TCP ports.
pub(crate) fn tcp(from: u16, to: u16) -> Ports {
    Ports::Of(vec![Port::Range(Protocol::Tcp, from, to)])
}

fn net(text: &str) -> ipnet::IpNet {
    text.parse().expect("a network")
}

fn origin() -> Origin {
    Origin { file: "generated".into(), line: 0 }
}
