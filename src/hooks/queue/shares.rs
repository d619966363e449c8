//! How much of the queue each user's events take. Events without a user, such as refused connections, share one part: whoever
//! can reach the server can cause them.

use std::collections::HashMap;

use super::dropped::DropReason;
use super::types::QueueLimits;
use crate::hooks::entry::QueueEntry;

/// What some entries take.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    entries: usize,
    bytes: usize,
}

/// What the entries of the queue take, together and by user.
#[derive(Debug, Default)]
pub(super) struct QueueShares {
    all: Share,
    of_users: HashMap<String, Share>,
}

impl QueueShares {
    /// Returns the bytes that all entries take.
    pub(super) fn bytes(&self) -> usize {
        self.all.bytes
    }

    /// Returns why there is no room for another event of this user.
    pub(super) fn refuse(&self, user: Option<&str>, limits: QueueLimits) -> Option<DropReason> {
        let of_user = self
            .of_users
            .get(user.unwrap_or_default())
            .copied()
            .unwrap_or_default();
        if self.all.entries >= limits.entries || self.all.bytes >= limits.bytes {
            Some(DropReason::Full)
        } else if of_user.entries >= limits.entries / 2 || of_user.bytes >= limits.bytes / 2 {
            Some(DropReason::UserShare)
        } else {
            None
        }
    }

    /// Counts an entry.
    pub(super) fn add(&mut self, entry: &QueueEntry) {
        let of_user = self
            .of_users
            .entry(entry.user.clone().unwrap_or_default())
            .or_default();
        for share in [&mut self.all, of_user] {
            share.entries += 1;
            share.bytes += entry.size();
        }
    }

    /// Counts an entry no more.
    pub(super) fn remove(&mut self, entry: &QueueEntry) {
        self.all.entries -= 1;
        self.all.bytes -= entry.size();
        let user = entry.user.as_deref().unwrap_or_default();
        let Some(of_user) = self.of_users.get_mut(user) else {
            return;
        };
        of_user.entries -= 1;
        of_user.bytes -= entry.size();
        if of_user.entries == 0 {
            self.of_users.remove(user);
        }
    }
}
