//! What a ruleset does to a packet, decided without a kernel.

use std::net::IpAddr;

use crate::ruleset::{
    Addresses, Base, Chain, Element, End, Family, Hook, Match, Name, Rule, Ruleset, Sense, Side, States, TCP,
    Verdict,
};

/// A packet, as rules see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it passes.
    pub hook: Hook,
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes, after service translation.
    pub destination: IpAddr,
    /// Its protocol's number.
    pub protocol: u8,
    /// The destination port; 0 for a protocol without ports.
    pub port: u16,
    /// What conntrack says of it: one state.
    pub state: States,
    /// The flags of a TCP packet.
    pub tcp_flags: u8,
    /// The type of an ICMP or ICMPv6 message.
    pub icmp_type: u8,
}

/// The SYN flag of TCP.
pub const SYN: u8 = 2;
/// The ACK flag of TCP.
pub const ACK: u8 = 0x10;

impl Packet {
    /// The first packet of a flow through the node: of TCP a SYN, of ICMP an echo request.
    pub fn opening(source: IpAddr, destination: IpAddr, protocol: u8, port: u16) -> Self {
        let icmp_type = match Family::of(&source) {
            Family::V4 => 8,
            Family::V6 => 128,
        };
        let (hook, state, tcp_flags) = (Hook::Forward, States::NEW, SYN);
        Packet { hook, source, destination, protocol, port, state, tcp_flags, icmp_type }
    }
}

/// What happened to a packet, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// What became of it.
    pub fate: Fate,
    /// The rules that matched it, in order.
    pub path: Vec<Visit>,
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every base chain accepted it.
    Accepted,
    /// A rule dropped it.
    Dropped {
        /// Its log prefix: the id of the policy's rule.
        prefix: Option<Name>,
        /// Its comment.
        comment: Option<Name>,
    },
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Its chain.
    pub chain: Name,
    /// Its place there, from 0.
    pub index: usize,
}

/// The kernel's own limit of nested jumps; it refuses rulesets that go deeper.
const DEEPEST: usize = 16;

/// Where a packet stands when a chain is done with it.
enum Standing {
    Accepted,
    Dropped(Fate),
    /// Nothing was decided: on with the chain that jumped here.
    Undecided,
}

impl Ruleset {
    /// What becomes of a packet: the hook's base chains are asked by their priority; what one accepts, the
    /// next still sees; what one drops is gone.
    pub fn trace(&self, packet: &Packet) -> Trace {
        let mut walk = Walk { ruleset: self, packet, path: Vec::new() };
        for (_, name, chain) in self.base_chains(packet.hook) {
            match walk.chain(name, chain, 0) {
                Standing::Accepted | Standing::Undecided => (),
                Standing::Dropped(fate) => return Trace { fate, path: walk.path },
            }
        }
        Trace { fate: Fate::Accepted, path: walk.path }
    }

    fn base_chains(&self, hook: Hook) -> Vec<(i32, &Name, &Chain)> {
        let hooked = self.chains.iter().filter_map(|(name, chain)| {
            let Base { hook: at, priority } = chain.base?;
            (at == hook).then_some((priority, name, &**chain))
        });
        let mut hooked: Vec<_> = hooked.collect();
        hooked.sort_by_key(|(priority, name, _)| (*priority, Name::clone(name)));
        hooked
    }
}

struct Walk<'a> {
    ruleset: &'a Ruleset,
    packet: &'a Packet,
    path: Vec<Visit>,
}

