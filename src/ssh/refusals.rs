//! Connections that were turned away or cut before anybody signed in, summed up for the audit log.
//!
//! The first refusal of a source for a reason is an event at once; what follows within [`INTERVAL`] is counted, and
//! told as one event with the number. A flood thus costs one line for each source, reason and interval, and at most
//! [`MAX_KINDS`] of them: what is beyond that is told in one line for all.

use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::auth::Source;
use crate::domain::event::Event;
use crate::session::events::Events;

/// How long refusals of one kind are counted before they are told.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Sources and reasons that are counted one by one: enough to see who it is, and no more lines than one can read.
const MAX_KINDS: usize = 256;

/// The most of these kinds that one source has: its reasons quote what it sends, and must not take the room of
/// others.
const MAX_KINDS_PER_SOURCE: usize = 16;

/// The reason that is given for all those beyond [`MAX_KINDS`].
const OTHERS: &str = "refused for various reasons, as many others are";

/// Longer reasons quote what came from a peer: a handshake names the algorithms of both sides.
const MAX_REASON: usize = 2000;

/// Counts refusals, and tells the audit log of them.
pub struct Refusals {
    events: Events,
    counts: Mutex<RefusalCounts>,
}

#[derive(Default)]
struct RefusalCounts {
    kinds: HashMap<(Source, String), RefusalCount>,
    others: Option<RefusalCount>,
}

impl RefusalCounts {
    fn of_source(&self, source: Source) -> usize {
        self.kinds.keys().filter(|(other, _)| *other == source).count()
    }
}

struct RefusalCount {
    /// The peer of the last refusal.
    peer: SocketAddr,
    untold: u64,
    since: Instant,
}

impl Refusals {
    /// Nobody was refused yet.
    pub fn new(events: Events) -> Self {
        Self {
            events,
            counts: Mutex::default(),
        }
    }

    /// Counts a refused peer.
    pub fn note(&self, peer: SocketAddr, reason: &str, now: Instant) {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        let mut key = (Source::from(peer.ip()), reason);
        let mut counts = self.counts();
        if !counts.kinds.contains_key(&key) && counts.of_source(key.0) >= MAX_KINDS_PER_SOURCE {
            OTHERS.clone_into(&mut key.1);
        }
        if let Some(count) = counts.kinds.get_mut(&key) {
            count.peer = peer;
            count.untold += 1;
            return;
        }
        let fresh = RefusalCount {
            peer,
            untold: 0,
            since: now,
        };
        if counts.kinds.len() < MAX_KINDS {
            let reason = key.1.clone();
            counts.kinds.insert(key, fresh);
            drop(counts);
            self.tell(peer, reason, 1);
        } else {
            let others = counts.others.get_or_insert(fresh);
            others.peer = peer;
            others.untold += 1;
        }
    }

    /// Tells what was counted for long enough. It is to be called now and then.
    pub fn flush(&self, now: Instant) {
        self.flush_before(now.checked_sub(INTERVAL));
    }

    /// Tells all that was counted.
    pub fn flush_all(&self) {
        self.flush_before(Some(Instant::now()));
    }

    fn flush_before(&self, limit: Option<Instant>) {
        let Some(limit) = limit else { return };
        let mut told = Vec::new();
        {
            let mut counts = self.counts();
            counts.kinds.retain(|(_, reason), count| {
                if count.since > limit {
                    return true;
                }
                let untold = std::mem::take(&mut count.untold);
                count.since += INTERVAL;
                if untold > 0 {
                    told.push((count.peer, reason.clone(), untold));
                }
                untold > 0
            });
            if let Some(count) = counts.others.take_if(|count| count.since <= limit) {
                told.push((count.peer, OTHERS.to_owned(), count.untold));
            }
        }
        for (peer, reason, count) in told {
            self.tell(peer, reason, count);
        }
    }

    fn tell(&self, peer: SocketAddr, reason: String, count: u64) {
        self.events.emit(&Event::Refused { peer, reason, count });
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

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<(String, String, u64)>>>);

    impl Subscriber for Seen {
        fn notice(&self, event: &Event) {
            if let Event::Refused { peer, reason, count } = event {
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
    fn the_first_is_told_at_once_and_the_rest_as_a_number() {
        let (refusals, seen) = refusals();
        let now = Instant::now();
        for _ in 0..1000 {
            refusals.note(peer("192.0.2.1"), "too many", now);
        }
        refusals.note(peer("192.0.2.2"), "too many", now);
        refusals.note(peer("192.0.2.1"), "no greeting", now);
        assert_eq!(seen.0.lock().len(), 3);
        refusals.flush(now + INTERVAL / 2);
        assert_eq!(seen.0.lock().len(), 3);
        refusals.flush(now + INTERVAL);
        let last = seen.0.lock().pop().unwrap();
        assert_eq!(last, ("192.0.2.1".to_owned(), "too many".to_owned(), 999));
        // It goes on: still one line for each interval; when it has ended, it begins anew.
        refusals.note(peer("192.0.2.1"), "too many", now + INTERVAL);
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
            refusals.note(peer("192.0.2.1"), &format!("the client offers {n}"), now);
        }
        refusals.note(peer("192.0.2.2"), "too many", now);
        let told = || seen.0.lock().clone();
        assert_eq!(told().len(), MAX_KINDS_PER_SOURCE + 2);
        assert_eq!(told().last().unwrap().0, "192.0.2.2");
        refusals.flush(now + INTERVAL);
        let all: u64 = told().iter().map(|(_, _, times)| times).sum();
        assert_eq!((told().len(), all), (MAX_KINDS_PER_SOURCE + 3, 5001));
    }

    #[test]
    fn a_flood_of_many_sources_is_a_bounded_number_of_lines() {
        let (refusals, seen) = refusals();
        let now = Instant::now();
        for n in 0..5000u32 {
            let peer = SocketAddr::new(std::net::Ipv4Addr::from_bits(n).into(), 1);
            refusals.note(peer, "too many", now);
        }
        refusals.flush(now + INTERVAL);
        let seen = seen.0.lock();
        assert_eq!(seen.len(), MAX_KINDS + 1);
        let all: u64 = seen.iter().map(|(_, _, count)| count).sum();
        assert_eq!(all, 5000);
    }
}
