use std::net::IpAddr;

use super::csv::{Expected, FamilyColumn, Problem, write};
use super::*;
use crate::decision::Verdict;
use crate::model::{ContainerPort, Endpoint, Host, Labels, Phase, Workload};

const NATURAL: Options =
    Options { ports: PodPorts::Containers, own: OwnPods::Left, families: Families::Natural };

fn pod(name: &str, workload: &str, addresses: &[&str]) -> Endpoint {
    Endpoint {
        id: EndpointId { namespace: "shop".into(), name: name.into() },
        labels: Labels::default(),
        service_account: "default".into(),
        addresses: addresses.iter().map(|address| address.parse::<IpAddr>().unwrap()).collect(),
        addresses_made_up: false,
        ports: Vec::new(),
        node: None,
        host_network: false,
        phase: Phase::Live,
        workload: Workload { kind: "Deployment".into(), name: workload.into() },
    }
}

fn listening(mut pod: Endpoint, ports: &[ProtocolPort]) -> Endpoint {
    pod.ports = ports.iter().map(|(protocol, port)| port_of(*protocol, *port)).collect();
    pod
}

fn port_of(protocol: Protocol, port: u16) -> ContainerPort {
    ContainerPort { name: None, protocol, port }
}

fn cluster(pods: Vec<Endpoint>, hosts: &[(&str, &str, u16)]) -> Cluster {
    let hosts = hosts.iter().map(|(name, address, port)| {
        let (name, addresses): (Text, _) = ((*name).into(), vec![address.parse().unwrap()]);
        (name.clone(), Host { name, addresses, ports: vec![(Protocol::Tcp, *port)] })
    });
    Cluster {
        endpoints: pods.into_iter().map(|pod| (pod.id.clone(), pod)).collect(),
        hosts: hosts.collect(),
        ..Cluster::default()
    }
}

/// Rows as `source > destination port family pairs`.
fn listed(cluster: &Cluster, options: &Options) -> Vec<String> {
    let line = |row: Row| {
        let Row { source, destination, port, protocol, family, pairs } = row;
        format!("{source} > {destination} {port}/{protocol} {family} {}", pairs.len())
    };
    rows(cluster, options).map(line).collect()
}

#[test]
fn a_workload_stands_for_its_pods_in_manifest_order_and_hosts_come_last() {
    let web = |name| listening(pod(name, "web", &["10.0.0.1"]), &[(Protocol::Udp, 53), (Protocol::Tcp, 53)]);
    let cluster = cluster(
        vec![web("web-1"), pod("db-1", "db", &["10.0.0.3"]), web("web-2")],
        &[("a", "192.0.2.1", 22), ("b", "192.0.2.2", 23)],
    );
    assert_eq!(
        listed(&cluster, &NATURAL),
        [
            "shop/web > shop/db 80/tcp 4 2",
            "shop/web > external/a 22/tcp 4 2",
            "shop/web > external/b 23/tcp 4 2",
            "shop/db > shop/web 53/udp 4 2",
            "shop/db > shop/web 53/tcp 4 2",
            "shop/db > external/a 22/tcp 4 1",
            "shop/db > external/b 23/tcp 4 1",
            "external/a > shop/web 53/udp 4 2",
            "external/a > shop/web 53/tcp 4 2",
            "external/a > shop/db 80/tcp 4 1",
            "external/b > shop/web 53/udp 4 2",
            "external/b > shop/web 53/tcp 4 2",
            "external/b > shop/db 80/tcp 4 1",
        ]
    );
}

#[test]
fn given_ports_replace_container_ports_but_not_those_of_hosts() {
    let web = listening(pod("web", "web", &["10.0.0.1"]), &[(Protocol::Tcp, 8080)]);
    let cluster = cluster(vec![web], &[("a", "192.0.2.1", 22)]);
    let options = Options { ports: PodPorts::These(vec![(Protocol::Sctp, 7)]), ..NATURAL };
    assert_eq!(
        listed(&cluster, &options),
        ["shop/web > external/a 22/tcp 4 1", "external/a > shop/web 7/sctp 4 1"]
    );
}

