//! The contents of nftables sets: sorted keys, exactly as the kernel holds them, in one block of memory.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

pub use policy::model::Family;

/// What the elements of a set are. All but blocks live in hash sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SetKind {
    /// Addresses.
    Address(Family),
    /// Address, protocol and port.
    Service(Family),
    /// Source and destination address.
    Pair(Family),
    /// Ranges of addresses, both ends included, that neither overlap nor touch.
    Block(Family),
}

impl SetKind {
    /// Of which family its addresses are.
    pub fn family(self) -> Family {
        match self {
            SetKind::Address(family)
            | SetKind::Service(family)
            | SetKind::Pair(family)
            | SetKind::Block(family) => family,
        }
    }

    /// How many bytes one element takes: fields padded to 4 bytes each, of a block both ends.
    pub(crate) fn stride(self) -> usize {
        match self {
            SetKind::Address(family) => width(family),
            SetKind::Service(family) => width(family) + 8,
            SetKind::Pair(family) | SetKind::Block(family) => width(family) * 2,
        }
    }
}

/// One element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Element {
    /// An address.
    Address(IpAddr),
    /// An address, a protocol's number and a port.
    Service(IpAddr, u8, u16),
    /// A source and a destination.
    Pair(IpAddr, IpAddr),
    /// The first and the last address of a range.
    Block(IpAddr, IpAddr),
}

impl Element {
    /// In which kind of set it can be; `None` where its two addresses are of two families, or a block ends
    /// before it begins.
    pub fn kind(&self) -> Option<SetKind> {
        let (family, other, kind): (_, _, fn(Family) -> SetKind) = match *self {
            Element::Address(address) => (Family::of(&address), address, SetKind::Address),
            Element::Service(address, _, _) => (Family::of(&address), address, SetKind::Service),
            Element::Pair(source, destination) => (Family::of(&source), destination, SetKind::Pair),
            Element::Block(first, last) if first > last => return None,
            Element::Block(first, last) => (Family::of(&first), last, SetKind::Block),
        };
        (family == Family::of(&other)).then(|| kind(family))
    }

    fn write(&self, out: &mut Vec<u8>) {
        match *self {
            Element::Address(address) => write_address(address, out),
            Element::Service(address, protocol, port) => {
                write_address(address, out);
                out.extend_from_slice(&[protocol, 0, 0, 0]);
                out.extend_from_slice(&port.to_be_bytes());
                out.extend_from_slice(&[0, 0]);
            }
            Element::Pair(first, second) | Element::Block(first, second) => {
                write_address(first, out);
                write_address(second, out);
            }
        }
    }

    /// The element that a key of that kind stands for.
    pub(crate) fn read(kind: SetKind, key: &[u8]) -> Option<Self> {
        let family = kind.family();
        let (first, rest) = key.split_at_checked(width(family))?;
        let first = read_address(family, first)?;
        match kind {
            SetKind::Address(_) => rest.is_empty().then_some(Element::Address(first)),
            SetKind::Service(_) => match *rest {
                [protocol, _, _, _, high, low, _, _] => {
                    Some(Element::Service(first, protocol, u16::from_be_bytes([high, low])))
                }
                _ => None,
            },
            SetKind::Pair(family) => Some(Element::Pair(first, read_address(family, rest)?)),
            SetKind::Block(family) => Some(Element::Block(first, read_address(family, rest)?)),
        }
    }
}

/// A set: elements of one kind, sorted, each once. 100,000 IPv4 addresses take 400 kB.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Set {
    kind: SetKind,
    keys: Vec<u8>,
}

impl Set {
    /// An empty set.
    pub fn new(kind: SetKind) -> Self {
        Set { kind, keys: Vec::new() }
    }

    /// Of these elements those of that kind, so that a list of mixed families can be given once for each.
    /// Blocks that overlap or touch become one.
    pub fn collect(kind: SetKind, elements: impl IntoIterator<Item = Element>) -> Self {
        let mut keys = Vec::new();
        for element in elements.into_iter().filter(|element| element.kind() == Some(kind)) {
            element.write(&mut keys);
        }
        Self::from_keys(kind, keys)
    }

