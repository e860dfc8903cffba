//! Pods and identities under small numbers, and who owns an address.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;
use smallvec::SmallVec;

use super::identity::{Entry, Identity};
use crate::model::{Endpoint, EndpointId, Family, Text};

/// All pods.
#[derive(Clone, Default)]
pub(super) struct Pods {
    slots: Slots<Pod>,
    numbers: HashMap<EndpointId, u32>,
    in_namespace: HashMap<Text, HashSet<u32>>,
    claims: HashMap<IpAddr, SmallVec<[u32; 1]>>,
}

/// One pod.
#[derive(Clone)]
pub(super) struct Pod {
    pub(super) endpoint: Endpoint,
    /// `None` where policies don't know it as a pod, and until it is settled.
    pub(super) identity: Option<u32>,
}

impl Pods {
    pub(super) fn get(&self, id: &EndpointId) -> Option<&Pod> {
        self.slots.get(*self.numbers.get(id)?)
    }

    pub(super) fn at(&self, number: u32) -> Option<&Pod> {
        self.slots.get(number)
    }

    pub(super) fn at_mut(&mut self, number: u32) -> Option<&mut Pod> {
        self.slots.get_mut(number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Pod> {
        self.slots.iter().map(|(_, pod)| pod)
    }

    pub(super) fn numbered(&self) -> impl Iterator<Item = (u32, &Pod)> {
        self.slots.iter()
    }

    pub(super) fn in_namespace(&self, name: &str) -> impl Iterator<Item = u32> {
        self.in_namespace.get(name).into_iter().flatten().copied()
    }

    pub(super) fn insert(&mut self, endpoint: Endpoint) -> u32 {
        let id = endpoint.id.clone();
        let claims = claims(&endpoint);
        let number = self.slots.insert(Pod { endpoint, identity: None });
        for address in claims {
            self.claims.entry(address).or_default().push(number);
        }
        self.in_namespace.entry(id.namespace.clone()).or_default().insert(number);
        self.numbers.insert(id, number);
        number
    }

    pub(super) fn remove(&mut self, id: &EndpointId) -> Option<(u32, Pod)> {
        let number = self.numbers.remove(id)?;
        let pod = self.slots.remove(number)?;
        for address in claims(&pod.endpoint) {
            if let Some(claiming) = self.claims.get_mut(&address) {
                claiming.retain(|other| *other != number);
                if claiming.is_empty() {
                    self.claims.remove(&address);
                }
            }
        }
        if let Some(there) = self.in_namespace.get_mut(&id.namespace) {
            there.remove(&number);
            if there.is_empty() {
                self.in_namespace.remove(&id.namespace);
            }
        }
        Some((number, pod))
    }

    fn owner_number(&self, address: IpAddr) -> Option<u32> {
        let claiming = self.claims.get(&address)?;
        match claiming.as_slice() {
            [only] => Some(*only),
            several => several.iter().copied().min_by_key(|number| {
                self.slots.get(*number).map(|pod| (pod.endpoint.phase, pod.endpoint.id.clone()))
            }),
        }
    }

    /// The pod that an address belongs to: of several the live one, then the first by name.
    pub(super) fn owner(&self, address: IpAddr) -> Option<&Pod> {
        self.slots.get(self.owner_number(address)?)
    }

    /// A pod's address of that family, if it is the pod's and not another's.
    pub(super) fn address(&self, number: u32, family: Family) -> Option<IpAddr> {
        let address = self.slots.get(number)?.endpoint.address(family)?;
        (self.owner_number(address) == Some(number)).then_some(address)
    }

    /// The pods that claim an address in one of `nets`. Asks every address: new blocks are rare, and owners
    /// are asked for with every flow.
    pub(super) fn within<'a>(&'a self, nets: &'a [IpNet]) -> impl Iterator<Item = u32> + 'a {
        let inside = |address: &IpAddr| nets.iter().any(|net| net.contains(address));
        let claims = self.claims.iter().filter(move |(address, _)| inside(address));
        claims.flat_map(|(_, claiming)| claiming.iter().copied())
    }
}

/// The addresses that a pod may own: none where policies don't know it as a pod.
fn claims(endpoint: &Endpoint) -> Vec<IpAddr> {
    if endpoint.is_policed() { endpoint.addresses.clone() } else { Vec::new() }
}

/// All identities in use.
#[derive(Clone, Default)]
pub(super) struct Identities {
    slots: Slots<Entry>,
    numbers: HashMap<Arc<Identity>, u32>,
}

impl Identities {
    pub(super) fn get(&self, number: u32) -> Option<&Entry> {
        self.slots.get(number)
    }

    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut Entry> {
        self.slots.get_mut(number)
    }

    pub(super) fn number(&self, identity: &Identity) -> Option<u32> {
        self.numbers.get(identity).copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.slots.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }

    pub(super) fn insert(&mut self, entry: Entry) -> u32 {
        let identity = entry.identity.clone();
        let number = self.slots.insert(entry);
        self.numbers.insert(identity, number);
        number
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<Entry> {
        let entry = self.slots.remove(number)?;
        self.numbers.remove(&entry.identity);
        Some(entry)
    }
}

/// Values under small numbers that are used again.
#[derive(Clone)]
struct Slots<T> {
    all: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { all: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    fn get(&self, number: u32) -> Option<&T> {
        self.all.get(number as usize)?.as_ref()
    }

    fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.all.get_mut(number as usize)?.as_mut()
    }

    fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(&self.all).filter_map(|(number, slot)| Some((number, slot.as_ref()?)))
    }

    fn insert(&mut self, value: T) -> u32 {
        if let Some(number) = self.free.pop()
            && let Some(slot) = self.all.get_mut(number as usize)
        {
            *slot = Some(value);
            return number;
        }
        self.all.push(Some(value));
        u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
    }

    fn remove(&mut self, number: u32) -> Option<T> {
        let value = self.all.get_mut(number as usize)?.take()?;
        self.free.push(number);
        Some(value)
    }
}
