//! From where a user has signed in of late, put together from what is kept: the sessions that are live, the browsers that
//! are signed in, and the places from which there was a sign-in.

use std::net::IpAddr;

use jiff::Timestamp;

use super::parts::{OwnSession, method_of};
use crate::auth::Source;
use crate::domain::event::Protocol;
use crate::store::SignIn;
use crate::store::web::BrowserSessionRecord;

/// The most sign-ins that are shown.
const MOST: usize = 20;
/// A place's time and that of a session there are the same sign-in if they differ by no more than this, in seconds.
const SAME_SECS: i64 = 60;

/// A sign-in that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecentSignIn {
    /// When it was.
    pub at: Timestamp,
    /// Where it came from: of an older one over IPv6, the first address of its /64.
    pub address: IpAddr,
    /// The program, if it is still known.
    pub client: Option<String>,
    /// The factors that were passed, if they are still known: `password+totp`.
    pub method: Option<String>,
}

/// Returns the sign-ins of late, the latest first.
pub fn recent(
    sessions: &[OwnSession],
    browsers: &[BrowserSessionRecord],
    places: &[SignIn],
) -> Vec<RecentSignIn> {
    let by_ssh = sessions
        .iter()
        .filter(|session| session.protocol == Protocol::Ssh)
        .map(|session| RecentSignIn {
            at: session.since,
            address: session.address,
            client: Some(session.client.clone()),
            method: Some(session.method.clone()),
        });
    let by_browser = browsers.iter().map(|browser| RecentSignIn {
        at: browser.created_at,
        address: browser.address,
        client: Some(format!("web: {}", browser.client)),
        method: Some(method_of(&browser.factors)),
    });
    let mut found: Vec<RecentSignIn> = by_ssh.chain(by_browser).collect();
    let is_known = |place: &&SignIn| {
        found.iter().any(|sign_in| {
            let apart = sign_in.at.as_second().saturating_sub(place.at.as_second());
            Source::from(sign_in.address) == Source::from(place.source) && apart.abs() <= SAME_SECS
        })
    };
    let others: Vec<RecentSignIn> = places
        .iter()
        .filter(|place| !is_known(place))
        .map(|place| RecentSignIn {
            at: place.at,
            address: place.source,
            client: None,
            method: None,
        })
        .collect();
    found.extend(others);
    found.sort_by_key(|sign_in| std::cmp::Reverse(sign_in.at));
    found.truncate(MOST);
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::domain::user::Factor;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn session(protocol: Protocol, second: i64, address: &str) -> OwnSession {
        OwnSession {
            id: 1,
            protocol,
            since: at(second),
            address: address.parse().unwrap(),
            client: "SSH-2.0-x".to_owned(),
            method: "publickey".to_owned(),
            work: Vec::new(),
            open_files: 0,
            is_this_one: false,
        }
    }

    fn browser(second: i64, address: &str) -> BrowserSessionRecord {
        BrowserSessionRecord {
            id_hash: [1; 32],
            user: "calvin".parse().unwrap(),
            incarnation: 1,
            factors: BTreeSet::from([Factor::Password, Factor::Totp]),
            fingerprint: [2; 32],
            created_at: at(second),
            last_used_at: at(second),
            expires_at: at(second + 1000),
            address: address.parse().unwrap(),
            client: "Firefox".to_owned(),
        }
    }

    fn place(second: i64, source: &str) -> SignIn {
        SignIn {
            user: "calvin".parse().unwrap(),
            source: source.parse().unwrap(),
            at: at(second),
        }
    }

    #[test]
    fn a_sign_in_is_shown_once_with_what_is_known() {
        let sessions = [
            session(Protocol::Ssh, 900, "192.0.2.1"),
            session(Protocol::Web, 950, "192.0.2.9"),
        ];
        let browsers = [browser(1000, "2001:db8::7")];
        let places = [
            place(901, "192.0.2.1"),
            place(1010, "2001:db8::"),
            place(500, "198.51.100.1"),
        ];
        let found = recent(&sessions, &browsers, &places);
        let seconds: Vec<i64> = found.iter().map(|one| one.at.as_second()).collect();
        assert_eq!(seconds, [1000, 900, 500]);
        let methods: Vec<Option<&str>> = found.iter().map(|one| one.method.as_deref()).collect();
        assert_eq!(methods, [Some("password+totp"), Some("publickey"), None]);
        assert_eq!(found[2].client, None);
        // An earlier sign-in from the same place is another one.
        assert_eq!(recent(&sessions, &[], &[place(100, "192.0.2.1")]).len(), 2);
        let many: Vec<SignIn> = (0..50).map(|number| place(number * 1000, "192.0.2.1")).collect();
        assert_eq!(recent(&[], &[], &many).len(), MOST);
    }
}