    /// A set of these keys, in any order; what is left of a last key that isn't whole is ignored.
    pub(crate) fn from_keys(kind: SetKind, keys: Vec<u8>) -> Self {
        let keys = match kind.stride() {
            4 => sorted::<4>(keys),
            8 => sorted::<8>(keys),
            12 => sorted::<12>(keys),
            16 => sorted::<16>(keys),
            24 => sorted::<24>(keys),
            _ => sorted::<32>(keys),
        };
        match kind {
            SetKind::Block(family) => Set { kind, keys: merged(family, &keys) },
            SetKind::Address(_) | SetKind::Service(_) | SetKind::Pair(_) => Set { kind, keys },
        }
    }

    /// Keys that are sorted already.
    pub(crate) fn from_sorted(kind: SetKind, keys: Vec<u8>) -> Self {
        Set { kind, keys }
    }

    /// What its elements are.
    pub fn kind(&self) -> SetKind {
        self.kind
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.keys.len() / self.kind.stride()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Its elements in order.
    pub fn iter(&self) -> impl Iterator<Item = Element> + '_ {
        self.keys().filter_map(|key| Element::read(self.kind, key))
    }

    /// Its element, where it has just one.
    pub(crate) fn only(&self) -> Option<Element> {
        if self.len() == 1 { self.iter().next() } else { None }
    }

    /// Its keys in order.
    pub(crate) fn keys(&self) -> std::slice::ChunksExact<'_, u8> {
        self.keys.chunks_exact(self.kind.stride())
    }

    /// Whether the element is in it; an address is in a set of blocks where one of them holds it.
    pub fn contains(&self, element: &Element) -> bool {
        let mut key = Vec::with_capacity(self.kind.stride());
        element.write(&mut key);
        let family = width(self.kind.family());
        match (self.kind, element) {
            (SetKind::Block(_), Element::Address(_)) => {
                // The last block that begins at or before the address is the only one that can hold it.
                let after = self.position(|block| block.get(..family).is_some_and(|first| first <= &*key));
                let block = after.checked_sub(1).and_then(|index| self.keys().nth(index));
                key.len() == family
                    && block.is_some_and(|block| block.get(family..).is_some_and(|last| last >= &*key))
            }
            (kind, element) => {
                element.kind() == Some(kind)
                    && self.keys().nth(self.position(|other| other < &*key)) == Some(&*key)
            }
        }
    }

    /// Adds an element and says whether that changed anything. An element of another kind is left out.
    pub fn insert(&mut self, element: Element) -> bool {
        if element.kind() != Some(self.kind) {
            return false;
        }
        let mut key = Vec::with_capacity(self.kind.stride());
        element.write(&mut key);
        match self.kind {
            SetKind::Block(_) => {
                let keys = [&*self.keys, &*key].concat();
                let grown = Self::from_keys(self.kind, keys);
                let changed = *self != grown;
                *self = grown;
                changed
            }
            SetKind::Address(_) | SetKind::Service(_) | SetKind::Pair(_) => {
                let index = self.position(|other| other < &*key);
                let new = self.keys().nth(index) != Some(&*key);
                if new {
                    let at = index * self.kind.stride();
                    self.keys.splice(at..at, key);
                }
                new
            }
        }
    }

    /// Takes out an element, of blocks a whole one, and says whether it was there.
    pub fn remove(&mut self, element: &Element) -> bool {
        let stride = self.kind.stride();
        let mut key = Vec::with_capacity(stride);
        element.write(&mut key);
        let index = self.position(|other| other < &*key);
        let there = element.kind() == Some(self.kind) && self.keys().nth(index) == Some(&*key);
        if there {
            self.keys.drain(index * stride..(index + 1) * stride);
        }
        there
    }

    /// With these elements too.
    pub(crate) fn with(&self, more: &Set) -> Set {
        Self::from_keys(self.kind, [&*self.keys, &*more.keys].concat())
    }

    /// Without these elements.
    pub(crate) fn without(&self, fewer: &Set) -> Set {
        self.changes(fewer).0
    }

    /// The elements that only this set has, and those that only the other has.
    pub(crate) fn changes(&self, other: &Set) -> (Set, Set) {
        let (mut gone, mut come) = (Vec::new(), Vec::new());
        // Two large sets that differ in one element are the usual case: what they share at either end is
        // skipped a block at a time.
        let stride = self.kind.stride();
        let start = shared(&self.keys, &other.keys) / stride * stride;
        let old = self.keys.get(start..).unwrap_or_default();
        let new = other.keys.get(start..).unwrap_or_default();
        let end = shared_end(old, new) / stride * stride;
        let mut old = old.get(..old.len() - end).unwrap_or_default().chunks_exact(stride).peekable();
        let mut new = new.get(..new.len() - end).unwrap_or_default().chunks_exact(stride).peekable();
        loop {
            match (old.peek(), new.peek()) {
                (Some(a), Some(b)) if a == b => {
                    old.next();
                    new.next();
                }
                (Some(a), Some(b)) if a < b => gone.extend(old.next().into_iter().flatten()),
                (_, Some(_)) => come.extend(new.next().into_iter().flatten()),
                (Some(_), None) => gone.extend(old.next().into_iter().flatten()),
                (None, None) => break,
            }
        }
        (Set::from_sorted(self.kind, gone), Set::from_sorted(self.kind, come))
    }

    /// The index of the first key for which `before` no longer holds.
    fn position(&self, before: impl Fn(&[u8]) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.keys().nth(middle).is_some_and(&before) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

fn sorted<const N: usize>(mut bytes: Vec<u8>) -> Vec<u8> {
    let (keys, rest) = bytes.as_chunks_mut::<N>();
    if rest.is_empty() && keys.is_sorted_by(|a, b| a < b) {
        return bytes;
    }
    keys.sort_unstable();
    let mut keys = keys.to_vec();
    keys.dedup();
    keys.into_flattened()
}

const BLOCK: usize = 4096;

/// How many bytes two slices share at their start, to within a block.
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.chunks(BLOCK).zip(b.chunks(BLOCK)).take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum()
}

