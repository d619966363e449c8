//! Who may connect at all: limits on connections before they have shown who they are.
//!
//! States of a connection: *unauthenticated*, counted in all and for its address; then *signed in*, counted in all
//! only. What may go wrong: somebody opens connections faster than they cost him, or holds all that there are. So
//! each address may hold only some, and one whose connections end without a sign-in is answered later and later:
//! each such end adds a point, a point fades every [`FADE`], and above [`FREE_POINTS`] the banner of each new
//! connection from there is held back. The delay runs for each connection by itself, so that honest users behind
//! the same address come in a moment later, however many they are; an attacker gets no more than the connections
//! that his address may hold, divided by the delay.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::settings::Limits;

/// Five ends without a sign-in within two seconds cost nothing: probes of a monitor, a mistyped name.
const FREE_POINTS: f64 = 4.0;
/// After this long, one point is forgotten.
const FADE: Duration = Duration::from_secs(2);
/// More points than this make no difference any more.
const MAX_POINTS: f64 = 50.0;
/// Per point above the free ones.
const DELAY_PER_POINT: Duration = Duration::from_millis(50);
/// The first delay, and the longest: well within anybody's patience, and within the login grace.
const MIN_DELAY: Duration = Duration::from_millis(250);
const MAX_DELAY: Duration = Duration::from_secs(2);
/// Addresses remembered; beyond that, those with the fewest points are forgotten.
const MAX_SOURCES: usize = 16_384;

/// The door.
pub struct Admission {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    connections: usize,
    unauthenticated: usize,
    sources: HashMap<IpAddr, Source>,
}

struct Source {
    unauthenticated: usize,
    points: f64,
    as_of: Instant,
}

/// Why a connection is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TurnedAway {
    /// `[limits] connections`
    #[error("too many connections")]
    Connections,
    /// `[limits] unauthenticated`
    #[error("too many connections that have not signed in")]
    Unauthenticated,
    /// `[limits] unauthenticated_per_address`
    #[error("too many connections from this address that have not signed in")]
    Address,
}

/// A connection's place; given up when dropped.
pub struct Entry {
    admission: Arc<Admission>,
    source: IpAddr,
    signed_in: bool,
    /// How long the banner is to be held back.
    pub delay: Duration,
}

impl Admission {
    /// Nobody is connected.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, or not.
    pub fn enter(self: &Arc<Self>, peer: IpAddr, limits: &Limits, now: Instant) -> Result<Entry, TurnedAway> {
        let source = source_of(peer);
        let mut state = self.state();
        if state.connections >= limits.connections {
            return Err(TurnedAway::Connections);
        }
        if state.unauthenticated >= limits.unauthenticated {
            return Err(TurnedAway::Unauthenticated);
        }
        if state.sources.len() >= MAX_SOURCES {
            state.forget_some(now);
        }
        let known = state.sources.entry(source).or_insert(Source {
            unauthenticated: 0,
            points: 0.0,
            as_of: now,
        });
        if known.unauthenticated >= limits.unauthenticated_per_address {
            return Err(TurnedAway::Address);
        }
        known.fade(now);
        known.unauthenticated += 1;
        let delay = delay_for(known.points);
        state.connections += 1;
        state.unauthenticated += 1;
        drop(state);
        Ok(Entry {
            admission: Arc::clone(self),
            source,
            signed_in: false,
            delay,
        })
    }

    /// Connections now, signed in or not.
    pub fn connections(&self) -> usize {
        self.state().connections
    }
}

impl Entry {
    /// The connection has signed in.
    pub fn signed_in(&mut self) {
        if !self.signed_in {
            self.signed_in = true;
            self.admission.state().leave_the_door(self.source);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut state = self.admission.state();
        state.connections = state.connections.saturating_sub(1);
        if !self.signed_in {
            state.leave_the_door(self.source);
            if let Some(source) = state.sources.get_mut(&self.source) {
                source.fade(Instant::now());
                source.points = (source.points + 1.0).min(MAX_POINTS);
            }
        }
    }
}

impl State {
    fn leave_the_door(&mut self, source: IpAddr) {
        self.unauthenticated = self.unauthenticated.saturating_sub(1);
        if let Some(source) = self.sources.get_mut(&source) {
            source.unauthenticated = source.unauthenticated.saturating_sub(1);
        }
    }

    /// Forgets who is forgiven; if that is nobody, the half with the fewest points.
    fn forget_some(&mut self, now: Instant) {
        let mut points: Vec<f64> = Vec::with_capacity(self.sources.len());
        for source in self.sources.values_mut() {
            source.fade(now);
            points.push(source.points);
        }
        points.sort_by(f64::total_cmp);
        let median = points.get(points.len() / 2).copied().unwrap_or(0.0);
        self.sources
            .retain(|_, source| source.unauthenticated > 0 || source.points > median);
    }
}

impl Source {
    fn fade(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.as_of);
        self.points = (self.points - passed.as_secs_f64() / FADE.as_secs_f64()).max(0.0);
        self.as_of = now;
    }
}

fn delay_for(points: f64) -> Duration {
    if points <= FREE_POINTS {
        return Duration::ZERO;
    }
    (DELAY_PER_POINT.mul_f64(points - FREE_POINTS)).clamp(MIN_DELAY, MAX_DELAY)
}

/// One address for IPv4, one /64 for IPv6: whoever has one address of it has them all.
fn source_of(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn limits() -> Limits {
        Limits {
            connections: 4,
            unauthenticated: 3,
            unauthenticated_per_address: 2,
            ..Limits::default()
        }
    }

    #[test]
    fn each_limit_holds_and_places_come_back() {
        let door = Admission::new();
        let now = Instant::now();
        let other: IpAddr = "10.0.0.1".parse().unwrap();
        let third: IpAddr = "10.0.0.2".parse().unwrap();
        let mut a = door.enter(HERE, &limits(), now).unwrap();
        let b = door.enter(HERE, &limits(), now).unwrap();
        assert_eq!(door.enter(HERE, &limits(), now).err(), Some(TurnedAway::Address));
        let _c = door.enter(other, &limits(), now).unwrap();
        assert_eq!(
            door.enter(third, &limits(), now).err(),
            Some(TurnedAway::Unauthenticated)
        );
        a.signed_in();
        let _d = door.enter(HERE, &limits(), now).unwrap();
        assert_eq!(
            door.enter(third, &limits(), now).err(),
            Some(TurnedAway::Connections)
        );
        drop(b);
        assert_eq!(door.connections(), 3);
        door.enter(third, &limits(), now).unwrap();
    }

    #[test]
    fn whoever_keeps_leaving_is_answered_later_and_forgiven_in_time() {
        let door = Admission::new();
        let now = Instant::now();
        for _ in 0..5 {
            assert_eq!(door.enter(HERE, &limits(), now).unwrap().delay, Duration::ZERO);
        }
        assert_eq!(door.enter(HERE, &limits(), now).unwrap().delay, MIN_DELAY);
        for _ in 0..100 {
            door.enter(HERE, &limits(), now).unwrap();
        }
        assert_eq!(door.enter(HERE, &limits(), now).unwrap().delay, MAX_DELAY);
        let later = now + Duration::from_secs(200);
        assert_eq!(door.enter(HERE, &limits(), later).unwrap().delay, Duration::ZERO);
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let a: IpAddr = "2001:db8::1".parse().unwrap();
        let b: IpAddr = "2001:db8::ffff:2".parse().unwrap();
        assert_eq!(source_of(a), source_of(b));
        assert_eq!(source_of("::ffff:127.0.0.1".parse().unwrap()), HERE);
    }
}
