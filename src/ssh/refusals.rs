//! Connections that were refused or closed before the sign-in, summarised for the audit log.
//!
//! The first refusal of a source for a reason is an event immediately; those that follow within [`INTERVAL`] are
//! counted, and reported as one event with the number. A flood thus costs one line for each source, reason and
//! interval, and at most [`MAX_KINDS`] of them: all others are reported in one line together.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::auth::Source;
use crate::domain::event::Event;
use crate::session::events::Events;

use super::refusal_reason::RefusalReason;

/// How long refusals of one kind are counted before they are reported.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// The most pairs of source and reason that are counted separately: enough to identify the sources, and few enough
/// lines to read.
const MAX_KINDS: usize = 256;

/// The most of these pairs that one source may have: its reasons quote what it sends, and must not take the room of
/// others.
const MAX_KINDS_PER_SOURCE: usize = 16;

/// The reason that is given for all those beyond [`MAX_KINDS`].
const OTHERS: RefusalReason<'static> =
    RefusalReason::new("various", "refused for various reasons, as many others are");

/// The longest reason, in characters. Longer reasons quote what a peer sent: a handshake names the algorithms of both
/// sides.
const MAX_REASON: usize = 2000;

/// Counts refusals, and emits events for them.
pub struct Refusals {
    events: Events,
    counts: Mutex<RefusalCounts>,
}

#[derive(Default)]
struct RefusalCounts {
    kinds: HashMap<RefusalKind, RefusalCount>,
    others: Option<RefusalCount>,
}

impl RefusalCounts {
    fn of_source(&self, source: Source) -> usize {
        self.kinds.keys().filter(|kind| kind.source == source).count()
    }
}

/// Refusals of one source for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RefusalKind {
    source: Source,
    code: &'static str,
    reason: String,
}

struct RefusalCount {
    /// The peer of the last refusal.
    peer: SocketAddr,
    unreported: u64,
    since: Instant,
}

impl Refusals {
    /// Creates counters that have counted nothing yet.
    pub fn new(events: Events) -> Self {
        Self {
            events,
            counts: Mutex::default(),
        }
    }

