//! Rulesets and transactions as `nft -f` reads them.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::ruleset::{
    Addresses, Base, Chain, Element, End, Family, Hook, ICMP, ICMPV6, Log, Match, Ports, Rule, Ruleset, SCTP,
    Sense, Set, SetKind, Side, States, TABLE, TCP, UDP, Verdict, VerdictMap,
};
use crate::transaction::{Step, Transaction};

impl fmt::Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sets = self.sets.iter().map(|(name, set)| format!("\tset {name} {{\n{set}\t}}\n"));
        let maps = self.maps.iter().map(|(name, map)| format!("\tmap {name} {{\n{map}\t}}\n"));
        let chains = self.chains.iter().map(|(name, chain)| format!("\tchain {name} {{\n{chain}\t}}\n"));
        let blocks: Vec<String> = sets.chain(maps).chain(chains).collect();
        write!(f, "table inet {TABLE} {{\n{}}}\n", blocks.join("\n"))
    }
}

/// What stands between a set's braces.
impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\t\t{}", self.kind())?;
        let elements: Vec<String> = self.iter().map(|element| element.to_string()).collect();
        write_elements(f, &elements)
    }
}

fn write_elements(f: &mut fmt::Formatter<'_>, elements: &[String]) -> fmt::Result {
    const A_LINE: usize = 4;
    if elements.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = elements.chunks(A_LINE).map(|line| line.join(", ")).collect();
    writeln!(f, "\t\telements = {{ {} }}", lines.join(",\n\t\t\t     "))
}

/// `type ipv4_addr . inet_proto . inet_service`, and that it has ranges.
impl fmt::Display for SetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = address_type(self.family());
        match self {
            SetKind::Address(_) => write!(f, "type {address}"),
            SetKind::Service(_) => write!(f, "type {address} . inet_proto . inet_service"),
            SetKind::Pair(_) => write!(f, "type {address} . {address}"),
            SetKind::Block(_) => write!(f, "type {address}; flags interval"),
        }
    }
}

fn address_type(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4_addr",
        Family::V6 => "ipv6_addr",
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Address(address) => write!(f, "{address}"),
            Element::Service(address, protocol, port) => {
                write!(f, "{address} . {} . {port}", Protocol(*protocol))
            }
            Element::Pair(source, destination) => write!(f, "{source} . {destination}"),
            Element::Block(first, last) => write_block(f, *first, *last),
        }
    }
}

/// A block as a prefix where it is one.
fn write_block(f: &mut fmt::Formatter<'_>, first: IpAddr, last: IpAddr) -> fmt::Result {
    let (start, differ, width) = match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (u128::from(a.to_bits()), u128::from(a.to_bits() ^ b.to_bits()), 32)
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), a.to_bits() ^ b.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
            return write!(f, "{first}-{last}");
        }
    };
    let host_bits = differ.trailing_ones();
    let whole = differ.count_ones() == host_bits && (start & differ) == 0;
    match (first == last, whole) {
        (true, _) => write!(f, "{first}"),
        (false, true) => write!(f, "{first}/{}", width - host_bits),
        (false, false) => write!(f, "{first}-{last}"),
    }
}

/// What stands between a map's braces.
impl fmt::Display for VerdictMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\t\ttype {} : verdict", address_type(self.family))?;
        write_elements(f, &entries(&self.entries))
    }
}

fn entries(entries: &BTreeMap<IpAddr, Verdict>) -> Vec<String> {
    entries.iter().map(|(address, verdict)| format!("{address} : {verdict}")).collect()
}

/// What stands between a chain's braces.
impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(base) = &self.base {
            writeln!(f, "\t\t{base}")?;
        }
        self.rules.iter().try_for_each(|rule| writeln!(f, "\t\t{rule}"))
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hook = match self.hook {
            Hook::Forward => "forward",
            Hook::Input => "input",
        };
        write!(f, "type filter hook {hook} priority {}; policy accept;", self.priority)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self.matches().iter().map(ToString::to_string).collect();
        if self.is_counted() {
            words.push("counter".to_owned());
        }
        words.extend(self.log().map(ToString::to_string));
        match self.end() {
            End::Continue => (),
            End::Verdict(verdict) => words.push(verdict.to_string()),
            End::Dispatch { side, family, map } => {
                words.push(format!("{} vmap @{map}", field(*side, *family)))
            }
        }
        words.extend(self.comment_text().map(|comment| format!("comment \"{comment}\"")));
        f.write_str(&words.join(" "))
    }
}

