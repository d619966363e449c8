//! What failed attempts cost. Pure: the time is passed in.
//!
//! Everything is counted in *debt*: a failure adds one, time forgives it at a steady rate, and it never exceeds its
//! ceiling, so that what an attacker leaves behind is gone soon after the attack. There are three tables:
//!
//! | whose debt | grows by | forgiven | when it is at its ceiling |
//! |---|---|---|---|
//! | a source (IPv4 address, IPv6 /64) | every failure | one in 10 s, of 20 | passwords from there are not looked at |
//! | a user's name, whether it exists or not | wrong passwords | one in 2 s, of 60 | passwords for it are not looked at |
//! | a user at a source from where they have signed in within 30 days ([`known_places`]) | wrong passwords | one in 10 s, of 10 | the two above apply |
//!
//! The answer to a failure is held back for a time that doubles with the larger debt: 0.5, 1, 2, 4, 8, 10, 10 … s. A
//! success is never held back and forgives nothing: else an attacker with one account would clear the debt with it.
//! A valid key is never looked up here at all, so that nobody can lock another one out. The third table is for those
//! behind the address of an attacker (a proxy's, a carrier's), or whose name is being attacked: they still get in with
//! their password from where they have been before, at once: their own failures alone decide. Others must wait for a
//! moment in which the debt is below its ceiling; after an attack, that is the next 10 s.
//!
//! A user's debt is forgiven five times faster than a source's, so that it takes more than five sources to hold up
//! one name.
//!
//! The tables are bounded. Where one is full, the smallest debt makes room: to wash out an offender, an attacker
//! would have to fill the table with debts larger than the offender's, which takes that many failures each.

pub(super) mod known_places;

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use serde::Deserialize;

pub use self::known_places::KnownPlaces;
use self::known_places::MAX_ENTRIES;
use super::address::Source;
use crate::domain::penalty::{Penalty, PenaltyRule};
use crate::domain::user::UserName;

/// The ceiling of a user's debt at a known source.
const PLACE_CEILING: u32 = 10;

/// The settings of `[auth.throttle]`: what failed attempts to sign in cost.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleSettings {
    /// How long the answer to the first failure is held back; doubled for each further one.
    pub first_delay_ms: u64,
    /// The longest time that an answer is held back.
    pub max_delay_ms: u64,
    /// Failures from one address after which no password from there is looked at, until some are forgiven.
    pub failures: u32,
    /// Seconds in which one failure of an address is forgiven.
    pub forgive_secs: u32,
    /// Wrong passwords for one user after which no password is looked at, but from where the user was before.
    pub user_failures: u32,
    /// Seconds in which one wrong password for a user is forgiven.
    pub user_forgive_secs: u32,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            first_delay_ms: 500,
            // Well within the login grace time, so that the client sees its answer.
            max_delay_ms: 10_000,
            failures: 20,
            forgive_secs: 10,
            user_failures: 60,
            user_forgive_secs: 2,
        }
    }
}

/// Counts failed attempts, and decides how long answers are held back.
#[derive(Debug)]
pub struct Throttle {
    settings: ThrottleSettings,
    sources: DebtTable<Source>,
    users: DebtTable<UserName>,
    places: KnownPlaces,
}

impl Throttle {
    /// A throttle for which nobody has failed yet.
    pub fn new(settings: ThrottleSettings) -> Self {
        Self {
            sources: DebtTable::new(settings.failures, settings.forgive_secs),
            users: DebtTable::new(settings.user_failures, settings.user_forgive_secs),
            places: KnownPlaces::default(),
            settings,
        }
    }

    /// Whether a password may be looked at. A name that no user can have counts for the source alone.
    pub fn admits(&self, source: Source, user: Option<&UserName>, now: Instant) -> bool {
        self.knows(source, user, now)
            || !(self.sources.full(&source, now) || user.is_some_and(|user| self.users.full(user, now)))
    }

    /// Whether the user has signed in from there before, and has not failed there too often since. Then nobody else's
    /// failures count.
    pub fn knows(&self, source: Source, user: Option<&UserName>, now: Instant) -> bool {
        user.and_then(|user| self.places.get(user, source, now))
            .is_some_and(|place| !place.penalty.is_at_ceiling(self.place_rule(), now))
    }

