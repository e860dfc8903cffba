//! What is written is what is read.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use nft::kernel::{Committer, Protocol, Socket, counters, read};
use nft::ruleset::{Element, Family, Match, Rule, Ruleset, Set, SetKind, TCP, Verdict};
use nft::transaction::Step;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::random::rulesets;
use super::samples::{address, chain, everything, large};
use crate::nft;

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [Test; 13] = [
        ("what_is_written_is_read", what_is_written_is_read),
        ("nft_reads_what_is_written", nft_reads_what_is_written),
        ("nft_accepts_what_is_displayed", nft_accepts_what_is_displayed),
        ("what_nft_loads_is_what_is_displayed", what_nft_loads_is_what_is_displayed),
        ("nothing_to_do_is_nothing_done", nothing_to_do_is_nothing_done),
        ("a_change_carries_what_changed", a_change_carries_what_changed),
        ("any_part_can_change_into_any_other", any_part_can_change_into_any_other),
        ("random_rulesets_follow_one_another", random_rulesets_follow_one_another),
        ("other_tables_stay", other_tables_stay),
        ("a_foreign_change_is_noticed", a_foreign_change_is_noticed),
        ("what_is_not_ours_in_our_table_is_replaced", what_is_not_ours_in_our_table_is_replaced),
        ("a_small_send_buffer_takes_a_large_ruleset", a_small_send_buffer_takes_a_large_ruleset),
        ("counters_are_read", counters_are_read),
    ];
    tests.into_iter().map(|(name, test)| Trial::test(name, move || clean(test))).collect()
}

fn clean(test: fn() -> Outcome) -> Outcome {
    Committer::open()?.cleanup()?;
    let outcome = test();
    Committer::open()?.cleanup()?;
    outcome
}

fn socket() -> Result<Socket, Failed> {
    Ok(Socket::open(Protocol::Netfilter)?)
}

fn current() -> Result<Option<Ruleset>, Failed> {
    Ok(read(&mut socket()?)?.0)
}

fn what_is_written_is_read() -> Outcome {
    assert_eq!(current()?, None);
    let report = Committer::open()?.sync(&everything())?;
    assert_eq!((report.batches, report.attempts), (1, 1));
    assert_eq!(current()?, Some(everything()));
    Committer::open()?.cleanup()?;
    assert_eq!(current()?, None);
    Ok(())
}

fn nft_reads_what_is_written() -> Outcome {
    Committer::open()?.sync(&everything())?;
    let Some(listed) = nft(&["list", "ruleset"], None) else { return Ok(()) };
    let listed = listed?;
    for part in [
        "tcp dport { 80, 443, 8000-9000, 65000-65535 }",
        "ip daddr . meta l4proto . th dport @services4",
        "ip saddr . ip daddr @pairs4",
        "ct state established,related accept",
        "log prefix \"fedcba9876543210\" group 7 snaplen 128 drop comment",
        "ip saddr vmap @pods4",
        "10.2.0.7-10.2.0.9",
        "type filter hook forward priority filter - 10; policy accept;",
    ] {
        assert!(listed.contains(part), "`{part}` is not in\n{listed}");
    }
    Ok(())
}

fn nft_accepts_what_is_displayed() -> Outcome {
    for ruleset in [everything(), large(3, 30), Ruleset::default()] {
        let Some(answer) = nft(&["-c", "-f", "-"], Some(&ruleset.to_string())) else { return Ok(()) };
        answer.map_err(|error| format!("{error}\n{ruleset}"))?;
        let steps = format!("add table inet portcullis\n{}", nft::diff::diff(&Ruleset::default(), &ruleset));
        let Some(answer) = nft(&["-c", "-f", "-"], Some(&steps)) else { return Ok(()) };
        answer.map_err(|error| format!("{error}\n{steps}"))?;
    }
    Ok(())
}

/// Written by us or by `nft`, from what we display, a ruleset is the same.
fn what_nft_loads_is_what_is_displayed() -> Outcome {
    let Some(answer) = nft(&["-f", "-"], Some(&everything().to_string())) else { return Ok(()) };
    answer?;
    let Some(theirs) = nft(&["list", "ruleset"], None) else { return Ok(()) };
    Committer::open()?.cleanup()?;
    Committer::open()?.sync(&everything())?;
    let Some(ours) = nft(&["list", "ruleset"], None) else { return Ok(()) };
    assert_eq!(blocks(&theirs?), blocks(&ours?));
    Ok(())
}

/// The sets, maps and chains of a listing, in an order of their own.
fn blocks(listing: &str) -> Vec<String> {
    let inner = listing.trim().trim_start_matches("table inet portcullis {").trim_end_matches('}');
    let mut blocks: Vec<String> = inner.split("\n\t}\n").map(|block| block.trim().to_owned()).collect();
    blocks.sort();
    blocks
}

