//! The visits of shares that ask for something first: a password, or a click, so that a link that is only looked at by a
//! program does not use it up. A visit is known by a cookie. It is kept in memory: after a restart the link asks again.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::auth::shares::SharePass;

/// How long a visit lasts.
pub const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// The most visits that are known. The oldest makes room.
const MOST: usize = 10_000;

/// The visits that are known, by the hash of their cookies.
#[derive(Default)]
pub struct ShareVisits {
    known: Mutex<HashMap<[u8; 32], KnownVisit>>,
}

struct KnownVisit {
    share: i64,
    pass: SharePass,
    since: Instant,
}

impl ShareVisits {
    /// Remembers a visit.
    pub fn add(&self, cookie: [u8; 32], share: i64, pass: SharePass) {
        let mut known = self.known.lock();
        if known.len() >= MOST {
            known.retain(|_, visit| visit.since.elapsed() < LONGEST);
        }
        if known.len() >= MOST {
            let oldest = known.iter().min_by_key(|(_, visit)| visit.since);
            if let Some(oldest) = oldest.map(|(cookie, _)| *cookie) {
                known.remove(&oldest);
            }
        }
        let since = Instant::now();
        known.insert(cookie, KnownVisit { share, pass, since });
    }

    /// Returns what a visitor of this share has proven; `None` if the visit is not known or has ended.
    pub fn find(&self, cookie: &[u8; 32], share: i64) -> Option<SharePass> {
        let known = self.known.lock();
        let visit = known.get(cookie)?;
        let is_current = visit.share == share && visit.since.elapsed() < LONGEST;
        is_current.then(|| visit.pass.clone())
    }

    /// Forgets the visits of a share that was removed.
    pub fn forget(&self, share: i64) {
        self.known.lock().retain(|_, visit| visit.share != share);
    }
}
