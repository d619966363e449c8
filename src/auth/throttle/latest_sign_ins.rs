//! The last sign-ins that the store does not have yet, one for each user. The code is pure: the time is passed in.

use std::collections::HashMap;
use std::time::Instant;

use crate::domain::user::UserName;

/// The most users whose last sign-in waits to be written: some megabytes. More wait only while the disk is full. The times of
/// others are then not recorded.
const MAX_USERS: usize = 64 * 1024;

/// The last sign-ins of users that the store does not have yet.
#[derive(Debug, Default)]
pub struct LatestSignIns {
    users: HashMap<UserName, Instant>,
}

impl LatestSignIns {
    /// Records that a user has signed in.
    pub(super) fn note(&mut self, user: &UserName, at: Instant) {
        if let Some(latest) = self.users.get_mut(user) {
            *latest = at.max(*latest);
        } else if self.users.len() < MAX_USERS {
            self.users.insert(user.clone(), at);
        }
    }

    /// Takes up to `most` sign-ins. If they cannot be written, [`LatestSignIns::give_back`] reverses that.
    pub fn take(&mut self, most: usize) -> Vec<(UserName, Instant)> {
        let users: Vec<UserName> = self.users.keys().take(most).cloned().collect();
        let taken = users.iter().filter_map(|user| self.users.remove_entry(user));
        taken.collect()
    }

    /// Records that these sign-ins could not be written.
    pub fn give_back(&mut self, sign_ins: Vec<(UserName, Instant)>) {
        for (user, at) in sign_ins {
            self.note(&user, at);
        }
    }

    /// Forgets a user.
    pub fn forget(&mut self, user: &UserName) {
        self.users.remove(user);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn name(number: usize) -> UserName {
        format!("u{number}").parse().unwrap()
    }

    #[test]
    fn the_latest_sign_in_of_each_user_is_taken_once_and_survives_a_failure() {
        let mut latest = LatestSignIns::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        latest.note(&name(1), now);
        latest.note(&name(1), later);
        latest.note(&name(2), now);
        let mut taken = latest.take(10);
        taken.sort();
        assert_eq!(taken, [(name(1), later), (name(2), now)]);
        assert!(latest.take(10).is_empty());
        // One that cannot be written does not replace a later one.
        latest.note(&name(2), later);
        latest.give_back(taken);
        latest.forget(&name(1));
        assert_eq!(latest.take(10), [(name(2), later)]);
    }

    #[test]
    fn the_number_of_users_is_bounded_and_so_is_what_is_taken_at_once() {
        let mut latest = LatestSignIns::default();
        let now = Instant::now();
        for number in 0..MAX_USERS + 10 {
            latest.note(&name(number), now);
        }
        assert_eq!(latest.take(7).len(), 7);
        assert_eq!(latest.take(usize::MAX).len(), MAX_USERS - 7);
    }
}
