//! Browsers that have signed in, and tokens.

use std::collections::BTreeSet;

use super::*;
use crate::domain::token::TokenScope;
use crate::domain::user::Factor;
use crate::store::web::{BrowserSessionRecord, NewToken, WebStore as _};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A browser of a user, which is told from others by a number.
fn browser(user: &User, number: u8) -> BrowserSessionRecord {
    BrowserSessionRecord {
        id_hash: [number; 32],
        user: user.name.clone(),
        incarnation: user.incarnation,
        factors: BTreeSet::from([Factor::Password, Factor::Totp]),
        fingerprint: [9; 32],
        created_at: at(1000),
        last_used_at: at(1000 + i64::from(number)),
        expires_at: at(2000),
        address: "2001:db8::7".parse().unwrap(),
        client: "Firefox \u{fc}".to_owned(),
    }
}

async fn added(store: &SqlStore, text: &str) -> User {
    store.add_user(&user(text)).await.unwrap();
    store.user(&name(text)).await.unwrap().unwrap()
}

#[tokio::test]
async fn browsers_come_back_as_stored_and_go_with_their_user() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    let (one, two) = (browser(&calvin, 1), browser(&calvin, 2));
    for record in [&one, &two] {
        store.add_browser_session(record).await.unwrap();
    }
    assert_eq!(
        store.browser_session(&one.id_hash).await.unwrap(),
        Some(one.clone())
    );
    assert_eq!(store.browser_session(&[7; 32]).await.unwrap(), None);
    let here = "192.0.2.7".parse().unwrap();
    store
        .touch_browser_session(&one.id_hash, at(1500), here)
        .await
        .unwrap();
    store
        .touch_browser_session(&one.id_hash, at(1400), here)
        .await
        .unwrap();
    let touched = BrowserSessionRecord {
        last_used_at: at(1500),
        address: here,
        ..one.clone()
    };
    let listed = store.browser_sessions_of(&calvin.name).await.unwrap();
    assert_eq!(listed, [touched, two.clone()]);

    let change = Box::new(|user: &mut User| {
        user.name = name("hobbes");
        Ok(())
    });
    store.change_user(&calvin.name, change).await.unwrap();
    let moved = store.browser_session(&two.id_hash).await.unwrap().unwrap();
    assert_eq!(moved.user, name("hobbes"));
    assert_eq!(
        store
            .remove_other_browser_sessions(&name("hobbes"), Some(&two.id_hash))
            .await
            .unwrap(),
        1
    );
    assert!(store.remove_browser_session(&two.id_hash).await.unwrap());
    assert!(!store.remove_browser_session(&two.id_hash).await.unwrap());

    let hobbes = store.user(&name("hobbes")).await.unwrap().unwrap();
    store.add_browser_session(&browser(&hobbes, 3)).await.unwrap();
    store.remove_user(&hobbes.name).await.unwrap();
    assert_eq!(store.browser_session(&[3; 32]).await.unwrap(), None);
    // Who has signed in as the removed user is not remembered for the next one of the name.
    added(&store, "hobbes").await;
    store.add_browser_session(&browser(&hobbes, 4)).await.unwrap();
    assert_eq!(store.browser_session(&[4; 32]).await.unwrap(), None);
}

#[tokio::test]
async fn the_oldest_browsers_make_room_and_expired_ones_are_forgotten() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    for number in 0..=100 {
        store
            .add_browser_session(&browser(&calvin, number))
            .await
            .unwrap();
    }
    let listed = store.browser_sessions_of(&calvin.name).await.unwrap();
    assert_eq!(listed.len(), 100);
    assert_eq!(listed.last().unwrap().id_hash, [1; 32]);
    assert_eq!(store.forget_expired(at(1999)).await.unwrap(), 0);
    assert_eq!(store.forget_expired(at(2000)).await.unwrap(), 100);
}

fn token(user: &str, number: u8, expires_at: Option<Timestamp>) -> NewToken {
    NewToken {
        hash: [number; 32],
        user: name(user),
        scope: TokenScope::Admin,
        comment: "backup".to_owned(),
        created_at: at(1000),
        expires_at,
    }
}

#[tokio::test]
async fn tokens_come_back_as_stored_and_go_with_their_user() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    added(&store, "tom").await;
    let new = token("calvin", 1, Some(at(3000)));
    let id = store.add_token(&new).await.unwrap();
    store.add_token(&token("tom", 2, None)).await.unwrap();
    assert!(store.add_token(&token("nobody", 3, None)).await.is_err());
    let found = store.token_by_hash(&new.hash).await.unwrap().unwrap();
    assert_eq!(
        (found.id, found.incarnation, &found.token),
        (id, calvin.incarnation, &new)
    );
    assert_eq!(found.last_used_at, None);
    store.token_used(id, at(1600)).await.unwrap();
    let listed = store.tokens(Some(&calvin.name)).await.unwrap();
    assert_eq!(listed.first().unwrap().last_used_at, Some(at(1600)));
    assert_eq!((listed.len(), store.tokens(None).await.unwrap().len()), (1, 2));

    assert!(
        !store.remove_token(&name("tom"), id).await.unwrap(),
        "another user's"
    );
    assert!(store.remove_token(&calvin.name, id).await.unwrap());
    assert_eq!(store.token_by_hash(&new.hash).await.unwrap(), None);
    // A number is never used again, so that a session of a removed token is never taken for another's.
    assert!(store.add_token(&new).await.unwrap() > id);
    store.remove_user(&calvin.name).await.unwrap();
    assert_eq!(store.token_by_hash(&new.hash).await.unwrap(), None);
}

#[tokio::test]
async fn one_user_has_a_bounded_number_of_tokens() {
    let (_dir, store) = store().await;
    added(&store, "calvin").await;
    for number in 0..100 {
        store.add_token(&token("calvin", number, None)).await.unwrap();
    }
    let refused = store.add_token(&token("calvin", 100, None)).await.unwrap_err();
    assert!(
        refused.to_string().contains("has 100 tokens already"),
        "{refused}"
    );
}
