use policy::decision::{Decision, Exemption, Reason, Ruling, Verdict};
use policy::model::{EndpointId, Family, Flow, Protocol, RuleId};
use policy::rows::{Actor, End, Pair, Row};

use super::report::{Answer, Change, Expectation, How, Kernel, Line, Report, StateReport, Why};
use super::{json, table};

fn row(source: &str, destination: &str, port: u16) -> Row {
    let flow = Flow::direct("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap(), Protocol::Tcp, port);
    let pod = |name: &str| {
        let (namespace, name) = name.split_once('/').unwrap();
        Actor::Pod(EndpointId { namespace: namespace.into(), name: name.into() })
    };
    Row {
        source: End::Workload(source.into()),
        destination: End::Workload(destination.into()),
        protocol: Protocol::Tcp,
        port,
        family: Family::V4,
        pairs: vec![Pair { source: pod(source), destination: pod(destination), flow, twin: None }],
    }
}

fn allowed() -> Answer {
    let free = Ruling::accept(Reason::NoPolicy);
    Answer {
        engine: Decision { egress: free, ingress: free },
        why: None,
        kernel: Kernel::Allowed,
        attempts: 1,
        expected: Expectation::NotAsked,
        twin: None,
    }
}

fn denied(why: &str) -> Answer {
    let free = Ruling::accept(Reason::Exempt(Exemption::NotAPod));
    let why = Why { full: why.to_owned(), brief: "no rule of 2 policies in `shop` allows it".to_owned() };
    Answer {
        engine: Decision { egress: free, ingress: Ruling::deny(Reason::Isolation(RuleId(7))) },
        why: Some(why),
        kernel: Kernel::Denied(Some(RuleId(7))),
        ..allowed()
    }
}

fn line(destination: &str, answer: Answer, before: Option<Verdict>) -> Line {
    Line { row: row("shop/web", destination, 80), answer, before }
}

fn report(lines: Vec<Line>) -> Report {
    let cluster =
        StateReport { step: None, changes: vec![], notes: vec![], lines: vec![], unanswered: vec![] };
    let change = Change { how: How::Added, object: "NetworkPolicy shop/default".into(), is_policy: true };
    let step = StateReport {
        step: Some("deny.yaml".into()),
        changes: vec![change],
        notes: vec![],
        lines,
        unanswered: vec![],
    };
    Report { states: vec![cluster, step], probes: 9, seconds: 1.25 }
}

/// Without its colours.
fn plain(report: &Report, width: usize) -> String {
    anstream::adapter::strip_str(&table::render(report, width)).to_string()
}

#[test]
fn a_table_says_what_changed_and_why() {
    let why = "no rule of `default` in `shop` allows it";
    let report = report(vec![
        line("shop/db", allowed(), None),
        line("shop/database", denied(why), Some(Verdict::Accept)),
    ]);
    assert_eq!(
        plain(&report, 100),
        "The cluster\n\n\n\
         Step 1: deny.yaml\n  adds NetworkPolicy shop/default\n  1 of 2 verdicts change, marked >\n\n  \
         from, to         port    verdict  why\n  \
         shop/web\n    \
         shop/db        80/tcp  allow\n  > \
         shop/database  80/tcp  deny     no rule of `default` in `shop` allows it\n\n\
         2 verdicts in 2 states, 9 probes, 1.2 s: engine and kernel agree on all\n"
    );
}

#[test]
fn a_long_reason_is_said_in_brief_or_broken_between_words() {
    let why = "no rule of `a-policy-with-a-long-name`, `another-policy-with-a-long-name` in `shop` allows it";
    let report = report(vec![line("shop/db", denied(why), None)]);
    assert!(plain(&report, 130).contains(why));
    let narrow = plain(&report, 72);
    assert!(narrow.contains("deny     no rule of 2 policies in `shop` allows it\n"), "{narrow}");
    let narrower = plain(&report, 50);
    assert!(narrower.lines().all(|line| line.len() <= 73), "{narrower}");
    assert!(narrower.contains("allows it"), "{narrower}");
}

#[test]
fn a_difference_between_engine_and_kernel_is_an_alarm() {
    let wrong = Answer { kernel: Kernel::Allowed, attempts: 3, ..denied("x") };
    let silent = Answer { kernel: Kernel::Failed("no route to host".into()), attempts: 3, ..allowed() };
    let report = report(vec![line("shop/db", wrong, None), line("shop/cache", silent, None)]);
    let text = plain(&report, 100);
    assert!(!report.is_clean());
    assert!(text.contains("!! the engine says deny, the kernel says allow, asked 3 times"), "{text}");
    assert!(text.contains("!! the engine says allow, the packets failed: no route to host, asked 3 times"));
    assert!(text.ends_with("engine and kernel differ on 2\n"), "{text}");
}

#[test]
fn a_difference_from_the_expected_table_is_an_alarm() {
    let wrong = Answer { expected: Expectation::Verdict(Verdict::Deny), ..allowed() };
    let missing = Answer { expected: Expectation::Missing, ..allowed() };
    let right = Answer { expected: Expectation::Verdict(Verdict::Accept), ..allowed() };
    let mut report =
        report(vec![line("shop/a", wrong, None), line("shop/b", missing, None), line("shop/c", right, None)]);
    report.states[1].unanswered.push("line 9: a to b on 80/tcp, deny".into());
    let text = plain(&report, 100);
    assert!(!report.is_clean());
    assert!(text.contains("shop/a  80/tcp  allow\n     !! expected deny"), "{text}");
    assert!(text.contains("shop/b  80/tcp  allow\n     !! the expected table has no such row"), "{text}");
    assert!(text.contains("!! expected, but there is no such row: line 9: a to b on 80/tcp, deny"));
    assert!(text.ends_with("engine and kernel agree on all; 3 not as expected\n"), "{text}");
}

#[test]
fn the_other_family_is_named_where_it_differs() {
    let why = Why { full: "no rule of `v4` in `shop` allows it".into(), brief: String::new() };
    let twin = Answer { twin: Some((Verdict::Deny, Some(why))), ..allowed() };
    let text = plain(&report(vec![line("shop/db", twin, None)]), 100);
    assert!(text.contains("over IPv6: deny: no rule of `v4` in `shop` allows it"), "{text}");
}

#[test]
fn json_has_both_verdicts_and_the_rules() {
    let report = report(vec![line("shop/db", denied("why"), Some(Verdict::Accept))]);
    let text = json::render(&report).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["clean"], true);
    assert_eq!(value["states"][1]["changes"][0]["object"], "NetworkPolicy shop/default");
    let row = &value["states"][1]["rows"][0];
    assert_eq!(row["source"], "shop/web");
    assert_eq!(row["port"], "80/tcp");
    assert_eq!(row["engine"]["verdict"], "deny");
    assert_eq!(row["engine"]["reason"], "why");
    assert_eq!(row["engine"]["ingress"]["by"], "isolation");
    assert_eq!(row["engine"]["ingress"]["rule"], "0000000000000007");
    assert_eq!(row["engine"]["egress"]["by"], "exempt");
    assert_eq!(row["kernel"]["verdict"], "deny");
    assert_eq!(row["kernel"]["rule"], "0000000000000007");
    assert_eq!(row["before"], "allow");
}
