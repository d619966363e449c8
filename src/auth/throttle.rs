//! Delays and refuses sign-in attempts after failures. The code is pure: the time is passed in.
//!
//! All failures are counted as *debt*: a failure adds one, time forgives it at a steady rate, and it never exceeds its
//! ceiling, so that the effects of an attack end soon after the attack. There are three tables:
//!
//! | whose debt | grows by | forgiven | when it is at its ceiling |
//! |---|---|---|---|
//! | a source (IPv4 address, IPv6 /64) | every failure | one in 10 s, of 20 | passwords from there are not checked |
//! | a user's name, whether it exists or not | wrong passwords | one in 2 s, of 60 | passwords for it are not checked |
//! | a user at a source from where they have signed in within 30 days ([`known_places`]) | wrong passwords | one in 10 s, of 10 | the two above apply |
//!
//! The answer to a failure is held back for a time that doubles with the larger debt: 0.5, 1, 2, 4, 8, 10, 10 … s. A
//! success is never held back and forgives nothing, because an attacker with one account could otherwise clear the debt
//! with it. A valid key is never checked against these tables, so that an attacker cannot lock a user out. The third
//! table serves users who share an address with an attacker (a proxy's or a carrier's address), and users whose name is
//! being attacked: from a source that they have used before, they can still sign in by password at once, because only
//! their own failures count there. Others must wait until the debt is below its ceiling; after an attack, that is
//! within the next 10 s.
//!
//! A user's debt is forgiven five times faster than a source's, so that blocking one name takes more than five sources.
//!
//! The tables are bounded. If one is full, the smallest debt is removed: to remove an offender, an attacker would have
//! to fill the table with larger debts than the offender's, each of which takes that many failures.

pub(super) mod known_places;
mod latest_sign_ins;

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use serde::Deserialize;

pub use self::known_places::KnownPlaces;
use self::known_places::MAX_ENTRIES;
pub use self::latest_sign_ins::LatestSignIns;
use super::address::Source;
use crate::domain::penalty::{Penalty, PenaltyRule};
use crate::domain::user::UserName;

/// The ceiling of a user's debt at a known source, in failures.
const PLACE_CEILING: u32 = 10;

/// The settings of `[auth.throttle]`: the delays and limits after failed attempts to sign in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ThrottleSettings {
    /// The delay of the answer to the first failure, in milliseconds; it doubles with each further failure.
    pub first_delay_ms: u64,
    /// The longest delay of an answer, in milliseconds.
    pub max_delay_ms: u64,
    /// The number of failures from one address after which passwords from there are not examined until some failures
    /// are forgiven.
    pub failures: u32,
    /// The time in which one failure of an address is forgiven, in seconds.
    pub forgive_secs: u32,
    /// The number of wrong passwords for one user after which passwords are examined only from sources that the user
    /// has used before.
    pub user_failures: u32,
    /// The time in which one wrong password for a user is forgiven, in seconds.
    pub user_forgive_secs: u32,
}

impl Default for ThrottleSettings {
    fn default() -> Self {
        Self {
            first_delay_ms: 500,
            // This is well within the login grace time, so that the client still receives its answer.
            max_delay_ms: 10_000,
            failures: 20,
            forgive_secs: 10,
            user_failures: 60,
            user_forgive_secs: 2,
        }
    }
}

/// Counts failed attempts and decides how long answers are held back.
#[derive(Debug)]
pub struct Throttle {
    settings: ThrottleSettings,
    sources: DebtTable<Source>,
    users: DebtTable<UserName>,
    places: KnownPlaces,
    latest: LatestSignIns,
}

impl Throttle {
    /// Creates a throttle without any recorded failures.
    pub fn new(settings: ThrottleSettings) -> Self {
        Self {
            sources: DebtTable::new(settings.failures, settings.forgive_secs),
            users: DebtTable::new(settings.user_failures, settings.user_forgive_secs),
            places: KnownPlaces::default(),
            latest: LatestSignIns::default(),
            settings,
        }
    }