impl fmt::Display for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Match::State(states) => write!(f, "ct state {states}"),
            Match::Family(Family::V4) => f.write_str("meta nfproto ipv4"),
            Match::Family(Family::V6) => f.write_str("meta nfproto ipv6"),
            Match::Protocol(protocol) => write!(f, "meta l4proto {}", Protocol(*protocol)),
            Match::Address(side, sense, addresses) => {
                write!(f, "{} {}{addresses}", field(*side, addresses.family()), operator(*sense))
            }
            Match::Service(family, set) => {
                write!(f, "{} . meta l4proto . th dport @{set}", field(Side::Destination, *family))
            }
            Match::Pair(family, set) => {
                let (source, destination) = (field(Side::Source, *family), field(Side::Destination, *family));
                write!(f, "{source} . {destination} @{set}")
            }
            Match::Port(protocol, ports) => match *protocol {
                TCP | UDP | SCTP => write!(f, "{} dport {ports}", Protocol(*protocol)),
                other => write!(f, "meta l4proto {other} th dport {ports}"),
            },
            Match::TcpFlags { mask, sense, value } => {
                let sense = match sense {
                    Sense::Is => "==",
                    Sense::IsNot => "!=",
                };
                write!(f, "tcp flags & ({}) {sense} {}", flags(*mask), flags(*value))
            }
            Match::Icmpv6(first, last) if first == last => write!(f, "icmpv6 type {first}"),
            Match::Icmpv6(first, last) => write!(f, "icmpv6 type {first}-{last}"),
        }
    }
}

fn field(side: Side, family: Family) -> &'static str {
    match (family, side) {
        (Family::V4, Side::Source) => "ip saddr",
        (Family::V4, Side::Destination) => "ip daddr",
        (Family::V6, Side::Source) => "ip6 saddr",
        (Family::V6, Side::Destination) => "ip6 daddr",
    }
}

fn operator(sense: Sense) -> &'static str {
    match sense {
        Sense::Is => "",
        Sense::IsNot => "!= ",
    }
}

fn flags(bits: u8) -> String {
    const NAMES: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"];
    let set = NAMES.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    if names.is_empty() { "0x0".to_owned() } else { names.join(" | ") }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Addresses::One(address) => write!(f, "{address}"),
            Addresses::Prefix(prefix) => write!(f, "{prefix}"),
            Addresses::Named(_, name) => write!(f, "@{name}"),
            Addresses::Anonymous(set) => {
                let elements: Vec<String> = set.iter().map(|element| element.to_string()).collect();
                write!(f, "{{ {} }}", elements.join(", "))
            }
        }
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |(first, last): &(u16, u16)| match first == last {
            true => first.to_string(),
            false => format!("{first}-{last}"),
        };
        let ranges: Vec<String> = self.as_slice().iter().map(range).collect();
        match ranges.as_slice() {
            [one] => f.write_str(one),
            many => write!(f, "{{ {} }}", many.join(", ")),
        }
    }
}

impl fmt::Display for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = [
            (States::INVALID, "invalid"),
            (States::ESTABLISHED, "established"),
            (States::RELATED, "related"),
            (States::NEW, "new"),
        ];
        let names = named.iter().filter(|(state, _)| state.meets(*self)).map(|(_, name)| *name);
        f.write_str(&names.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "log prefix \"{}\" group {}", self.prefix, self.group)?;
        if self.snaplen == 0 { Ok(()) } else { write!(f, " snaplen {}", self.snaplen) }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Accept => f.write_str("accept"),
            Verdict::Drop => f.write_str("drop"),
            Verdict::Return => f.write_str("return"),
            Verdict::Jump(chain) => write!(f, "jump {chain}"),
            Verdict::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

/// A protocol as `nft` names it everywhere, whatever `/etc/protocols` says.
struct Protocol(u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            TCP => f.write_str("tcp"),
            UDP => f.write_str("udp"),
            SCTP => f.write_str("sctp"),
            ICMP => f.write_str("icmp"),
            ICMPV6 => f.write_str("ipv6-icmp"),
            other => write!(f, "{other}"),
        }
    }
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.steps.iter().try_for_each(|step| writeln!(f, "{step}"))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::DeleteTable => {
                write!(f, "add table inet {TABLE}\ndelete table inet {TABLE}\nadd table inet {TABLE}")
            }
            Step::AddSet(name, kind) => write!(f, "add set inet {TABLE} {name} {{ {kind}; }}"),
            Step::AddElements(name, set) => write_change(f, "add", name, &elements(set)),
            Step::DeleteElements(name, set) => write_change(f, "delete", name, &elements(set)),
            Step::DeleteSet(name) => write!(f, "delete set inet {TABLE} {name}"),
            Step::AddMap(name, family) => {
                write!(f, "add map inet {TABLE} {name} {{ type {} : verdict; }}", address_type(*family))
            }
            Step::AddEntries(name, map) => write_change(f, "add", name, &entries(map)),
            Step::DeleteEntries(name, map) => write_change(f, "delete", name, &entries(map)),
            Step::DeleteMap(name) => write!(f, "delete map inet {TABLE} {name}"),
            Step::AddChain(name, None) => write!(f, "add chain inet {TABLE} {name}"),
            Step::AddChain(name, Some(base)) => write!(f, "add chain inet {TABLE} {name} {{ {base} }}"),
            Step::AddRule(chain, rule) => write!(f, "add rule inet {TABLE} {chain} {rule}"),
            Step::FlushChain(name) => write!(f, "flush chain inet {TABLE} {name}"),
            Step::DeleteChain(name) => write!(f, "delete chain inet {TABLE} {name}"),
        }
    }
}

fn write_change(f: &mut fmt::Formatter<'_>, what: &str, name: &str, elements: &[String]) -> fmt::Result {
    write!(f, "{what} element inet {TABLE} {name} {{ {} }}", elements.join(", "))
}

fn elements(set: &Set) -> Vec<String> {
    set.iter().map(|element| element.to_string()).collect()
}
