//! Tests what the store keeps for the web page and the API.

mod owners;

use super::*;
use crate::domain::token::TokenScope;
use crate::store::WebStore as _;
use crate::store::web::{
    BrowserSessionRecord, MOST_BROWSER_SESSIONS, ShareRecord, TokenRecord, UploadRecord,
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Adds a user, and returns the incarnation of the record.
async fn added(store: &SqlStore, one: &str) -> i64 {
    store.add_user(&user(one)).await.unwrap();
    store.user(&name(one)).await.unwrap().unwrap().incarnation
}

/// Returns a hash that differs for each number.
fn hash(number: u32) -> [u8; 32] {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    hash
}

fn browser(one: &str, incarnation: i64, number: u32) -> BrowserSessionRecord {
    BrowserSessionRecord {
        id_hash: hash(number),
        user: name(one),
        incarnation,
        factors: [Factor::Password, Factor::Totp].into(),
        fingerprint: [9; 32],
        created_at: at(1000),
        last_used_at: at(1000 + i64::from(number)),
        expires_at: at(5000),
        address: "2001:db8::7".parse().unwrap(),
        client: "Firefox".into(),
    }
}

fn token(one: &str, incarnation: i64, number: u32) -> TokenRecord {
    TokenRecord {
        id: 0,
        user: name(one),
        incarnation,
        hash: hash(number),
        scope: TokenScope::Admin,
        comment: "nightly export".into(),
        created_at: at(1000),
        expires_at: Some(at(5000)),
        last_used_at: None,
    }
}

fn share(one: &str, incarnation: i64, number: u32) -> ShareRecord {
    ShareRecord {
        id: 0,
        hash: hash(number),
        user: name(one),
        incarnation,
        title: "Pictures".into(),
        path: b"/p\xe4th".to_vec(),
        is_directory: true,
        allows_download: true,
        allows_upload: false,
        password_hash: Some(PasswordHash::new("$argon2id$x".into())),
        expires_at: Some(at(5000)),
        uses_left: Some(3),
        bytes_left: Some(100),
        created_at: at(1000),
        used: 0,
    }
}

fn upload(one: &str, incarnation: i64, number: u32) -> UploadRecord {
    let mut id = [1; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    UploadRecord {
        id,
        user: name(one),
        incarnation,
        share: Some(3),
        path: b"/in/\xff".to_vec(),
        size: i64::MAX as u64,
        mtime: Some(-1),
        sha256: Some([5; 32]),
        created_at: at(1000),
        expires_at: at(5000),
    }
}

#[tokio::test]
async fn sign_ins_of_browsers_come_back_and_are_ended() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    let [first, second] = [1, 2].map(|number| browser("calvin", calvin, number));
    for one in [&first, &second] {
        store.add_browser_session(one).await.unwrap();
    }
    assert_eq!(
        store.browser_session(&hash(1)).await.unwrap(),
        Some(first.clone())
    );
    assert_eq!(store.browser_session(&hash(3)).await.unwrap(), None);
    assert_eq!(
        store.browser_sessions_of(&name("calvin")).await.unwrap(),
        [second, first]
    );
    let home = "192.0.2.7".parse().unwrap();
    store
        .touch_browser_session(&hash(1), at(2000), home)
        .await
        .unwrap();
    store
        .touch_browser_session(&hash(1), at(1500), "192.0.2.8".parse().unwrap())
        .await
        .unwrap();
    let touched = store.browser_session(&hash(1)).await.unwrap().unwrap();
    assert_eq!((touched.last_used_at, touched.address), (at(2000), home));
    store
        .add_browser_session(&browser("calvin", calvin, 3))
        .await
        .unwrap();
    assert!(store.remove_browser_session(&hash(2)).await.unwrap());
    assert!(!store.remove_browser_session(&hash(2)).await.unwrap());
    let ended = store
        .remove_browser_sessions_of(&name("calvin"), Some(&hash(3)))
        .await;
    assert_eq!(ended.unwrap(), 1);
    assert!(store.browser_session(&hash(3)).await.unwrap().is_some());
    let ended = store.remove_browser_sessions_of(&name("calvin"), None).await;
    assert_eq!(ended.unwrap(), 1);
}

#[tokio::test]
async fn a_user_has_so_many_browsers_and_the_least_recently_used_one_goes() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    for number in 1..=MOST_BROWSER_SESSIONS {
        store
            .add_browser_session(&browser("calvin", calvin, number))
            .await
            .unwrap();
    }
    let now = at(1000 + i64::from(MOST_BROWSER_SESSIONS) + 1);
    store
        .touch_browser_session(&hash(1), now, "::1".parse().unwrap())
        .await
        .unwrap();
    // Its clock is behind, and it is the one that stays.
    let mut late = browser("calvin", calvin, 0);
    late.client = "é".repeat(150);
    store.add_browser_session(&late).await.unwrap();
    let kept = store.browser_sessions_of(&name("calvin")).await.unwrap();
    assert_eq!(kept.len(), MOST_BROWSER_SESSIONS as usize);
    assert!(store.browser_session(&hash(1)).await.unwrap().is_some());
    assert!(store.browser_session(&hash(2)).await.unwrap().is_none());
    let late = store.browser_session(&hash(0)).await.unwrap().unwrap();
    assert_eq!(late.client, "é".repeat(100));
}