fn nothing_to_do_is_nothing_done() -> Outcome {
    let mut committer = Committer::open()?;
    let first = committer.sync(&everything())?;
    let second = committer.sync(&everything())?;
    assert!(second.transaction.is_empty());
    assert_eq!(first.generation, second.generation);
    // One that has just started reads what is there and finds nothing to do either.
    assert!(Committer::open()?.sync(&everything())?.transaction.is_empty());
    Ok(())
}

fn a_change_carries_what_changed() -> Outcome {
    let mut committer = Committer::open()?;
    let mut ruleset = large(50, 10_000);
    let before = committer.sync(&ruleset)?;
    let added = Element::Address(address("192.0.2.1"));
    let peers = ruleset.sets.get_mut("peers3").expect("a set");
    assert!(Arc::make_mut(peers).insert(added));
    let report = committer.sync(&ruleset)?;
    let only = Arc::new(Set::collect(SetKind::Address(Family::V4), [added]));
    assert_eq!(report.transaction.steps, [Step::AddElements("peers3".into(), only)]);
    assert_eq!(report.generation, before.generation + 1);
    assert_eq!(current()?, Some(ruleset));
    Ok(())
}

/// Each way from one of these rulesets to another, with one committer throughout and with a new one.
fn any_part_can_change_into_any_other() -> Outcome {
    let mut other_rules = everything();
    let mut pod = nft::ruleset::Chain::clone(&other_rules.chains["pod"]);
    pod.rules.rotate_left(3);
    other_rules.chains.insert("pod".into(), Arc::new(pod));
    let mut moved = everything();
    let accept = Rule::new([Match::Protocol(TCP)]).verdict(Verdict::Accept);
    moved.chains.insert("new".into(), chain([accept]));
    let pods = moved.maps.get_mut("pods4").expect("a map");
    pods.entries.insert(address("10.0.0.1"), Verdict::Goto("new".into()));
    pods.entries.remove(&address("10.0.0.2"));
    pods.entries.insert(address("10.0.0.3"), Verdict::Jump("other".into()));
    let mut other_blocks = everything();
    let block = Element::Block(address("10.1.255.255"), address("10.2.0.8"));
    Arc::make_mut(other_blocks.sets.get_mut("blocks4").expect("a set")).insert(block);
    let mut redefined = everything();
    redefined.sets.insert("empty4".into(), Arc::new(Set::new(SetKind::Pair(Family::V6))));
    let all = [everything(), other_rules, moved, other_blocks, redefined, large(20, 100), Ruleset::default()];
    let mut committer = Committer::open()?;
    for from in &all {
        for to in &all {
            committer.sync(from)?;
            committer.sync(to)?;
            Committer::open()?.sync(from)?;
            Committer::open()?.sync(to)?;
            assert_eq!(current()?.as_ref(), Some(to));
        }
    }
    Ok(())
}

/// Always the same ones, mostly changed in place.
fn random_rulesets_follow_one_another() -> Outcome {
    let mut runner = TestRunner::deterministic();
    let mut committer = Committer::open()?;
    let mut in_place = 0;
    for _ in 0..150 {
        let ruleset = rulesets().new_tree(&mut runner)?.current();
        let report = committer.sync(&ruleset)?;
        assert_eq!(report.attempts, 1);
        in_place += u32::from(report.transaction.steps.first() != Some(&Step::DeleteTable));
        assert_eq!(current()?.as_ref(), Some(&ruleset), "after {}", report.transaction);
    }
    assert!(in_place > 75, "{in_place} of them were changes in place");
    Ok(())
}

fn other_tables_stay() -> Outcome {
    let theirs = "add table inet theirs
        add set inet theirs s { type ipv4_addr; elements = { 10.0.0.1 }; }
        add chain inet theirs c { type filter hook forward priority 0; }
        add rule inet theirs c ip saddr @s counter drop
        add table ip portcullis
        add chain ip portcullis c
        add rule ip portcullis c tcp dport { 80, 443 } accept\n";
    let Some(answer) = nft(&["-f", "-"], Some(theirs)) else { return Ok(()) };
    answer?;
    let list = || {
        [nft(&["list", "table", "inet", "theirs"], None), nft(&["list", "table", "ip", "portcullis"], None)]
    };
    let before = list();
    assert!(before.iter().all(|listed| matches!(listed, Some(Ok(text)) if text.contains("chain c"))));
    let mut committer = Committer::open()?;
    for ruleset in [everything(), large(2, 100), everything()] {
        committer.sync(&ruleset)?;
        assert_eq!(current()?, Some(ruleset));
        assert_eq!(list(), before);
    }
    committer.cleanup()?;
    assert_eq!(list(), before);
    for table in [["inet", "theirs"], ["ip", "portcullis"]] {
        nft(&["delete", "table", table[0], table[1]], None).expect("nft is there")?;
    }
    Ok(())
}