    /// Counts a failure that had nothing to do with a password, and returns how long to hold the answer back.
    pub fn failed(&mut self, source: Source, now: Instant) -> Duration {
        let debt = self.sources.add(source, now);
        self.delay(debt)
    }

    /// Counts a wrong password, and returns how long to hold the answer back.
    pub fn wrong_password(&mut self, source: Source, user: Option<&UserName>, now: Instant) -> Duration {
        let known = self.knows(source, user, now);
        let mut debt = self.sources.add(source, now);
        if let Some(user) = user {
            let rule = self.place_rule();
            let own = self
                .places
                .get_mut(user, source)
                .map(|place| place.penalty.add(1.0, rule, now));
            debt = debt.max(self.users.add(user.clone(), now));
            // Nor does a slip of a user's who is known there cost what others have earned.
            debt = own.filter(|_| known).unwrap_or(debt);
        }
        self.delay(debt)
    }

    /// How long to hold back the answer to an attempt that was not even looked at. It costs nothing more.
    pub fn refusal_delay(&self, source: Source, user: Option<&UserName>, now: Instant) -> Duration {
        let debt = user.map_or(0.0, |user| self.users.debt(user, now));
        self.delay(debt.max(self.sources.debt(&source, now)))
    }

    /// Remembers that a user has signed in from a source.
    pub fn signed_in(&mut self, source: Source, user: &UserName, now: Instant) {
        self.places.note(user, source, now);
    }

    /// The places that users have signed in from.
    pub fn places(&mut self) -> &mut KnownPlaces {
        &mut self.places
    }

    fn delay(&self, debt: f64) -> Duration {
        let settings = &self.settings;
        // The debt after this failure; forgiven fractions do not make it cheaper before a whole one is forgiven.
        let doublings = (1..32).take_while(|&n| f64::from(n) < debt.ceil()).count();
        let factor = 1u64
            .checked_shl(u32::try_from(doublings).unwrap_or(63))
            .unwrap_or(u64::MAX);
        Duration::from_millis(
            settings
                .first_delay_ms
                .saturating_mul(factor)
                .min(settings.max_delay_ms),
        )
    }

    fn place_rule(&self) -> PenaltyRule {
        rule(PLACE_CEILING, self.settings.forgive_secs)
    }
}

/// A failure adds one point; one is forgiven in each `forgive_secs`. Neither can be switched off by 0.
fn rule(ceiling: u32, forgive_secs: u32) -> PenaltyRule {
    PenaltyRule {
        ceiling: f64::from(ceiling.max(1)),
        forgive_after: Duration::from_secs(forgive_secs.max(1).into()),
    }
}

/// Debts by the source or the user that owes them.
#[derive(Debug)]
struct DebtTable<K> {
    rule: PenaltyRule,
    debts: HashMap<K, Penalty>,
}

impl<K: Hash + Eq + Clone> DebtTable<K> {
    fn new(ceiling: u32, forgive_secs: u32) -> Self {
        Self {
            rule: rule(ceiling, forgive_secs),
            debts: HashMap::new(),
        }
    }

    fn debt(&self, who: &K, now: Instant) -> f64 {
        self.debts
            .get(who)
            .map_or(0.0, |debt| debt.points(self.rule, now))
    }

    fn full(&self, who: &K, now: Instant) -> bool {
        self.debts
            .get(who)
            .is_some_and(|debt| debt.is_at_ceiling(self.rule, now))
    }

    fn add(&mut self, who: K, now: Instant) -> f64 {
        if self.debts.len() >= MAX_ENTRIES && !self.debts.contains_key(&who) {
            self.make_room(now);
        }
        self.debts.entry(who).or_default().add(1.0, self.rule, now)
    }

    /// Forgets those who owe nothing more; if there are none, whoever owes the least.
    fn make_room(&mut self, now: Instant) {
        let rule = self.rule;
        self.debts.retain(|_, debt| debt.points(rule, now) > 0.0);
        if self.debts.len() < MAX_ENTRIES {
            return;
        }
        let smallest = self
            .debts
            .iter()
            .min_by(|(_, a), (_, b)| a.points(rule, now).total_cmp(&b.points(rule, now)))
            .map(|(who, _)| who.clone());
        if let Some(who) = smallest {
            self.debts.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests;