#[test]
fn a_workload_is_asked_about_itself_only_between_its_different_pods() {
    let pods = vec![
        pod("web-1", "web", &["10.0.0.1"]),
        pod("web-2", "web", &["10.0.0.2"]),
        pod("db", "db", &["10.0.0.3"]),
    ];
    let cluster = cluster(pods, &[]);
    let options = Options { own: OwnPods::Asked, ..NATURAL };
    assert_eq!(
        listed(&cluster, &options),
        ["shop/web > shop/web 80/tcp 4 2", "shop/web > shop/db 80/tcp 4 2", "shop/db > shop/web 80/tcp 4 2"]
    );
}

#[test]
fn host_network_pods_are_only_reached_and_ended_pods_are_gone() {
    let agent = Endpoint { host_network: true, ..pod("agent", "agent", &["172.18.0.2"]) };
    let done = Endpoint { phase: Phase::Ended, ..pod("job", "job", &["10.0.0.9"]) };
    let cluster = cluster(vec![agent, done, pod("web", "web", &["10.0.0.1"])], &[]);
    assert_eq!(listed(&cluster, &NATURAL), ["shop/web > shop/agent 80/tcp 4 1"]);
}

#[test]
fn a_row_is_ipv4_where_both_ends_have_it_else_ipv6() {
    let pods = vec![
        pod("four", "four", &["10.0.0.1"]),
        pod("six", "six", &["fd00::1"]),
        pod("both", "both", &["10.0.0.2", "fd00::2"]),
    ];
    let cluster = cluster(pods, &[]);
    assert_eq!(
        listed(&cluster, &NATURAL),
        [
            "shop/four > shop/both 80/tcp 4 1",
            "shop/six > shop/both 80/tcp 6 1",
            "shop/both > shop/four 80/tcp 4 1",
            "shop/both > shop/six 80/tcp 6 1",
        ]
    );
}

#[test]
fn both_families_get_a_row_each_and_the_natural_row_knows_its_twin() {
    let pods = vec![pod("a", "a", &["10.0.0.1", "fd00::1"]), pod("b", "b", &["fd00::2", "10.0.0.2"])];
    let cluster = cluster(pods, &[]);
    let both = Options { families: Families::Both, ..NATURAL };
    assert_eq!(
        listed(&cluster, &both),
        [
            "shop/a > shop/b 80/tcp 4 1",
            "shop/a > shop/b 80/tcp 6 1",
            "shop/b > shop/a 80/tcp 4 1",
            "shop/b > shop/a 80/tcp 6 1",
        ]
    );
    let twin = |options| rows(&cluster, options).next().unwrap().pairs[0].twin;
    assert_eq!(twin(&NATURAL).map(|flow| flow.source.to_string()), Some("fd00::1".to_owned()));
    assert_eq!(twin(&both), None);
    let six = Options { families: Families::Only(Family::V6), ..NATURAL };
    assert_eq!(listed(&cluster, &six), ["shop/a > shop/b 80/tcp 6 1", "shop/b > shop/a 80/tcp 6 1"]);
}

#[test]
fn kinds_that_share_a_name_are_told_apart() {
    let mut set = pod("web-0", "web", &["10.0.0.2"]);
    set.workload.kind = "StatefulSet".into();
    let cluster = cluster(vec![pod("web-1", "web", &["10.0.0.1"]), set], &[]);
    assert_eq!(
        listed(&cluster, &NATURAL),
        [
            "shop/deployment/web > shop/statefulset/web 80/tcp 4 1",
            "shop/statefulset/web > shop/deployment/web 80/tcp 4 1",
        ]
    );
}

/// The row between two workloads of two pods, taken apart by who is at its ends.
fn parts(answer: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let pods = ["a", "b"]
        .into_iter()
        .flat_map(|workload| ["1", "2"].map(|at| pod(&format!("{workload}{at}"), workload, &["10.0.0.1"])));
    let cluster = cluster(pods.collect(), &[]);
    let row = rows(&cluster, &NATURAL).next().unwrap();
    let name = |actor: &Actor| actor.to_string().replace("shop/", "");
    let answers: Vec<bool> =
        row.pairs.iter().map(|pair| answer(&name(&pair.source), &name(&pair.destination))).collect();
    let line = |part: Part<bool>| format!("{} > {} {}", part.row.source, part.row.destination, part.answer);
    split(&row, &answers, |answer| *answer).into_iter().map(line).collect()
}

