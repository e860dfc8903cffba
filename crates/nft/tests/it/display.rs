//! How a ruleset reads. `tests/kernel.rs` has `nft` load the same one.

use nft::ruleset::{Log, Match, Rule, Verdict};

use crate::samples::everything;

#[test]
fn everything_reads_as_nft_syntax() {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/everything.nft");
    let shown = everything().to_string();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(golden, &shown).unwrap();
    }
    assert_eq!(shown, std::fs::read_to_string(golden).unwrap());
}

#[test]
fn texts_are_cut_where_a_character_ends() {
    let rule = Rule::new([]).comment(&"é".repeat(100)).verdict(Verdict::Drop);
    assert_eq!(rule.comment_text(), Some(&*"é".repeat(64)));
    let rule = Rule::new([]).logged(Log { prefix: "é".repeat(100).into(), group: 0, snaplen: 0 });
    assert_eq!(rule.log().unwrap().prefix.len(), 126);
}

#[test]
fn what_other_matches_imply_is_left_out() {
    use nft::ruleset::{Addresses, Family, Ports, Sense, Side, TCP, UDP};
    let one = Match::Address(Side::Source, Sense::Is, Addresses::One("10.0.0.1".parse().unwrap()));
    let spelled = Rule::new([
        Match::Family(Family::V4),
        Match::Protocol(TCP),
        one.clone(),
        Match::Port(TCP, Ports::one(80)),
        Match::Protocol(UDP),
    ]);
    assert_eq!(spelled.matches(), [one, Match::Port(TCP, Ports::one(80)), Match::Protocol(UDP)]);
}