impl Walk<'_> {
    fn chain(&mut self, name: &Name, chain: &Chain, depth: usize) -> Standing {
        for (index, rule) in chain.rules.iter().enumerate() {
            if !rule.matches().iter().all(|condition| self.holds(condition)) {
                continue;
            }
            self.path.push(Visit { chain: name.clone(), index });
            match self.verdict(rule) {
                None => (),
                Some(Verdict::Accept) => return Standing::Accepted,
                Some(Verdict::Drop) => return Standing::Dropped(dropped_by(rule)),
                Some(Verdict::Return) => return Standing::Undecided,
                Some(Verdict::Goto(next)) => return self.enter(&next, depth),
                Some(Verdict::Jump(next)) => match self.enter(&next, depth) {
                    Standing::Undecided => (),
                    decided @ (Standing::Accepted | Standing::Dropped(_)) => return decided,
                },
            }
        }
        Standing::Undecided
    }

    fn enter(&mut self, name: &Name, depth: usize) -> Standing {
        match self.ruleset.chains.get(name) {
            Some(chain) if depth < DEEPEST => self.chain(name, chain, depth + 1),
            Some(_) | None => Standing::Undecided,
        }
    }

    fn verdict(&self, rule: &Rule) -> Option<Verdict> {
        match rule.end() {
            End::Continue => None,
            End::Verdict(verdict) => Some(verdict.clone()),
            End::Dispatch { side, family, map } => {
                let address = self.address(*side, *family)?;
                self.ruleset.maps.get(map)?.entries.get(&address).cloned()
            }
        }
    }

    /// The packet's address, if it is of that family.
    fn address(&self, side: Side, family: Family) -> Option<IpAddr> {
        let address = match side {
            Side::Source => self.packet.source,
            Side::Destination => self.packet.destination,
        };
        (Family::of(&address) == family).then_some(address)
    }

    fn holds(&self, condition: &Match) -> bool {
        let packet = self.packet;
        match condition {
            Match::State(states) => states.meets(packet.state),
            Match::Family(family) => Family::of(&packet.source) == *family,
            Match::Protocol(protocol) => packet.protocol == *protocol,
            Match::Address(side, sense, addresses) => {
                let address = self.address(*side, addresses.family());
                address.is_some_and(|address| self.among(address, addresses) == (*sense == Sense::Is))
            }
            Match::Service(family, set) => {
                let element = Element::Service(packet.destination, packet.protocol, packet.port);
                self.has(*family, set, &element)
            }
            Match::Pair(family, set) => {
                self.has(*family, set, &Element::Pair(packet.source, packet.destination))
            }
            Match::Port(protocol, ports) => packet.protocol == *protocol && ports.contains(packet.port),
            Match::TcpFlags { mask, sense, value } => {
                packet.protocol == TCP && ((packet.tcp_flags & mask) == *value) == (*sense == Sense::Is)
            }
            Match::Icmpv6(first, last) => {
                packet.protocol == crate::ruleset::ICMPV6 && (*first..=*last).contains(&packet.icmp_type)
            }
        }
    }

    fn among(&self, address: IpAddr, addresses: &Addresses) -> bool {
        match addresses {
            Addresses::One(one) => *one == address,
            Addresses::Prefix(prefix) => prefix.contains(&address),
            Addresses::Named(family, set) => self.has(*family, set, &Element::Address(address)),
            Addresses::Anonymous(set) => set.contains(&Element::Address(address)),
        }
    }

    fn has(&self, family: Family, set: &Name, element: &Element) -> bool {
        let set = self.ruleset.sets.get(set);
        set.is_some_and(|set| set.kind().family() == family && set.contains(element))
    }
}

