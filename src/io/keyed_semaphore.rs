//! Semaphores by key, so that one stuck key does not block the others.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Weak};

use tokio::sync::Semaphore;

/// A set of semaphores, each of which exists while it is in use.
pub struct KeyedSemaphore<K> {
    permits: usize,
    semaphores: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Eq + Hash + Clone> KeyedSemaphore<K> {
    /// Gives each key a semaphore with `permits` permits.
    pub fn new(permits: usize) -> Self {
        Self {
            permits,
            semaphores: Mutex::default(),
        }
    }

    /// Returns the semaphore of this key.
    pub fn of(&self, key: &K) -> Arc<Semaphore> {
        let mut semaphores = self.semaphores.lock();
        if let Some(semaphore) = semaphores.get(key).and_then(Weak::upgrade) {
            return semaphore;
        }
        semaphores.retain(|_, semaphore| semaphore.strong_count() > 0);
        let semaphore = Arc::new(Semaphore::new(self.permits));
        semaphores.insert(key.clone(), Arc::downgrade(&semaphore));
        semaphore
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_semaphore_while_it_is_used() {
        let semaphores = KeyedSemaphore::new(1);
        let alice = semaphores.of(&"alice");
        let place = Arc::clone(&alice).try_acquire_owned().unwrap();
        assert!(semaphores.of(&"alice").try_acquire().is_err());
        assert!(semaphores.of(&"bob").try_acquire().is_ok());
        drop((alice, place));
        assert!(semaphores.of(&"alice").try_acquire().is_ok());
        assert!(
            semaphores.semaphores.lock().len() <= 2,
            "nothing is kept that nobody uses"
        );
    }
}
