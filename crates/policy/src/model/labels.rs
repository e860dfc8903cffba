//! Labels of a pod, namespace or node.

use std::sync::Arc;

use super::Text;

/// An immutable set of labels, sorted by key; a clone shares the memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Labels {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Text> {
        let at = self.0.binary_search_by(|(k, _)| k.as_ref().cmp(key)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// All labels in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// These labels and one more; an existing value of `key` is replaced.
    pub fn with(&self, key: &str, value: &str) -> Labels {
        let others = self.0.iter().filter(|(k, _)| k.as_ref() != key).cloned();
        others.chain([(Text::from(key), Text::from(value))]).collect()
    }

    /// How many labels there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no label at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of a key given twice the last value counts.
impl FromIterator<(Text, Text)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Text, Text)>>(labels: I) -> Self {
        let mut sorted: Vec<(Text, Text)> = labels.into_iter().collect();
        // a stable sort, and of equal neighbours the later one stays
        sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
        sorted.dedup_by(|later, earlier| {
            let is_again = later.0 == earlier.0;
            if is_again {
                std::mem::swap(later, earlier);
            }
            is_again
        });
        Labels(sorted.into())
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(labels: [(&str, &str); N]) -> Self {
        labels.into_iter().map(|(key, value)| (Text::from(key), Text::from(value))).collect()
    }
}

impl std::fmt::Debug for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl std::fmt::Display for Labels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (key, value)) in self.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}
