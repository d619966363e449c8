//! Second factors that wait for their first code: a secret is in force only after the user's device has shown that it has
//! it.
//!
//! States: *begun* (the secret was shown; at most [`WAITS`], in memory), *proven* (a code was right: the caller puts the
//! secret in force), *given up* (too late, too many wrong codes, or begun again).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::auth::totp::{OneTimeCode, TotpSecret};
use crate::domain::user::UserName;

/// How long a secret waits for its first code.
const WAITS: Duration = Duration::from_secs(10 * 60);
/// The wrong codes after which the user must begin again.
const MOST_WRONG: u32 = 10;
/// The most secrets that wait. The oldest makes room.
const MOST_WAITING: usize = 256;

/// The second factors that wait for their first code, by the hash of the browser's cookie.
#[derive(Default)]
pub struct PendingEnrolments(Mutex<HashMap<[u8; 32], WaitingEnrolment>>);

/// A second factor that a user wants.
pub struct WantedEnrolment {
    /// The user whose it will be.
    pub user: UserName,
    /// The secret that was shown.
    pub secret: TotpSecret,
    /// Whether it replaces one that the user had when it was begun.
    pub replaces: bool,
}

struct WaitingEnrolment {
    wanted: WantedEnrolment,
    since: Instant,
    wrong: u32,
}

/// What has become of a first code.
pub enum FirstCode {
    /// Nothing waits for a code from this browser.
    NothingWaits,
    /// The code is wrong. The secret goes on waiting, unless there were too many.
    Wrong,
    /// The code of this step is right, and the secret may be put in force.
    Right(WantedEnrolment, i64),
}

impl PendingEnrolments {
    /// Has a secret wait for a code from this browser, in place of an earlier one.
    pub fn begin(&self, browser: [u8; 32], wanted: WantedEnrolment) {
        let mut table = self.0.lock();
        table.retain(|_, waiting| waiting.since.elapsed() < WAITS);
        if table.len() >= MOST_WAITING {
            let oldest = table
                .iter()
                .min_by_key(|(_, waiting)| waiting.since)
                .map(|(browser, _)| *browser);
            if let Some(oldest) = oldest {
                table.remove(&oldest);
            }
        }
        let waiting = WaitingEnrolment {
            wanted,
            since: Instant::now(),
            wrong: 0,
        };
        table.insert(browser, waiting);
    }

    /// Examines the first code.
    pub fn prove(&self, browser: &[u8; 32], user: &UserName, typed: &[u8], now_secs: i64) -> FirstCode {
        let mut table = self.0.lock();
        let Some(mut waiting) = table.remove(browser) else {
            return FirstCode::NothingWaits;
        };
        if waiting.since.elapsed() >= WAITS || waiting.wanted.user != *user {
            return FirstCode::NothingWaits;
        }
        let step = OneTimeCode::parse(typed).and_then(|code| waiting.wanted.secret.step_of(&code, now_secs));
        match step {
            Some(step) => FirstCode::Right(waiting.wanted, step),
            None => {
                waiting.wrong += 1;
                if waiting.wrong < MOST_WRONG {
                    table.insert(*browser, waiting);
                }
                FirstCode::Wrong
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;
    const BROWSER: [u8; 32] = [1; 32];

    fn wanted(user: &str) -> WantedEnrolment {
        WantedEnrolment {
            user: user.parse().unwrap(),
            secret: TotpSecret::from_bytes(vec![7; 20]).unwrap(),
            replaces: false,
        }
    }

    fn right() -> String {
        TotpSecret::from_bytes(vec![7; 20]).unwrap().code(NOW / 30)
    }

    fn prove(pending: &PendingEnrolments, browser: [u8; 32], user: &str, code: &str) -> FirstCode {
        pending.prove(&browser, &user.parse().unwrap(), code.as_bytes(), NOW)
    }

    #[test]
    fn a_secret_is_proven_once_by_the_browser_and_the_user_that_have_begun() {
        let pending = PendingEnrolments::default();
        pending.begin(BROWSER, wanted("calvin"));
        assert!(matches!(
            prove(&pending, [2; 32], "calvin", &right()),
            FirstCode::NothingWaits
        ));
        assert!(matches!(
            prove(&pending, BROWSER, "calvin", "no code"),
            FirstCode::Wrong
        ));
        match prove(&pending, BROWSER, "calvin", &right()) {
            FirstCode::Right(wanted, step) => {
                assert_eq!((wanted.user.as_str(), step), ("calvin", NOW / 30));
            }
            _ => panic!("the code is right"),
        }
        assert!(matches!(
            prove(&pending, BROWSER, "calvin", &right()),
            FirstCode::NothingWaits
        ));
        pending.begin(BROWSER, wanted("calvin"));
        assert!(matches!(
            prove(&pending, BROWSER, "tom", &right()),
            FirstCode::NothingWaits
        ));
    }

    #[test]
    fn codes_cannot_be_guessed_for_ever() {
        let pending = PendingEnrolments::default();
        pending.begin(BROWSER, wanted("calvin"));
        for _ in 0..MOST_WRONG {
            let wrong = prove(&pending, BROWSER, "calvin", "000000x");
            assert!(matches!(wrong, FirstCode::Wrong));
        }
        assert!(matches!(
            prove(&pending, BROWSER, "calvin", &right()),
            FirstCode::NothingWaits
        ));
    }

    #[test]
    fn the_oldest_secrets_make_room() {
        let pending = PendingEnrolments::default();
        for number in 0..=MOST_WAITING {
            let mut browser = [0; 32];
            browser[..8].copy_from_slice(&(number as u64).to_be_bytes());
            pending.begin(browser, wanted("calvin"));
        }
        assert_eq!(pending.0.lock().len(), MOST_WAITING);
    }
}
