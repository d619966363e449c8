//! Decides who may connect: limits on connections before the peer has signed in.
//!
//! States of a connection: *waiting* (not signed in yet), counted in all, for its source and for its network; then
//! *signed in*, counted in all and for its source. A source is an IPv4 address or an IPv6 /64, a network an IPv4 /24 or
//! an IPv6 /48. An attacker may open connections at a high rate, or hold all places. So
//!
//! - when no place is free, a new connection replaces a waiting one of the source that holds the most ([`victim`]), so
//!   that no source can keep others out by holding places;
//! - the last eighth of all places is for sources that hold less than that;
//! - a source whose connections end without a sign-in gets its banners later: each such end adds a point (half a point,
//!   if the connection never sent anything and the source is not delayed yet), one point is forgotten every
//!   [`POINT_LIFETIME`], and above [`FREE_POINTS`] the banner of each new connection from there is delayed, each for
//!   itself: honest users behind the same address wait only for a moment. If a user has signed in from there within a
//!   day, the delay is at most [`MAX_TRUSTED_DELAY`].
//!
//! Connections that have signed in are never ended to make room.

mod progress;
mod refused;

use parking_lot::{Mutex, MutexGuard};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

pub use self::progress::{SignInProgress, Step};
pub use self::refused::AdmissionRefused;
use super::limits::Limits;
use crate::auth::Source;
use crate::domain::penalty::{Penalty, PenaltyRule};

/// The points that cause no delay: five ends without a sign-in within two seconds cost nothing, as after a mistyped
/// name, or from a client that tries all its keys.
const FREE_POINTS: f64 = 4.0;
/// One point is forgotten after this time.
const POINT_LIFETIME: Duration = Duration::from_secs(2);
/// The most points that a source can have.
const MAX_POINTS: f64 = 50.0;
/// How a source's points grow and are forgotten.
const RULE: PenaltyRule = PenaltyRule {
    ceiling: MAX_POINTS,
    forgive_after: POINT_LIFETIME,
};
/// The points for a connection that was closed before it sent anything, as health checks do all day: one in a second
/// costs nothing. A source that makes more than that pays the full point once it is delayed.
const SILENT_POINTS: f64 = 0.5;
/// The delay for each point above the free ones.
const DELAY_PER_POINT: Duration = Duration::from_millis(50);
/// The shortest and the longest delay: short enough for a person to wait, and for the login grace.
const MIN_DELAY: Duration = Duration::from_millis(250);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// The longest delay for a source from which a user has signed in recently. With sixteen sockets, an attacker there
/// gets fewer than twenty banners a second, and at that rate key exchanges are no danger (`scripts/audit`).
const MAX_TRUSTED_DELAY: Duration = Duration::from_secs(1);
/// How long after a sign-in a source is only delayed briefly, because an attacker may share it with honest users.
const TRUSTED_FOR: Duration = Duration::from_secs(24 * 3600);
/// The most sources that are remembered; beyond that, those with the fewest points are forgotten.
const MAX_SOURCES: usize = 16_384;
/// The last one part in this many of `[limits] connections` is never given to one source alone.
const RESERVED_PART: usize = 8;

/// Counts connections, and decides which may stay.
pub struct Admission {
    state: Mutex<AdmissionState>,
}

#[derive(Default)]
struct AdmissionState {
    connections: usize,
    next_id: u64,
    /// The connections that have not signed in, by id. Later connections have higher ids.
    waiting: HashMap<u64, WaitingConnection>,
    sources: HashMap<Source, SourceRecord>,
    /// The number of waiting connections of each network.
    networks: HashMap<IpAddr, SharedCount>,
}

/// A number that is changed and read under the lock of [`AdmissionState`]. It is shared, so that all connections of a
/// source can be compared without looking each of them up; in a flood that happens for every new connection.
type SharedCount = Arc<AtomicUsize>;

/// A connection that has not signed in yet.
struct WaitingConnection {
    source: Source,
    /// When the client was allowed to send, so that a delay is not counted against it.
    since: Instant,
    progress: SignInProgress,
    evict: CancellationToken,
    /// The numbers of waiting connections of its network and of its source.
    held: [SharedCount; 2],
}

/// What is known of one source.
struct SourceRecord {
    waiting: SharedCount,
    signed_in: usize,
    penalty: Penalty,
    /// When a user last signed in from there.
    last_sign_in: Option<Instant>,
}

