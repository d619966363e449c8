//! The sources from which users have signed in. The code is pure: the time is passed in.
//!
//! The number is bounded for each user and in total; when it is full, the entry that was used longest ago is removed.
//! The store keeps the entries when the server stops: [`KnownPlaces::unwritten`] returns what must be written there.
//! That is little, because a source that is used every minute is written once a day.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, Instant};

use crate::auth::address::Source;
use crate::domain::penalty::Penalty;
use crate::domain::user::UserName;

/// The most entries in each table: some megabytes, and more sources than fail at the same time outside a large attack.
pub(super) const MAX_ENTRIES: usize = 16 * 1024;

/// The most sources that are remembered for each user: home, office, phone, and some more.
pub const MAX_PLACES: usize = 8;

/// The time for which a sign-in from a source is remembered.
pub const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);

/// The interval at which a source in constant use is written to the store.
const WRITE_EVERY: Duration = Duration::from_secs(24 * 3600);

/// The sources from which users have signed in.
#[derive(Debug, Default)]
pub struct KnownPlaces {
    users: HashMap<UserName, Vec<KnownPlace>>,
    /// Whether there may be sign-ins that are not stored yet.
    changed: bool,
}

/// A source from which a user has signed in.
#[derive(Debug)]
pub(super) struct KnownPlace {
    source: Source,
    /// The time of the last sign-in from this source.
    at: Instant,
    /// The value of `at` that the store holds.
    written: Option<Instant>,
    /// The failures of this user at this source.
    pub penalty: Penalty,
}

impl KnownPlace {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= LIFETIME
    }

    fn is_unwritten(&self) -> bool {
        self.written
            .is_none_or(|written| self.at.saturating_duration_since(written) >= WRITE_EVERY)
    }
}

impl KnownPlaces {
    pub(super) fn get(&self, user: &UserName, source: Source, now: Instant) -> Option<&KnownPlace> {
        let places = self.users.get(user)?;
        places.iter().find(|p| p.source == source && !p.is_over(now))
    }

    pub(super) fn get_mut(&mut self, user: &UserName, source: Source) -> Option<&mut KnownPlace> {
        self.users.get_mut(user)?.iter_mut().find(|p| p.source == source)
    }

    /// Records that the user has signed in from this source.
    pub(super) fn note(&mut self, user: &UserName, source: Source, now: Instant) {
        if let Some(place) = self.get_mut(user, source) {
            place.at = now;
            self.changed |= self
                .get_mut(user, source)
                .is_some_and(|place| place.is_unwritten());
            return;
        }
        self.changed = true;
        let place = KnownPlace {
            source,
            at: now,
            written: None,
            penalty: Penalty::default(),
        };
        self.insert(user, place, now);
    }

    /// Adds a sign-in that the store holds.
    pub fn restore(&mut self, user: &UserName, source: Source, at: Instant, now: Instant) {
        let place = KnownPlace {
            source,
            at,
            written: Some(at),
            penalty: Penalty::default(),
        };
        if self.get_mut(user, source).is_none() && !place.is_over(now) {
            self.insert(user, place, now);
        }
    }

    /// Returns up to `most` sign-ins that the store does not hold (user, source and time) and marks them as written. If
    /// they cannot be written, [`KnownPlaces::not_written`] reverses that.
    pub fn unwritten(&mut self, most: usize) -> Vec<(UserName, Source, Instant)> {
        let mut found = Vec::new();
        if !std::mem::take(&mut self.changed) {
            return found;
        }
        for (user, places) in &mut self.users {
            for place in places.iter_mut().filter(|place| place.is_unwritten()) {
                if found.len() >= most {
                    self.changed = true;
                    return found;
                }
                place.written = Some(place.at);
                found.push((user.clone(), place.source, place.at));
            }
        }
        found
    }

    /// Records that these sign-ins could not be written.
    pub fn not_written(&mut self, places: &[(UserName, Source, Instant)]) {
        for (user, source, _) in places {
            if let Some(place) = self.get_mut(user, *source) {
                place.written = None;
                self.changed = true;
            }
        }
    }

    /// Forgets all users for which `keep` returns `false`.
    pub fn retain(&mut self, keep: impl Fn(&UserName) -> bool) {
        self.users.retain(|user, _| keep(user));
    }

    fn insert(&mut self, user: &UserName, place: KnownPlace, now: Instant) {
        if self.users.len() >= MAX_ENTRIES && !self.users.contains_key(user) {
            self.make_room(now);
        }
        let places = match self.users.entry(user.clone()) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(free) => free.insert(Vec::with_capacity(1)),
        };
        if places.len() >= MAX_PLACES {
            let oldest = places.iter().enumerate().min_by_key(|(_, place)| place.at);
            if let Some((index, _)) = oldest {
                places.swap_remove(index);
            }
        }
        places.push(place);
    }

    /// Removes the entries that are too old; if there are none, removes the user whose last sign-in is the oldest.
    fn make_room(&mut self, now: Instant) {
        self.users.retain(|_, places| {
            places.retain(|place| !place.is_over(now));
            !places.is_empty()
        });
        if self.users.len() < MAX_ENTRIES {
            return;
        }
        let last = |places: &Vec<KnownPlace>| places.iter().map(|place| place.at).max();
        let oldest = self.users.iter().min_by_key(|(_, places)| last(places));
        if let Some(user) = oldest.map(|(user, _)| user.clone()) {
            self.users.remove(&user);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.users.len(), self.users.values().map(Vec::len).sum())
    }
}