#[tokio::test]
async fn tokens_come_back_and_their_ids_never_again() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    let tom = added(&store, "tom").await;
    let id = store.add_token(&token("calvin", calvin, 1)).await.unwrap();
    let other = store.add_token(&token("tom", tom, 2)).await.unwrap();
    let stored = TokenRecord {
        id,
        ..token("calvin", calvin, 1)
    };
    assert_eq!(store.token_by_hash(&hash(1)).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.token_by_hash(&hash(3)).await.unwrap(), None);
    assert_eq!(store.tokens(Some(&name("calvin"))).await.unwrap(), [stored]);
    assert_eq!(store.tokens(None).await.unwrap().len(), 2);
    let version = store.version().await.unwrap();
    store.token_used(id, at(3000)).await.unwrap();
    store.token_used(id, at(2000)).await.unwrap();
    let used = store.token_by_hash(&hash(1)).await.unwrap().unwrap();
    assert_eq!(used.last_used_at, Some(at(3000)));
    assert_eq!(store.version().await.unwrap(), version, "a use is no change");
    assert!(
        !store.remove_token(&name("calvin"), other).await.unwrap(),
        "it is tom's"
    );
    assert!(store.remove_token(&name("tom"), other).await.unwrap());
    assert!(!store.remove_token(&name("tom"), other).await.unwrap());
    let changes = store.changes_since(version).await.unwrap();
    assert_eq!(changes.users.len(), 1, "a server learns of it: {changes:?}");
    assert_eq!(changes.users[0].name, name("tom"));
    let again = store.add_token(&token("tom", tom, 3)).await.unwrap();
    assert!(again > other);
    let twice = store.add_token(&token("tom", tom, 3)).await;
    assert!(twice.is_err(), "a hash names one token");
}

#[tokio::test]
async fn shares_come_back_as_stored() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    let id = store.add_share(&share("calvin", calvin, 1)).await.unwrap();
    let stored = ShareRecord {
        id,
        ..share("calvin", calvin, 1)
    };
    assert_eq!(store.share_by_hash(&hash(1)).await.unwrap(), Some(stored.clone()));
    assert_eq!(store.shares(Some(&name("calvin"))).await.unwrap(), [stored]);
    assert!(store.shares(Some(&name("tom"))).await.unwrap().is_empty());
    assert!(!store.remove_share(&name("tom"), id).await.unwrap());
    assert!(store.remove_share(&name("calvin"), id).await.unwrap());
    assert!(store.shares(None).await.unwrap().is_empty());
    assert!(!store.take_share_use(id).await.unwrap(), "it is gone");
    let mut unlimited = share("calvin", calvin, 2);
    (unlimited.uses_left, unlimited.bytes_left) = (None, None);
    let id = store.add_share(&unlimited).await.unwrap();
    assert!(store.take_share_use(id).await.unwrap());
    assert!(store.take_share_bytes(id, i64::MAX as u64).await.unwrap());
    assert!(!store.take_share_bytes(id, u64::MAX).await.unwrap());
    let used = store.share_by_hash(&hash(2)).await.unwrap().unwrap();
    assert_eq!((used.used, used.uses_left, used.bytes_left), (1, None, None));
    let huge = ShareRecord {
        bytes_left: Some(u64::MAX),
        ..share("calvin", calvin, 3)
    };
    assert!(store.add_share(&huge).await.is_err());
}

#[tokio::test]
async fn visitors_at_the_same_time_take_no_more_than_there_is() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    let id = store.add_share(&share("calvin", calvin, 1)).await.unwrap();
    let store = std::sync::Arc::new(store);
    let mut visits = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let store = std::sync::Arc::clone(&store);
        visits.spawn(async move {
            let used = store.take_share_use(id).await.unwrap();
            (used, store.take_share_bytes(id, 30).await.unwrap())
        });
    }
    let visits = visits.join_all().await;
    assert_eq!(visits.iter().filter(|(used, _)| *used).count(), 3);
    assert_eq!(visits.iter().filter(|(_, sent)| *sent).count(), 3);
    let left = store.share_by_hash(&hash(1)).await.unwrap().unwrap();
    assert_eq!(
        (left.used, left.uses_left, left.bytes_left),
        (3, Some(0), Some(10))
    );
    assert!(store.take_share_bytes(id, 10).await.unwrap());
    assert!(!store.take_share_bytes(id, 1).await.unwrap());
}

#[tokio::test]
async fn uploads_come_back_until_they_are_removed() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    let [first, mut second] = [1, 2].map(|number| upload("calvin", calvin, number));
    (second.share, second.mtime, second.sha256) = (None, None, None);
    (second.created_at, second.expires_at) = (at(900), at(6000));
    for one in [&first, &second] {
        store.add_upload(one).await.unwrap();
    }
    assert_eq!(store.upload(&first.id).await.unwrap(), Some(first.clone()));
    let of_calvin = store.uploads_of(&name("calvin")).await.unwrap();
    assert_eq!(of_calvin, [second.clone(), first.clone()]);
    assert!(store.expired_uploads(at(4999), 10).await.unwrap().is_empty());
    assert_eq!(
        store.expired_uploads(at(5000), 10).await.unwrap(),
        [first.clone()]
    );
    assert_eq!(store.expired_uploads(at(9000), 1).await.unwrap(), [first.clone()]);
    assert!(store.remove_upload(&first.id).await.unwrap());
    assert!(!store.remove_upload(&first.id).await.unwrap());
    assert_eq!(store.upload(&first.id).await.unwrap(), None);
    let huge = UploadRecord {
        size: u64::MAX,
        ..first
    };
    assert!(store.add_upload(&huge).await.is_err());
}