/// The place of a connection. Dropping it frees the place.
pub struct AdmissionPermit {
    admission: Arc<Admission>,
    id: u64,
    source: Source,
    signed_in: bool,
    evict: CancellationToken,
    /// How long the banner must be delayed.
    pub delay: Duration,
    /// How far the connection has come in signing in.
    pub progress: SignInProgress,
}

impl Admission {
    /// Creates the counters of a server that has no connection yet.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, AdmissionState> {
        self.state.lock()
    }

    /// Admits a connection, or refuses it. Another connection may be evicted for it.
    pub fn enter(
        self: &Arc<Self>,
        peer: IpAddr,
        limits: &Limits,
        now: Instant,
    ) -> Result<AdmissionPermit, AdmissionRefused> {
        let source = Source::from(peer);
        let mut state = self.state();
        state.make_room(source, limits, now)?;
        if state.sources.len() >= MAX_SOURCES {
            state.prune_sources(now);
        }
        let known = state.sources.entry(source).or_insert(SourceRecord {
            waiting: SharedCount::default(),
            signed_in: 0,
            penalty: Penalty::default(),
            last_sign_in: None,
        });
        let delay = known.delay(now);
        let own = Arc::clone(&known.waiting);
        let network = Arc::clone(state.networks.entry(network_of(source)).or_default());
        let held = [network, own];
        for count in &held {
            count.fetch_add(1, Ordering::Relaxed);
        }
        state.connections += 1;
        let id = state.next_id;
        state.next_id += 1;
        let (progress, evict) = (SignInProgress::default(), CancellationToken::new());
        let waiting = WaitingConnection {
            source,
            since: now + delay,
            progress: progress.clone(),
            evict: evict.clone(),
            held,
        };
        state.waiting.insert(id, waiting);
        drop(state);
        Ok(AdmissionPermit {
            admission: Arc::clone(self),
            id,
            source,
            signed_in: false,
            evict,
            delay,
            progress,
        })
    }

    /// Returns the number of connections, whether they have signed in or not.
    pub fn connections(&self) -> usize {
        self.state().connections
    }

    /// Returns the number of connections that have not signed in.
    pub fn unauthenticated(&self) -> usize {
        self.state().waiting.len()
    }
}

impl AdmissionPermit {
    /// Records that the connection has signed in; returns `false` if it was evicted just before.
    pub fn signed_in(&mut self) -> bool {
        if self.signed_in {
            return true;
        }
        let mut state = self.admission.state();
        if state.leave(self.id).is_none() {
            return false;
        }
        // The connection stays counted as one that has signed in.
        state.connections += 1;
        if let Some(source) = state.sources.get_mut(&self.source) {
            source.signed_in += 1;
            source.last_sign_in = Some(Instant::now());
        }
        self.signed_in = true;
        true
    }

    /// Waits until the connection is evicted.
    pub fn evicted(&self) -> WaitForCancellationFuture<'_> {
        self.evict.cancelled()
    }
}

impl Drop for AdmissionPermit {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        if self.signed_in {
            state.connections = state.connections.saturating_sub(1);
            if let Some(source) = state.sources.get_mut(&self.source) {
                source.signed_in = source.signed_in.saturating_sub(1);
            }
            return;
        }
        let hung_up = state.leave(self.id).is_some();
        if let Some(source) = state.sources.get_mut(&self.source) {
            let silent = hung_up && self.progress.step() == Step::Silent;
            let now = Instant::now();
            let more = match silent && source.penalty.points(RULE, now) < FREE_POINTS {
                true => SILENT_POINTS,
                false => 1.0,
            };
            source.penalty.add(more, RULE, now);
        }
    }
}

impl AdmissionState {
    /// Makes room for one more connection of this source.
    fn make_room(&mut self, source: Source, limits: &Limits, now: Instant) -> Result<(), AdmissionRefused> {
        let (own, own_in_all) = self
            .sources
            .get(&source)
            .map_or((0, 0), |s| (number(&s.waiting), number(&s.waiting) + s.signed_in));
        let reserved = limits.connections / RESERVED_PART;
        if self.connections + reserved >= limits.connections && own_in_all >= reserved.max(1) && reserved > 0
        {
            return self.evict_own(source, now).ok_or(AdmissionRefused::Share);
        }
        if own >= limits.unauthenticated_per_address {
            return self.evict_own(source, now).ok_or(AdmissionRefused::Address);
        }
        if self.connections >= limits.connections {
            return self.evict(source, now).ok_or(AdmissionRefused::Connections);
        }
        if self.waiting.len() >= limits.unauthenticated {
            return self.evict(source, now).ok_or(AdmissionRefused::Unauthenticated);
        }
        Ok(())
    }