/// Somebody else writes between two commits: the kernel refuses the second (ERESTART), which then reads
/// again what is there, and begins anew.
fn a_foreign_change_is_noticed() -> Outcome {
    let mut other_block = everything();
    let block = Element::Block(address("10.9.0.0"), address("10.9.255.255"));
    Arc::make_mut(other_block.sets.get_mut("blocks4").expect("a set")).insert(block);
    let mut fewer_elements = everything();
    let gone = Element::Address(address("10.0.0.1"));
    assert!(Arc::make_mut(fewer_elements.sets.get_mut("addresses4").expect("a set")).remove(&gone));
    let mut fewer_rules = everything();
    fewer_rules.chains.insert("pod".into(), chain([]));

    let mut committer = Committer::open()?;
    committer.sync(&everything())?;
    for theirs in [fewer_elements, fewer_rules, Ruleset::default(), large(2, 10)] {
        for ours in [everything(), other_block.clone()] {
            Committer::open()?.sync(&theirs)?;
            let report = committer.sync(&ours)?;
            assert_eq!(report.attempts, 2);
            assert_eq!(current()?, Some(ours));
        }
    }
    Committer::open()?.cleanup()?;
    assert_eq!(committer.sync(&everything())?.attempts, 2);
    assert_eq!(current()?, Some(everything()));
    Ok(())
}

fn what_is_not_ours_in_our_table_is_replaced() -> Outcome {
    let mut committer = Committer::open()?;
    for command in [
        "insert rule inet portcullis egress meta mark 7 accept",
        "insert rule inet portcullis egress tcp dport != 80 accept",
        "add rule inet portcullis pod log prefix \"to syslog\"",
        "add set inet portcullis theirs { type ipv4_addr; flags timeout; }",
        "add chain inet portcullis theirs { type filter hook output priority 0; }",
        "add chain inet portcullis egress { policy drop; }",
        "add table inet portcullis { flags dormant; }",
    ] {
        committer.sync(&everything())?;
        let Some(answer) = nft(&[command], None) else { return Ok(()) };
        answer?;
        assert!(read(&mut socket()?).is_err(), "{command}");
        committer.sync(&everything())?;
        assert_eq!(current()?, Some(everything()), "{command}");
    }
    Ok(())
}

fn a_small_send_buffer_takes_a_large_ruleset() -> Outcome {
    let mut socket = socket()?;
    socket.limit_send_buffer(416 * 1024)?;
    assert!(socket.send_limit() <= 416 * 1024);
    let limit = socket.send_limit();
    let mut committer = Committer::with_socket(socket);
    let mut ruleset = large(500, 100_000);
    let report = committer.sync(&ruleset)?;
    assert!(report.batches > 5, "{} batches", report.batches);
    assert!(report.bytes > 5 * limit);
    assert_eq!(current()?.as_ref(), Some(&ruleset));
    // Sets in use that change by more than fits.
    for number in 0..10u32 {
        let elements =
            (0..10_000u32).map(|low| Element::Address((0xc000_0000 + (number << 16) + low).into_v4()));
        let peers = Set::collect(SetKind::Address(Family::V4), elements);
        ruleset.sets.insert(format!("peers{number}").into(), Arc::new(peers));
    }
    assert!(committer.sync(&ruleset)?.batches > 5);
    assert_eq!(current()?.as_ref(), Some(&ruleset));
    // All of it exchanged for something else, and back.
    committer.sync(&everything())?;
    assert_eq!(current()?, Some(everything()));
    Ok(())
}

trait IntoV4 {
    fn into_v4(self) -> std::net::IpAddr;
}

impl IntoV4 for u32 {
    fn into_v4(self) -> std::net::IpAddr {
        std::net::Ipv4Addr::from(self).into()
    }
}

fn counters_are_read() -> Outcome {
    Committer::open()?.sync(&everything())?;
    let counters = counters(&mut socket()?)?;
    assert_eq!(counters.len(), 28);
    let denied = counters.iter().find(|rule| rule.prefix.as_deref() == Some("fedcba9876543210"));
    let denied = denied.expect("the rule that denies");
    assert_eq!(denied.comment.as_deref(), Some("no rule of `default` 'quoted'  allows it"));
    assert_eq!((denied.counter.packets, &*denied.chain), (0, "pod"));
    Ok(())
}
