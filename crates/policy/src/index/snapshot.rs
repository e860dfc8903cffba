//! The whole index as text, to hold two of them against each other.

use std::fmt::Write;

use super::Index;
use crate::model::Family;

impl Index {
    /// All that the index knows and has worked out, in an order that hangs on values alone: equal for equal
    /// clusters, byte for byte, however they came about.
    pub fn snapshot(&self) -> String {
        let mut text = String::new();
        self.write_facts(&mut text);
        self.write_peers(&mut text);
        self.write_identities(&mut text);
        text
    }

    fn write_facts(&self, text: &mut String) {
        let mut namespaces: Vec<_> = self.namespaces.iter().collect();
        namespaces.sort();
        let mut policies: Vec<_> = self.policies.values().map(|compiled| &compiled.policy).collect();
        policies.sort_by(|a, b| a.order().cmp(&b.order()));
        let mut rules: Vec<_> = self.rules.iter().collect();
        rules.sort();
        let mut pods: Vec<_> = self.pods.iter().map(|pod| &pod.endpoint).collect();
        pods.sort_by(|a, b| a.id.cmp(&b.id));
        write(text, "namespace", namespaces);
        write(text, "node", self.nodes.values());
        write(text, "policy", policies);
        write(text, "rule", rules);
        write(text, "pod", pods);
    }

    fn write_peers(&self, text: &mut String) {
        let mut peers: Vec<_> = self.peers.iter().collect();
        peers.sort_by_key(|(id, _)| **id);
        let members = |id| Family::BOTH.map(|family| self.members(id, family));
        write(text, "peers", peers.iter().map(|(id, entry)| (id, &entry.peer, &entry.nodes, members(**id))));
    }

    fn write_identities(&self, text: &mut String) {
        let mut entries: Vec<_> = self.identities.iter().map(|(_, entry)| entry).collect();
        entries.sort_by(|a, b| a.identity.cmp(&b.identity));
        for entry in entries {
            let mut pods: Vec<_> =
                entry.pods.iter().filter_map(|pod| self.pods.at(*pod)).map(|pod| &pod.endpoint.id).collect();
            pods.sort();
            write(text, "identity", [(&entry.identity, &entry.selectors, pods)]);
            write(text, "program", [&entry.ingress, &entry.egress]);
        }
    }
}

fn write(text: &mut String, what: &str, values: impl IntoIterator<Item = impl std::fmt::Debug>) {
    for value in values {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{what} {value:?}");
    }
}
