//! The order in which waiting attempts are served. The code is pure: no clock, no tasks.
//!
//! The next attempt is the one whose address *and* name were both served longest ago: of each attempt's two last
//! services, the later one counts, and the attempt for which it is the earliest is next. So a flood from one address
//! waits for its address, a flood for one name from many addresses waits for its name, and an attempt with another
//! address and another name is served at once. Among equals, the attempt whose other service is earlier is next: within
//! an address the names take turns, within a name the addresses take turns; then the order of arrival decides.
//!
//! Pairs of address and name that have signed in before are served first, except for every [`KNOWN_IN_A_ROW`]th time: a
//! user with an account must not shut out new users.

use std::collections::{BTreeMap, HashMap};

use crate::auth::address::Source;
use crate::domain::user::UserName;

/// The number of known pairs that are served before one unknown pair.
const KNOWN_IN_A_ROW: u32 = 3;

/// The most addresses and names whose last service is remembered. Older ones count as never served.
const MAX_REMEMBERED: usize = 4096;

/// An attempt that waits for a permit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedAttempt {
    /// The source that the attempt comes from.
    pub source: Source,
    /// The user name of the attempt. All names that no user can have count as one name.
    pub name: Option<UserName>,
    /// Whether this name has signed in from this source before.
    pub known: bool,
}

/// The limits on the number of attempts that wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueBounds {
    pub all: usize,
    pub per_source: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Source(Source),
    Name(Option<UserName>),
}

/// The waiting attempts, each with a value that is returned when it is served.
#[derive(Debug)]
pub(super) struct AttemptQueue<T> {
    /// The waiting attempts by ticket. Later attempts have higher tickets.
    waiting: BTreeMap<u64, (QueuedAttempt, T)>,
    next_ticket: u64,
    /// The number of services so far. A service number of 0 means never.
    services: u64,
    last: HashMap<Key, u64>,
    known_in_a_row: u32,
}

impl<T> Default for AttemptQueue<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            next_ticket: 0,
            services: 0,
            last: HashMap::new(),
            known_in_a_row: 0,
        }
    }
}

impl<T> AttemptQueue<T> {
    /// Takes a place and returns its ticket, or `None` if there is no place. Another attempt may be evicted to make
    /// room; its `T` is then dropped.
    pub(super) fn join(&mut self, attempt: QueuedAttempt, then: T, bounds: QueueBounds) -> Option<u64> {
        if self.of_source(attempt.source) >= bounds.per_source {
            // Within its own source, a known pair evicts an unknown one.
            let own = |other: &QueuedAttempt| other.source == attempt.source;
            self.evict(|other| attempt.known && !other.known && own(other))?;
        } else if self.waiting.len() >= bounds.all {
            let own = self.of_source(attempt.source);
            let sources = self.count(|other| other.source);
            self.evict(|other| {
                let holds_more = sources.get(&other.source).is_some_and(|count| *count > own);
                match (attempt.known, other.known) {
                    (true, false) => true,
                    (false, true) => false,
                    (true, true) | (false, false) => holds_more,
                }
            })?;
        }
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.waiting.insert(ticket, (attempt, then));
        Some(ticket)
    }

    /// Gives up a place. Nothing happens if the attempt was served or evicted before.
    pub(super) fn leave(&mut self, ticket: u64) {
        self.waiting.remove(&ticket);
    }

    /// Removes the next attempt from the line, and counts the service.
    pub(super) fn next(&mut self) -> Option<T> {
        let known_first = self.known_in_a_row < KNOWN_IN_A_ROW;
        let order = |(ticket, (attempt, _)): &(&u64, &(QueuedAttempt, T))| {
            let source = self.last_service(&Key::Source(attempt.source));
            let name = self.last_service(&Key::Name(attempt.name.clone()));
            (
                attempt.known != known_first,
                source.max(name),
                source.min(name),
                **ticket,
            )
        };
        let ticket = self.waiting.iter().min_by_key(order).map(|(ticket, _)| *ticket)?;
        let (attempt, then) = self.waiting.remove(&ticket)?;
        self.served(&attempt);
        Some(then)
    }

