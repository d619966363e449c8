//! Counted places, by key: who hangs at one door keeps nobody from another.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Semaphore;

/// Semaphores that exist while somebody uses them.
pub struct Doors<K> {
    places: usize,
    doors: Mutex<HashMap<K, Weak<Semaphore>>>,
}

impl<K: Eq + Hash + Clone> Doors<K> {
    /// Each door has so many places.
    pub fn new(places: usize) -> Self {
        Self {
            places,
            doors: Mutex::default(),
        }
    }

    /// The door of this key.
    pub fn of(&self, key: &K) -> Arc<Semaphore> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = doors.get(key).and_then(Weak::upgrade) {
            return door;
        }
        doors.retain(|_, door| door.strong_count() > 0);
        let door = Arc::new(Semaphore::new(self.places));
        doors.insert(key.clone(), Arc::downgrade(&door));
        door
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_door_while_it_is_used() {
        let doors = Doors::new(1);
        let alice = doors.of(&"alice");
        let place = Arc::clone(&alice).try_acquire_owned().unwrap();
        assert!(doors.of(&"alice").try_acquire().is_err());
        assert!(doors.of(&"bob").try_acquire().is_ok());
        drop((alice, place));
        assert!(doors.of(&"alice").try_acquire().is_ok());
        assert!(
            doors.doors.lock().unwrap().len() <= 2,
            "nothing is kept that nobody uses"
        );
    }
}