    /// Counts the refusal of a peer, and emits an event immediately if it is the first for this source and reason.
    pub fn note(&self, peer: SocketAddr, reason: RefusalReason<'_>, now: Instant) {
        let source = Source::from(peer.ip());
        let kind = |reason: RefusalReason<'_>| RefusalKind {
            source,
            code: reason.code,
            reason: reason.sentence.chars().take(MAX_REASON).collect(),
        };
        let mut key = kind(reason);
        let mut counts = self.counts();
        if !counts.kinds.contains_key(&key) && counts.of_source(source) >= MAX_KINDS_PER_SOURCE {
            key = kind(OTHERS);
        }
        if let Some(count) = counts.kinds.get_mut(&key) {
            count.peer = peer;
            count.unreported += 1;
            return;
        }
        let fresh = RefusalCount {
            peer,
            unreported: 0,
            since: now,
        };
        if counts.kinds.len() < MAX_KINDS {
            counts.kinds.insert(key.clone(), fresh);
            drop(counts);
            self.report(peer, key, 1);
        } else {
            let others = counts.others.get_or_insert(fresh);
            others.peer = peer;
            others.unreported += 1;
        }
    }

    /// Reports the refusals that were counted for long enough. It must be called regularly.
    pub fn flush(&self, now: Instant) {
        self.flush_before(now.checked_sub(INTERVAL));
    }

    /// Reports all refusals that were counted.
    pub fn flush_all(&self) {
        self.flush_before(Some(Instant::now()));
    }

    fn flush_before(&self, limit: Option<Instant>) {
        let Some(limit) = limit else { return };
        let mut due = Vec::new();
        {
            let mut counts = self.counts();
            counts.kinds.retain(|kind, count| {
                if count.since > limit {
                    return true;
                }
                let unreported = std::mem::take(&mut count.unreported);
                count.since += INTERVAL;
                if unreported > 0 {
                    due.push((count.peer, kind.clone(), unreported));
                }
                unreported > 0
            });
            if let Some(count) = counts.others.take_if(|count| count.since <= limit) {
                let kind = RefusalKind {
                    source: Source::from(count.peer.ip()),
                    code: OTHERS.code,
                    reason: OTHERS.sentence.to_owned(),
                };
                due.push((count.peer, kind, count.unreported));
            }
        }
        for (peer, kind, count) in due {
            self.report(peer, kind, count);
        }
    }

    fn report(&self, peer: SocketAddr, kind: RefusalKind, count: u64) {
        self.events.emit(&Event::Refused {
            peer,
            code: kind.code,
            reason: kind.reason,
            count,
        });
    }

    fn counts(&self) -> MutexGuard<'_, RefusalCounts> {
        self.counts.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::session::events::Subscriber;

    const TOO_MANY: RefusalReason<'static> = RefusalReason::new("connections", "too many");

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<(String, String, u64)>>>);

    impl Subscriber for Seen {
        fn on_event(&self, event: &Event) {
            if let Event::Refused {
                peer, reason, count, ..
            } = event
            {
                let line = (peer.ip().to_string(), reason.clone(), *count);
                self.0.lock().push(line);
            }
        }
    }

    fn refusals() -> (Refusals, Seen) {
        let seen = Seen::default();
        let events = Events::new(vec![Box::new(seen.clone())]);
        (Refusals::new(events), seen)
    }

    fn peer(text: &str) -> SocketAddr {
        SocketAddr::new(text.parse().unwrap(), 1)
    }

    #[test]
    fn the_first_is_reported_at_once_and_the_rest_as_a_number() {
        let (refusals, seen) = refusals();
        let now = Instant::now();
        for _ in 0..1000 {
            refusals.note(peer("192.0.2.1"), TOO_MANY, now);
        }
        refusals.note(peer("192.0.2.2"), TOO_MANY, now);
        refusals.note(
            peer("192.0.2.1"),
            RefusalReason::new("no_identification", "no greeting"),
            now,
        );
        assert_eq!(seen.0.lock().len(), 3);
        refusals.flush(now + INTERVAL / 2);
        assert_eq!(seen.0.lock().len(), 3);
        refusals.flush(now + INTERVAL);
        let last = seen.0.lock().pop().unwrap();
        assert_eq!(last, ("192.0.2.1".to_owned(), "too many".to_owned(), 999));
        // While it continues, there is one line for each interval; after it has ended, it begins again.
        refusals.note(peer("192.0.2.1"), TOO_MANY, now + INTERVAL);
        refusals.flush_all();
        refusals.flush(now + INTERVAL * 2);
        assert_eq!(seen.0.lock().len(), 4);
        refusals.flush(now + INTERVAL * 3);
        assert!(refusals.counts().kinds.is_empty());
    }

    #[test]
    fn a_source_with_many_reasons_leaves_room_for_others() {
        let (refusals, seen) = refusals();
        let now = Instant::now();
        for n in 0..5000u32 {
            let sentence = format!("the client offers {n}");
            let offers = RefusalReason::new("no_common_algorithm", &sentence);
            refusals.note(peer("192.0.2.1"), offers, now);
        }
        refusals.note(peer("192.0.2.2"), TOO_MANY, now);
        let reports = || seen.0.lock().clone();
        assert_eq!(reports().len(), MAX_KINDS_PER_SOURCE + 2);
        assert_eq!(reports().last().unwrap().0, "192.0.2.2");
        refusals.flush(now + INTERVAL);
        let all: u64 = reports().iter().map(|(_, _, times)| times).sum();
        assert_eq!((reports().len(), all), (MAX_KINDS_PER_SOURCE + 3, 5001));
    }

    #[test]
    fn a_flood_of_many_sources_is_a_bounded_number_of_lines() {
        let (refusals, seen) = refusals();
        let now = Instant::now();
        for n in 0..5000u32 {
            let peer = SocketAddr::new(std::net::Ipv4Addr::from_bits(n).into(), 1);
            refusals.note(peer, TOO_MANY, now);
        }
        refusals.flush(now + INTERVAL);
        let seen = seen.0.lock();
        assert_eq!(seen.len(), MAX_KINDS + 1);
        let all: u64 = seen.iter().map(|(_, _, count)| count).sum();
        assert_eq!(all, 5000);
    }
}
