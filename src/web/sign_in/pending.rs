//! The sign-ins that wait for a new password, because the old one has expired.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::auth::Proofs;

/// How long the proofs of a sign-in wait for a new password.
const PENDING: Duration = Duration::from_secs(10 * 60);
/// The most sign-ins that wait for a new password. The oldest makes room.
const MOST_PENDING: usize = 256;

/// The sign-ins that wait for a new password.
#[derive(Default)]
pub struct PendingSignIns(Mutex<HashMap<[u8; 32], PendingSignIn>>);

impl PendingSignIns {
    pub(super) fn add(&self, hash: [u8; 32], pending: PendingSignIn) {
        let mut table = self.0.lock();
        table.retain(|_, waiting| waiting.since.elapsed() < PENDING);
        if table.len() >= MOST_PENDING {
            let oldest = table
                .iter()
                .min_by_key(|(_, waiting)| waiting.since)
                .map(|(hash, _)| *hash);
            if let Some(oldest) = oldest {
                table.remove(&oldest);
            }
        }
        table.insert(hash, pending);
    }

    pub(super) fn take(&self, hash: &[u8; 32]) -> Option<PendingSignIn> {
        let pending = self.0.lock().remove(hash);
        pending.filter(|waiting| waiting.since.elapsed() < PENDING)
    }
}

/// A sign-in that waits for a new password.
pub(super) struct PendingSignIn {
    pub user: String,
    pub peer: IpAddr,
    pub passed: Proofs,
    pub since: Instant,
}
