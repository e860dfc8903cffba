//! Sets of ports by number, so that equal ones are met and compared once.

use hashbrown::HashMap;
use indexmap::IndexSet;

use crate::ports::PortSet;

/// The number of a set of ports in a [`Pool`].
pub type PortsId = u32;

/// Sets of ports, each once. 0 is none, 1 is all.
#[derive(Debug)]
pub struct Pool {
    sets: IndexSet<PortSet>,
    met: HashMap<(PortsId, PortsId), PortsId>,
}

/// No port.
pub const NONE: PortsId = 0;
/// Every protocol and port.
pub const ALL: PortsId = 1;

impl Default for Pool {
    fn default() -> Self {
        Pool { sets: [PortSet::default(), PortSet::all()].into_iter().collect(), met: HashMap::new() }
    }
}

impl Pool {
    /// The number of a set.
    pub fn number(&mut self, set: PortSet) -> PortsId {
        u32::try_from(self.sets.insert_full(set).0).unwrap_or(NONE)
    }

    /// The set of that number.
    pub fn set(&self, id: PortsId) -> Option<&PortSet> {
        self.sets.get_index(id as usize)
    }

    /// The ports in both sets.
    pub fn both(&mut self, one: PortsId, other: PortsId) -> PortsId {
        match (one.min(other), one.max(other)) {
            (NONE, _) => NONE,
            (ALL, more) => more,
            (less, more) if less == more => less,
            pair => match self.met.get(&pair) {
                Some(known) => *known,
                None => self.meet(pair),
            },
        }
    }

    fn meet(&mut self, pair: (PortsId, PortsId)) -> PortsId {
        let (Some(one), Some(other)) = (self.set(pair.0), self.set(pair.1)) else { return NONE };
        let set = one.and(other);
        let number = self.number(set);
        self.met.insert(pair, number);
        number
    }
}
