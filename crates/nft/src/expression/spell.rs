//! From a rule to its instructions.

use crate::ruleset::{Addresses, End, Family, Match, Ports, Rule, Sense, Side};
use crate::set::width;
use crate::set::write_address;
use crate::wire::expression as wire;

use super::{
    Anonymous, Comparison, Expression, FLAGS_OFFSET, PORT_OFFSET, SetName, TYPE_OFFSET, family_number,
};

/// The instructions of a rule.
pub(crate) fn spell(rule: &Rule) -> Vec<Expression> {
    let mut speller = Speller::default();
    for condition in rule.matches() {
        speller.condition(condition);
    }
    if let End::Dispatch { family, .. } = rule.end() {
        speller.family(*family);
    }
    let mut out = speller.out;
    if rule.is_counted() {
        out.push(Expression::Counter);
    }
    out.extend(rule.log().cloned().map(Expression::Log));
    match rule.end() {
        End::Continue => (),
        End::Verdict(verdict) => out.push(Expression::Verdict(verdict.clone())),
        End::Dispatch { side, family, map } => {
            out.push(address(*side, *family, 0));
            out.push(Expression::Dispatch(map.clone()));
        }
    }
    out
}

/// Remembers what the instructions so far have made sure of.
#[derive(Default)]
struct Speller {
    out: Vec<Expression>,
    family: Option<Family>,
    protocol: Option<u8>,
}

impl Speller {
    fn condition(&mut self, condition: &Match) {
        if let Some(family) = condition.family() {
            self.family(family);
        }
        if let Some(protocol) = condition.protocol() {
            self.protocol(protocol);
        }
        match condition {
            Match::State(states) => {
                self.masked(Expression::State, &states.0.to_ne_bytes(), Sense::IsNot, &[0; 4])
            }
            Match::Family(family) => self.family(*family),
            Match::Protocol(protocol) => self.protocol(*protocol),
            Match::Address(side, sense, addresses) => self.addresses(*side, *sense, addresses),
            Match::Service(family, set) => {
                let next = width(*family) as u32 / 4;
                self.out.extend([
                    address(Side::Destination, *family, 0),
                    Expression::Meta { key: wire::META_PROTOCOL, to: next },
                    transport(PORT_OFFSET, 2, next + 1),
                ]);
                self.lookup(SetName::Named(set.clone()), Sense::Is);
            }
            Match::Pair(family, set) => {
                self.out.push(address(Side::Source, *family, 0));
                self.out.push(address(Side::Destination, *family, width(*family) as u32 / 4));
                self.lookup(SetName::Named(set.clone()), Sense::Is);
            }
            Match::Port(_, ports) => self.ports(ports),
            Match::TcpFlags { mask, sense, value } => {
                self.masked(transport(FLAGS_OFFSET, 1, 0), &[*mask], *sense, &[*value])
            }
            Match::Icmpv6(first, last) => {
                self.out.push(transport(TYPE_OFFSET, 1, 0));
                self.range(vec![*first], vec![*last]);
            }
        }
    }

    fn family(&mut self, family: Family) {
        if self.family != Some(family) {
            self.family = Some(family);
            self.out.push(Expression::Meta { key: wire::META_FAMILY, to: 0 });
            self.out.push(Expression::Compare(Comparison::Equal, vec![family_number(family)]));
        }
    }

    fn protocol(&mut self, protocol: u8) {
        if self.protocol != Some(protocol) {
            self.protocol = Some(protocol);
            self.out.push(Expression::Meta { key: wire::META_PROTOCOL, to: 0 });
            self.out.push(Expression::Compare(Comparison::Equal, vec![protocol]));
        }
    }

    fn addresses(&mut self, side: Side, sense: Sense, addresses: &Addresses) {
        let load = address(side, addresses.family(), 0);
        match addresses {
            Addresses::One(one) => {
                self.out.push(load);
                self.out.push(Expression::Compare(comparison(sense), octets(*one)));
            }
            Addresses::Prefix(prefix) => {
                self.masked(load, &octets(prefix.netmask()), sense, &octets(prefix.network()));
            }
            Addresses::Named(_, name) => {
                self.out.push(load);
                self.lookup(SetName::Named(name.clone()), sense);
            }
            Addresses::Anonymous(set) => {
                self.out.push(load);
                self.lookup(SetName::Anonymous(Anonymous::Addresses(set.clone())), sense);
            }
        }
    }

    fn ports(&mut self, ports: &Ports) {
        self.out.push(transport(PORT_OFFSET, 2, 0));
        match *ports.as_slice() {
            [(first, last)] => self.range(first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec()),
            _ => self.lookup(SetName::Anonymous(Anonymous::Ports(ports.clone())), Sense::Is),
        }
    }

    fn range(&mut self, first: Vec<u8>, last: Vec<u8>) {
        if first == last {
            self.out.push(Expression::Compare(Comparison::Equal, first));
        } else {
            self.out.push(Expression::Compare(Comparison::AtLeast, first));
            self.out.push(Expression::Compare(Comparison::AtMost, last));
        }
    }

    fn masked(&mut self, load: Expression, mask: &[u8], sense: Sense, value: &[u8]) {
        self.out.push(load);
        self.out.push(Expression::Mask(mask.to_vec()));
        self.out.push(Expression::Compare(comparison(sense), value.to_vec()));
    }

    fn lookup(&mut self, set: SetName, sense: Sense) {
        self.out.push(Expression::Lookup { set, sense });
    }
}

fn transport(offset: u32, length: u32, to: u32) -> Expression {
    Expression::Payload { base: wire::BASE_TRANSPORT, offset, length, to }
}

/// An address of the packet into registers.
fn address(side: Side, family: Family, to: u32) -> Expression {
    let offset = match (family, side) {
        (Family::V4, Side::Source) => 12,
        (Family::V4, Side::Destination) => 16,
        (Family::V6, Side::Source) => 8,
        (Family::V6, Side::Destination) => 24,
    };
    Expression::Payload { base: wire::BASE_NETWORK, offset, length: width(family) as u32, to }
}

fn comparison(sense: Sense) -> Comparison {
    match sense {
        Sense::Is => Comparison::Equal,
        Sense::IsNot => Comparison::Unequal,
    }
}

fn octets(address: std::net::IpAddr) -> Vec<u8> {
    let mut octets = Vec::with_capacity(16);
    write_address(address, &mut octets);
    octets
}