    /// Evicts a waiting connection of the source that holds the most, if that is more than this source holds.
    fn evict(&mut self, newcomer: Source, now: Instant) -> Option<()> {
        let own = [
            self.networks.get(&network_of(newcomer)).map_or(0, number),
            self.sources
                .get(&newcomer)
                .map_or(0, |source| number(&source.waiting)),
        ];
        let most = self.waiting.values().map(WaitingConnection::held).max()?;
        if most <= own {
            return self.evict_own(newcomer, now);
        }
        let of_the_largest = self.waiting.iter().filter(|(_, w)| w.held() == most);
        let id = victim(of_the_largest, now)?;
        self.end(id)
    }

    /// Evicts a waiting connection of the source itself. The new connection is its newest, so only those are evicted
    /// that are less likely to sign in.
    fn evict_own(&mut self, source: Source, now: Instant) -> Option<()> {
        let unlikely = self.waiting.iter().filter(|(_, w)| {
            w.source == source
                && match w.progress.step() {
                    Step::Silent => true,
                    step @ Step::Greeted => !w.is_new(step, now),
                    Step::Keyed => false,
                }
        });
        let id = victim(unlikely, now)?;
        self.end(id)
    }

    fn end(&mut self, id: u64) -> Option<()> {
        self.leave(id)?.evict.cancel();
        Some(())
    }

    /// Removes a connection from those that wait.
    fn leave(&mut self, id: u64) -> Option<WaitingConnection> {
        let left = self.waiting.remove(&id)?;
        self.connections = self.connections.saturating_sub(1);
        for count in &left.held {
            count.fetch_sub(1, Ordering::Relaxed);
        }
        let network = network_of(left.source);
        if self
            .networks
            .get(&network)
            .is_some_and(|count| number(count) == 0)
        {
            self.networks.remove(&network);
        }
        Some(left)
    }

    /// Forgets the sources whose points are forgotten; if there are none, the half with the fewest points.
    fn prune_sources(&mut self, now: Instant) {
        let all = self.sources.values();
        let mut points: Vec<f64> = all.map(|source| source.penalty.points(RULE, now)).collect();
        points.sort_by(f64::total_cmp);
        let median = points.get(points.len() / 2).copied().unwrap_or(0.0);
        self.sources.retain(|_, source| {
            number(&source.waiting) > 0 || source.signed_in > 0 || source.penalty.points(RULE, now) > median
        });
    }
}

/// Returns which of these connections to evict: of those in the earliest step the newest, but one that has only just
/// begun its step only if there is no other.
fn victim<'a>(waiting: impl Iterator<Item = (&'a u64, &'a WaitingConnection)>, now: Instant) -> Option<u64> {
    let rank = |(id, w): &(&u64, &WaitingConnection)| {
        let step = w.progress.step();
        let new = w.is_new(step, now);
        // If all have only just begun, evict the oldest, which has had most of its time.
        let newest_first = (!new).then_some(Reverse(**id));
        let oldest_first = new.then_some(**id);
        (step, new, newest_first, oldest_first)
    };
    waiting.min_by_key(rank).map(|(id, _)| *id)
}

fn number(count: &SharedCount) -> usize {
    count.load(Ordering::Relaxed)
}

impl WaitingConnection {
    /// Returns the numbers of waiting connections of its network and of its source. The network counts first, because
    /// botnets rent whole networks.
    fn held(&self) -> [usize; 2] {
        self.held.each_ref().map(number)
    }

    /// Returns whether the connection has only just begun its step.
    fn is_new(&self, step: Step, now: Instant) -> bool {
        now.saturating_duration_since(self.since) < step.expected_duration()
    }
}

impl SourceRecord {
    /// Returns how long the banner must be delayed.
    fn delay(&self, now: Instant) -> Duration {
        let points = self.penalty.points(RULE, now);
        if points <= FREE_POINTS {
            return Duration::ZERO;
        }
        let trusted = |at: Instant| now.saturating_duration_since(at) < TRUSTED_FOR;
        let longest = if self.last_sign_in.is_some_and(trusted) {
            MAX_TRUSTED_DELAY
        } else {
            MAX_DELAY
        };
        (DELAY_PER_POINT.mul_f64(points - FREE_POINTS)).clamp(MIN_DELAY, longest)
    }
}

/// Returns the network of a source: a /24 for IPv4 and a /48 for IPv6, which one customer of a hosting company commonly
/// has.
fn network_of(source: Source) -> IpAddr {
    match source.address() {
        IpAddr::V4(v4) => IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 80))),
    }
}

#[cfg(test)]
mod tests;