    /// Whether a password may be examined. For a name that no user can have, only the source counts.
    pub fn admits(&self, source: Source, user: Option<&UserName>, now: Instant) -> bool {
        self.knows(source, user, now)
            || !(self.sources.full(&source, now) || user.is_some_and(|user| self.users.full(user, now)))
    }

    /// Whether a one-time code may be examined. Only a peer that has proven another factor gives one, so wrong
    /// passwords for the user's name do not count here, whoever has sent them.
    pub fn admits_code(&self, source: Source, user: Option<&UserName>, now: Instant) -> bool {
        self.knows(source, user, now) || !self.sources.full(&source, now)
    }

    /// Whether the user has signed in from this source before and has not failed there too often since. If so, failures
    /// of others do not count.
    pub fn knows(&self, source: Source, user: Option<&UserName>, now: Instant) -> bool {
        user.and_then(|user| self.places.get(user, source, now))
            .is_some_and(|place| !place.penalty.is_at_ceiling(self.place_rule(), now))
    }

    /// Counts a failure that did not concern a password, and returns how long the answer must be held back.
    pub fn failed(&mut self, source: Source, now: Instant) -> Duration {
        let debt = self.sources.add(source, now);
        self.delay(debt)
    }

    /// Counts a wrong password, and returns how long the answer must be held back.
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
            // A user who is known there is delayed only by their own failures, not by those of others.
            debt = own.filter(|_| known).unwrap_or(debt);
        }
        self.delay(debt)
    }

    /// Returns how long the answer to an attempt that was not examined must be held back. No failure is counted.
    pub fn refusal_delay(&self, source: Source, user: Option<&UserName>, now: Instant) -> Duration {
        let debt = user.map_or(0.0, |user| self.users.debt(user, now));
        self.delay(debt.max(self.sources.debt(&source, now)))
    }

    /// Records that a user has signed in from a source.
    pub fn signed_in(&mut self, source: Source, user: &UserName, now: Instant) {
        self.places.note(user, source, now);
        self.latest.note(user, now);
    }

    /// Returns the last sign-ins that the store does not have yet.
    pub fn latest(&mut self) -> &mut LatestSignIns {
        &mut self.latest
    }

    /// Returns the sources from which users have signed in.
    pub fn places(&mut self) -> &mut KnownPlaces {
        &mut self.places
    }

    fn delay(&self, debt: f64) -> Duration {
        let settings = &self.settings;
        // The debt includes this failure. A forgiven fraction does not shorten the delay until a whole failure is
        // forgiven.
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

/// Returns the rule by which a failure adds one point and one point is forgiven in each `forgive_secs`. A value of 0
/// counts as 1, so that neither can be switched off.
fn rule(ceiling: u32, forgive_secs: u32) -> PenaltyRule {
    PenaltyRule {
        ceiling: f64::from(ceiling.max(1)),
        forgive_after: Duration::from_secs(forgive_secs.max(1).into()),
    }
}

/// The debts of sources or users, a bounded number of them.
#[derive(Debug)]
pub(super) struct DebtTable<K> {
    rule: PenaltyRule,
    debts: HashMap<K, Penalty>,
}

impl<K: Hash + Eq + Clone> DebtTable<K> {
    pub(super) fn new(ceiling: u32, forgive_secs: u32) -> Self {
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

    pub(super) fn full(&self, who: &K, now: Instant) -> bool {
        self.debts
            .get(who)
            .is_some_and(|debt| debt.is_at_ceiling(self.rule, now))
    }

    pub(super) fn add(&mut self, who: K, now: Instant) -> f64 {
        if self.debts.len() >= MAX_ENTRIES && !self.debts.contains_key(&who) {
            self.make_room(now);
        }
        self.debts.entry(who).or_default().add(1.0, self.rule, now)
    }

    /// Removes the entries without any debt; if there are none, removes the entry with the smallest debt.
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