    /// Counts a service, including that of an attempt that did not have to wait.
    pub(super) fn served(&mut self, attempt: &QueuedAttempt) {
        self.services += 1;
        self.known_in_a_row = if attempt.known { self.known_in_a_row + 1 } else { 0 };
        if self.last.len() + 2 > MAX_REMEMBERED {
            let recent = self.services.saturating_sub(MAX_REMEMBERED as u64 / 4);
            self.last.retain(|_, service| *service > recent);
        }
        self.last.insert(Key::Source(attempt.source), self.services);
        self.last.insert(Key::Name(attempt.name.clone()), self.services);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Returns how many attempts have taken a place so far.
    #[cfg(test)]
    pub(super) fn joined(&self) -> u64 {
        self.next_ticket
    }

    fn last_service(&self, key: &Key) -> u64 {
        self.last.get(key).copied().unwrap_or(0)
    }

    fn of_source(&self, source: Source) -> usize {
        let all = self.waiting.values();
        all.filter(|(attempt, _)| attempt.source == source).count()
    }

    fn count<K: std::hash::Hash + Eq>(&self, key: impl Fn(&QueuedAttempt) -> K) -> HashMap<K, usize> {
        let mut counts = HashMap::new();
        for (attempt, _) in self.waiting.values() {
            *counts.entry(key(attempt)).or_default() += 1;
        }
        counts
    }

    /// Evicts one of the attempts for which `may_go` returns `true`: an unknown pair before a known one, then of the
    /// address with the most attempts in the line, then of the name with the most, then the newest.
    fn evict(&mut self, may_go: impl Fn(&QueuedAttempt) -> bool) -> Option<()> {
        let sources = self.count(|attempt| attempt.source);
        let names = self.count(|attempt| attempt.name.clone());
        let burden = |(ticket, (attempt, _)): &(&u64, &(QueuedAttempt, T))| {
            (
                !attempt.known,
                sources.get(&attempt.source).copied(),
                names.get(&attempt.name).copied(),
                **ticket,
            )
        };
        let candidates = self.waiting.iter().filter(|(_, (attempt, _))| may_go(attempt));
        let ticket = candidates.max_by_key(burden).map(|(ticket, _)| *ticket)?;
        self.waiting.remove(&ticket).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    const BOUNDS: QueueBounds = QueueBounds {
        all: 512,
        per_source: 384,
    };

    fn attempt(host: u32, name: &str, known: bool) -> QueuedAttempt {
        QueuedAttempt {
            source: IpAddr::V4(Ipv4Addr::from_bits(host)).into(),
            name: name.parse().ok(),
            known,
        }
    }

    fn join(line: &mut AttemptQueue<String>, host: u32, name: &str) {
        let text = format!("{host}/{name}");
        line.join(attempt(host, name, false), text, BOUNDS).unwrap();
    }

    /// Returns how many attempts are served before this one.
    fn before(line: &mut AttemptQueue<String>, wanted: &str) -> usize {
        std::iter::from_fn(|| line.next())
            .position(|served| served == wanted)
            .unwrap()
    }

    #[test]
    fn a_flood_from_one_address_delays_others_by_a_few() {
        let mut line = AttemptQueue::default();
        for n in 0..300 {
            join(&mut line, 1, &format!("u{}", n % 7));
        }
        line.next();
        join(&mut line, 2, "alice");
        join(&mut line, 3, "u1");
        join(&mut line, 1, "bob");
        assert_eq!(line.next().unwrap(), "2/alice");
        assert_eq!(line.next().unwrap(), "3/u1", "before all of the flood");
        assert!(
            before(&mut line, "1/bob") <= 7,
            "within an address by names in turn"
        );
    }

    #[test]
    fn a_flood_for_one_name_delays_others_by_a_few() {
        let mut line = AttemptQueue::default();
        for n in 0..300 {
            join(&mut line, 100 + n % 150, "root");
        }
        line.next();
        join(&mut line, 1, "alice");
        join(&mut line, 100, "bob");
        join(&mut line, 100, "carol");
        assert_eq!(line.next().unwrap(), "1/alice");
        assert!(before(&mut line, "100/bob") <= 3);
        assert!(before(&mut line, "100/carol") <= 3);
    }

    #[test]
    fn known_pairs_come_first_and_do_not_starve_others() {
        let mut line = AttemptQueue::default();
        for n in 0..100 {
            join(&mut line, 1, &format!("u{n}"));
        }
        for n in 0..20 {
            let name = format!("k{n}");
            line.join(attempt(1, &name, true), name, BOUNDS).unwrap();
        }
        let first: Vec<String> = std::iter::from_fn(|| line.next()).take(24).collect();
        let known = first.iter().filter(|served| served.starts_with('k')).count();
        assert_eq!(known, 18, "{first:?}");
        assert_eq!(first[..3], ["k0", "k1", "k2"]);
        assert_eq!(first[3], "1/u0");
    }

    #[test]
    fn a_full_queue_evicts_the_newest_of_the_largest_source() {
        let bounds = QueueBounds {
            all: 6,
            per_source: 4,
        };
        let mut line = AttemptQueue::default();
        let mut join = |host, name: &str, known| {
            let text = format!("{host}/{name}");
            let ticket = line.join(attempt(host, name, known), text, bounds);
            let mut waiting: Vec<String> = line.waiting.values().map(|(_, text)| text.clone()).collect();
            waiting.sort();
            ticket.map(|_| waiting.join(" "))
        };
        for name in ["a", "b", "c", "d"] {
            join(1, name, false).unwrap();
        }
        assert_eq!(join(1, "e", false), None, "its own limit");
        join(2, "x", false).unwrap();
        join(3, "x", false).unwrap();
        assert_eq!(join(2, "y", false).unwrap(), "1/a 1/b 1/c 2/x 2/y 3/x");
        assert_eq!(join(4, "z", false).unwrap(), "1/a 1/b 2/x 2/y 3/x 4/z");
        assert_eq!(join(1, "f", false), None, "it has most itself");
        // A known pair is never evicted by an unknown one, and evicts an attempt of the address that has the most.
        assert_eq!(join(1, "k", true).unwrap(), "1/a 1/b 1/k 2/y 3/x 4/z");
        for name in ["l", "m"] {
            join(1, name, true).unwrap();
        }
        let full = join(1, "n", true).unwrap();
        assert_eq!(full.matches("1/").count(), 4, "{full}");
        assert_eq!(join(1, "o", true), None, "none of its own is a stranger");
        assert_eq!(join(9, "z", false).unwrap(), "1/k 1/l 1/m 1/n 3/x 9/z");
    }

    #[test]
    fn memory_is_bounded() {
        let mut line: AttemptQueue<()> = AttemptQueue::default();
        for n in 0..20_000 {
            line.served(&attempt(n, &format!("u{n}"), false));
        }
        assert!(line.last.len() <= MAX_REMEMBERED);
    }
}