#[test]
fn a_row_is_split_on_the_side_that_makes_the_difference() {
    assert_eq!(parts(|_, _| true), ["shop/a > shop/b true"]);
    assert_eq!(parts(|from, _| from == "a1"), ["shop/a1 > shop/b true", "shop/a2 > shop/b false"]);
    assert_eq!(parts(|_, to| to == "b1"), ["shop/a > shop/b1 true", "shop/a > shop/b2 false"]);
    assert_eq!(
        parts(|from, to| from == "a1" && to == "b1"),
        [
            "shop/a1 > shop/b1 true",
            "shop/a1 > shop/b2 false",
            "shop/a2 > shop/b1 false",
            "shop/a2 > shop/b2 false"
        ]
    );
}

#[test]
fn a_table_reads_back_what_was_written() {
    let cluster = cluster(
        vec![pod("a", "a", &["10.0.0.1"]), pod("b-1", "b", &["10.0.0.2"]), pod("b-2", "b", &["10.0.0.3"])],
        &[],
    );
    let all: Vec<Row> = rows(&cluster, &NATURAL).collect();
    let text = write(all.iter().zip([Verdict::Accept, Verdict::Deny]), FamilyColumn::Left);
    assert_eq!(
        text,
        "source,destination,port,verdict\nshop/a,shop/b,80/tcp,allow\nshop/b,shop/a,80/tcp,deny\n"
    );
    let expected = Expected::read(&text).unwrap();
    assert_eq!(expected.of(&all[0], &all[0].pairs[1]), Some((0, Verdict::Accept)));
    assert_eq!(expected.of(&all[1], &all[1].pairs[0]), Some((1, Verdict::Deny)));
    let family = write(all.iter().zip([Verdict::Accept]), FamilyColumn::Shown);
    assert_eq!(family, "source,destination,port,verdict,family\nshop/a,shop/b,80/tcp,allow,4\n");
    assert_eq!(Expected::read(&family).unwrap().of(&all[0], &all[0].pairs[0]), Some((0, Verdict::Accept)));
}

#[test]
fn an_expected_line_may_name_a_pod_and_goes_before_its_workload() {
    let cluster = cluster(
        vec![pod("a", "a", &["10.0.0.1"]), pod("b-1", "b", &["10.0.0.2"]), pod("b-2", "b", &["10.0.0.3"])],
        &[],
    );
    let row = rows(&cluster, &NATURAL).next().unwrap();
    let text =
        "source,destination,port,verdict\nshop/a,shop/b,80/tcp,allow\n\nshop/a,shop/b-2,80/TCP,deny\r\n";
    let expected = Expected::read(text).unwrap();
    assert_eq!(expected.of(&row, &row.pairs[0]), Some((0, Verdict::Accept)));
    assert_eq!(expected.of(&row, &row.pairs[1]), Some((1, Verdict::Deny)));
}

#[test]
fn a_line_that_makes_no_sense_is_named() {
    let problem = |line: &str| Expected::read(&format!("{}\n{line}\n", "source,destination,port,verdict"));
    let error = |line| problem(line).map_err(|error| (error.line, error.problem)).unwrap_err();
    assert_eq!(error("a,b,80/tcp"), (2, Problem::Fields { expected: 4, found: 3 }));
    assert_eq!(error("a,b,80,allow"), (2, Problem::Port("80".into())));
    assert_eq!(error("a,b,0/tcp,allow"), (2, Problem::Port("0/tcp".into())));
    assert_eq!(error("a,b,80/tcp,yes"), (2, Problem::Verdict("yes".into())));
    assert_eq!(error("a,b,80/tcp,allow\na,b,80/tcp,deny"), (3, Problem::Twice(2)));
    assert_eq!(Expected::read("").unwrap_err().problem, Problem::Columns);
}