fn dropped_by(rule: &Rule) -> Fate {
    Fate::Dropped {
        prefix: rule.log().map(|log| log.prefix.clone()),
        comment: rule.comment_text().map(Name::from),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::ruleset::{ICMPV6, Log, Ports, Set, SetKind, UDP, VerdictMap};

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn packet(port: u16) -> Packet {
        Packet::opening(address("10.0.0.1"), address("10.0.0.2"), TCP, port)
    }

    /// Chains, of which `first` and `second` are hooked in `forward`, in that order, and `node` in `input`.
    fn ruleset(chains: &[(&str, Vec<Rule>)]) -> Ruleset {
        let mut ruleset = Ruleset::default();
        for (name, rules) in chains {
            let base = match *name {
                "first" => Some(Base { hook: Hook::Forward, priority: -10 }),
                "second" => Some(Base { hook: Hook::Forward, priority: 10 }),
                "node" => Some(Base { hook: Hook::Input, priority: 0 }),
                _ => None,
            };
            ruleset.chains.insert((*name).into(), Arc::new(Chain { base, rules: rules.clone() }));
        }
        ruleset
    }

    fn accept(port: u16) -> Rule {
        Rule::new([Match::Port(TCP, Ports::one(port))]).verdict(Verdict::Accept)
    }

    fn drop_rule(prefix: &str) -> Rule {
        let log = Log { prefix: prefix.into(), group: 1, snaplen: 0 };
        Rule::new([]).logged(log).verdict(Verdict::Drop)
    }

    fn jump(chain: &str) -> Rule {
        Rule::new([]).verdict(Verdict::Jump(chain.into()))
    }

    fn goto(chain: &str) -> Rule {
        Rule::new([]).verdict(Verdict::Goto(chain.into()))
    }

    fn dropped(prefix: &str) -> Fate {
        Fate::Dropped { prefix: Some(prefix.into()), comment: None }
    }

    #[test]
    fn accepting_in_one_base_chain_does_not_skip_the_next() {
        let ruleset = ruleset(&[("second", vec![drop_rule("second")]), ("first", vec![accept(80)])]);
        let trace = ruleset.trace(&packet(80));
        assert_eq!(trace.fate, dropped("second"));
        let path: Vec<&str> = trace.path.iter().map(|visit| &*visit.chain).collect();
        assert_eq!(path, ["first", "second"]);
        assert_eq!(ruleset.trace(&Packet { hook: Hook::Input, ..packet(80) }).fate, Fate::Accepted);
    }

    #[test]
    fn a_jump_comes_back_and_a_goto_does_not() {
        let sub = ("sub", vec![accept(80)]);
        let jumps = ruleset(&[("first", vec![jump("sub"), drop_rule("first")]), sub.clone()]);
        assert_eq!(jumps.trace(&packet(80)).fate, Fate::Accepted);
        assert_eq!(jumps.trace(&packet(81)).fate, dropped("first"));
        let goes = ruleset(&[("first", vec![goto("sub"), drop_rule("first")]), sub.clone()]);
        assert_eq!(goes.trace(&packet(81)).fate, Fate::Accepted);
        // A goto within a jump ends where the jump was.
        let both = ruleset(&[
            ("first", vec![jump("middle"), drop_rule("first")]),
            ("middle", vec![goto("sub"), drop_rule("middle")]),
            sub,
        ]);
        assert_eq!(both.trace(&packet(81)).fate, dropped("first"));
    }

    #[test]
    fn returning_goes_on_after_the_jump() {
        let back = Rule::new([]).verdict(Verdict::Return);
        let ruleset = ruleset(&[
            ("first", vec![jump("sub"), drop_rule("first")]),
            ("sub", vec![back.clone(), drop_rule("sub")]),
            ("node", vec![back, drop_rule("node")]),
        ]);
        assert_eq!(ruleset.trace(&packet(80)).fate, dropped("first"));
        assert_eq!(ruleset.trace(&Packet { hook: Hook::Input, ..packet(80) }).fate, Fate::Accepted);
    }

    #[test]
    fn dispatch_takes_the_chain_of_the_address() {
        let mut ruleset = ruleset(&[
            ("first", vec![Rule::new([]).dispatch(Side::Destination, Family::V4, "pods")]),
            ("pod", vec![drop_rule("pod")]),
        ]);
        let entries = BTreeMap::from([(address("10.0.0.2"), Verdict::Goto("pod".into()))]);
        ruleset.maps.insert("pods".into(), VerdictMap { family: Family::V4, entries });
        assert_eq!(ruleset.trace(&packet(80)).fate, dropped("pod"));
        let other = Packet { destination: address("10.0.0.3"), ..packet(80) };
        assert_eq!(ruleset.trace(&other).fate, Fate::Accepted);
    }

    /// Whether a packet is dropped by a rule with just this match.
    fn meets(condition: Match, packet: &Packet) -> bool {
        let mut ruleset = ruleset(&[("first", vec![Rule::new([condition]).verdict(Verdict::Drop)])]);
        let elements = [
            Element::Address(address("10.0.0.1")),
            Element::Service(address("10.0.0.2"), TCP, 80),
            Element::Pair(address("10.0.0.1"), address("10.0.0.2")),
            Element::Block(address("10.0.0.0"), address("10.0.0.1")),
        ];
        for (name, kind) in [
            ("addresses", SetKind::Address(Family::V4)),
            ("services", SetKind::Service(Family::V4)),
            ("pairs", SetKind::Pair(Family::V4)),
            ("blocks", SetKind::Block(Family::V4)),
        ] {
            ruleset.sets.insert(name.into(), Arc::new(Set::collect(kind, elements)));
        }
        ruleset.trace(packet).fate != Fate::Accepted
    }

    #[test]
    fn a_packet_of_the_other_family_matches_in_neither_sense() {
        let v6 = Packet::opening(address("fd00::1"), address("fd00::2"), TCP, 80);
        for sense in [Sense::Is, Sense::IsNot] {
            for addresses in [
                Addresses::One(address("10.0.0.1")),
                Addresses::Prefix("10.0.0.0/8".parse().unwrap()),
                Addresses::Named(Family::V4, "addresses".into()),
                Addresses::Named(Family::V4, "blocks".into()),
            ] {
                let condition = Match::Address(Side::Source, sense, addresses);
                assert!(!meets(condition.clone(), &v6));
                assert_eq!(meets(condition, &packet(80)), sense == Sense::Is);
            }
        }
    }

    #[test]
    fn concatenations_match_as_a_whole() {
        let service = || Match::Service(Family::V4, "services".into());
        assert!(meets(service(), &packet(80)));
        assert!(!meets(service(), &packet(81)));
        assert!(!meets(service(), &Packet { protocol: UDP, ..packet(80) }));
        let pair = || Match::Pair(Family::V4, "pairs".into());
        assert!(meets(pair(), &packet(1)));
        let turned = Packet::opening(address("10.0.0.2"), address("10.0.0.1"), TCP, 1);
        assert!(!meets(pair(), &turned));
    }

    #[test]
    fn flags_and_types_belong_to_their_protocol() {
        let no_syn = || Match::TcpFlags { mask: SYN, sense: Sense::IsNot, value: SYN };
        assert!(!meets(no_syn(), &packet(80)));
        assert!(meets(no_syn(), &Packet { tcp_flags: ACK, ..packet(80) }));
        assert!(!meets(no_syn(), &Packet { tcp_flags: ACK, protocol: UDP, ..packet(80) }));
        let discovery = Packet { protocol: ICMPV6, icmp_type: 135, ..packet(0) };
        assert!(meets(Match::Icmpv6(133, 137), &discovery));
        assert!(!meets(Match::Icmpv6(133, 137), &Packet { icmp_type: 128, ..discovery }));
        assert!(!meets(Match::Icmpv6(133, 137), &Packet { protocol: 1, ..discovery }));
    }

    #[test]
    fn a_state_is_one_of_those_asked_for() {
        let known = || Match::State(States::ESTABLISHED.or(States::RELATED));
        assert!(!meets(known(), &packet(80)));
        assert!(meets(known(), &Packet { state: States::RELATED, ..packet(80) }));
    }
}
