//! Which entries must wait for earlier ones: those of the same hook that have a session, a file or a path in common.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// What two entries of one hook can have in common, as a hash. Two that are equal by chance only wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct OrderKey(u64);

impl OrderKey {
    /// Returns the keys of an entry.
    pub(super) fn all(hook: &str, keys: &[String]) -> Vec<Self> {
        let mut all: Vec<Self> = Vec::new();
        for key in keys.iter().map(|key| Self::of(hook, key)) {
            if !all.contains(&key) {
                all.push(key);
            }
        }
        all
    }

    /// Returns one key of the entries of a hook.
    pub(super) fn of(hook: &str, key: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (hook, key).hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The entries that wait, in a line for each key.
#[derive(Debug, Default)]
pub(super) struct EntryOrder {
    lines: HashMap<OrderKey, VecDeque<u64>>,
}

impl EntryOrder {
    /// Adds an entry behind all others.
    pub(super) fn add(&mut self, id: u64, keys: &[OrderKey]) {
        for key in keys {
            self.lines.entry(*key).or_default().push_back(id);
        }
    }

    /// Returns whether no earlier entry waits that has a key in common with this one.
    pub(super) fn is_first(&self, id: u64, keys: &[OrderKey]) -> bool {
        let mut lines = keys.iter().map(|key| self.lines.get(key));
        lines.all(|line| line.and_then(VecDeque::front) == Some(&id))
    }

    /// Returns the entries that have this key, in their order.
    pub(super) fn with_key(&self, key: OrderKey) -> impl Iterator<Item = u64> {
        self.lines.get(&key).into_iter().flatten().copied()
    }

    /// Removes an entry, and returns those that may be first now.
    pub(super) fn remove(&mut self, id: u64, keys: &[OrderKey]) -> Vec<u64> {
        let mut next = Vec::new();
        for key in keys {
            let Some(line) = self.lines.get_mut(key) else {
                continue;
            };
            match line.front() {
                Some(front) if *front == id => {
                    line.pop_front();
                }
                _ => line.retain(|other| *other != id),
            }
            match line.front() {
                Some(front) => next.push(*front),
                None => {
                    self.lines.remove(key);
                }
            }
        }
        next.sort_unstable();
        next.dedup();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_waits_for_all_earlier_ones_that_have_a_key_in_common() {
        let keys = |keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            OrderKey::all("hook", &keys)
        };
        let (a, b, c, d) = (
            keys(&["s1", "f1"]),
            keys(&["s2", "f1"]),
            keys(&["s2", "f2"]),
            keys(&["s3"]),
        );
        let mut order = EntryOrder::default();
        for (id, keys) in [(1, &a), (2, &b), (3, &c), (4, &d)] {
            order.add(id, keys);
        }
        assert!(order.is_first(1, &a) && order.is_first(4, &d));
        assert!(!order.is_first(2, &b) && !order.is_first(3, &c));
        assert_eq!(order.remove(1, &a), [2]);
        assert!(order.is_first(2, &b) && !order.is_first(3, &c));
        // One from the middle.
        assert_eq!(order.remove(3, &c), [2]);
        assert!(order.remove(2, &b).is_empty() && order.remove(4, &d).is_empty());
        assert!(order.lines.is_empty());
        assert_ne!(
            OrderKey::all("hook", &["x".into()]),
            OrderKey::all("other", &["x".into()])
        );
        assert_eq!(keys(&["x", "x"]).len(), 1);
    }
}