/// The same at their end.
fn shared_end(a: &[u8], b: &[u8]) -> usize {
    a.rchunks(BLOCK).zip(b.rchunks(BLOCK)).take_while(|(a, b)| a == b).map(|(a, _)| a.len()).sum()
}

/// Sorted ranges without overlap; one that begins where another ends is part of it.
fn merged(family: Family, keys: &[u8]) -> Vec<u8> {
    let width = width(family);
    let mut merged: Vec<(u128, u128)> = Vec::new();
    for range in keys.chunks_exact(width * 2) {
        let (first, last) = range.split_at(width);
        let (first, last) = (number(first), number(last));
        match merged.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            Some(_) | None => merged.push((first, last)),
        }
    }
    let ends = merged.into_iter().flat_map(|(first, last)| [first, last]);
    ends.flat_map(|end| end.to_be_bytes().into_iter().skip(16 - width)).collect()
}

/// An address as a number, so that the next one is that number plus one.
pub(crate) fn number(address: &[u8]) -> u128 {
    address.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

pub(crate) fn write_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
}

pub(crate) fn read_address(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => <[u8; 4]>::try_from(bytes).ok().map(|octets| Ipv4Addr::from(octets).into()),
        Family::V6 => <[u8; 16]>::try_from(bytes).ok().map(|octets| Ipv6Addr::from(octets).into()),
    }
}

impl fmt::Debug for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} ", self.kind)?;
        f.debug_list().entries(self.iter()).finish()
    }
}

/// How many bytes an address has.
pub(crate) fn width(family: Family) -> usize {
    match family {
        Family::V4 => 4,
        Family::V6 => 16,
    }
}
