//! Tests what becomes of a user's rows: when they expire, with the user, and where they are too many.

use super::*;
use crate::store::web::{MOST_SHARES, MOST_TOKENS, MOST_UPLOADS};

async fn renamed(store: &SqlStore, from: &str, to: &str) {
    let to = name(to);
    let change = Box::new(move |user: &mut User| {
        user.name = to.clone();
        Ok(())
    });
    store.change_user(&name(from), change).await.unwrap();
}

#[tokio::test]
async fn what_has_expired_is_removed_in_time() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    store
        .add_browser_session(&browser("calvin", calvin, 1))
        .await
        .unwrap();
    store.add_token(&token("calvin", calvin, 1)).await.unwrap();
    store.add_share(&share("calvin", calvin, 1)).await.unwrap();
    let endless = TokenRecord {
        expires_at: None,
        ..token("calvin", calvin, 2)
    };
    store.add_token(&endless).await.unwrap();
    store.add_upload(&upload("calvin", calvin, 1)).await.unwrap();
    store.remove_expired(at(4999)).await.unwrap();
    assert!(store.browser_session(&hash(1)).await.unwrap().is_some());
    store.remove_expired(at(5000)).await.unwrap();
    assert!(store.browser_session(&hash(1)).await.unwrap().is_none());
    assert!(store.token_by_hash(&hash(1)).await.unwrap().is_some());
    let month = 30 * 24 * 60 * 60;
    store.remove_expired(at(5000 + month - 1)).await.unwrap();
    assert_eq!(store.tokens(None).await.unwrap().len(), 2);
    assert_eq!(store.shares(None).await.unwrap().len(), 1);
    store.remove_expired(at(5000 + month)).await.unwrap();
    assert_eq!(store.tokens(None).await.unwrap().len(), 1);
    assert!(store.shares(None).await.unwrap().is_empty());
    // Its file is removed first.
    assert_eq!(store.uploads_of(&name("calvin")).await.unwrap().len(), 1);
}

#[tokio::test]
async fn everything_goes_along_with_a_new_name_and_away_with_its_user() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    store
        .add_browser_session(&browser("calvin", calvin, 1))
        .await
        .unwrap();
    store.add_token(&token("calvin", calvin, 1)).await.unwrap();
    store.add_share(&share("calvin", calvin, 1)).await.unwrap();
    store.add_upload(&upload("calvin", calvin, 1)).await.unwrap();
    renamed(&store, "calvin", "hobbes").await;
    // The name belongs to another user now.
    added(&store, "calvin").await;
    assert!(store.tokens(Some(&name("calvin"))).await.unwrap().is_empty());
    let hobbes = name("hobbes");
    assert_eq!(
        store.browser_session(&hash(1)).await.unwrap().unwrap().user,
        hobbes
    );
    assert_eq!(store.token_by_hash(&hash(1)).await.unwrap().unwrap().user, hobbes);
    assert_eq!(store.share_by_hash(&hash(1)).await.unwrap().unwrap().user, hobbes);
    assert_eq!(store.uploads_of(&hobbes).await.unwrap().len(), 1);
    store.remove_user(&hobbes).await.unwrap();
    let again = added(&store, "hobbes").await;
    assert_ne!(again, calvin);
    assert_eq!(store.browser_session(&hash(1)).await.unwrap(), None);
    assert_eq!(store.token_by_hash(&hash(1)).await.unwrap(), None);
    assert_eq!(store.share_by_hash(&hash(1)).await.unwrap(), None);
    assert!(store.uploads_of(&hobbes).await.unwrap().is_empty());
    // What was begun for the user who was removed is not added for the other one.
    let error = store.add_token(&token("hobbes", calvin, 1)).await.unwrap_err();
    assert!(
        error.to_string().contains("removed or renamed meanwhile"),
        "{error}"
    );
    assert!(
        store
            .add_browser_session(&browser("hobbes", calvin, 1))
            .await
            .is_err()
    );
    assert!(store.add_share(&share("hobbes", calvin, 1)).await.is_err());
    assert!(store.add_upload(&upload("hobbes", calvin, 1)).await.is_err());
}

#[tokio::test]
async fn a_user_has_no_more_of_each_than_is_allowed() {
    let (_dir, store) = store().await;
    let calvin = added(&store, "calvin").await;
    // Many rows are made at once, so that the test is quick.
    for (sql, most) in [
        (
            "INSERT INTO tokens (user_name, incarnation, hash, scope, comment, created_at)",
            MOST_TOKENS,
        ),
        (
            "INSERT INTO shares (user_name, incarnation, hash, title, path, is_directory, allows_download, allows_upload, \
             created_at, used)",
            MOST_SHARES,
        ),
        (
            "INSERT INTO uploads (user_name, incarnation, id, path, size, created_at, expires_at)",
            MOST_UPLOADS,
        ),
    ] {
        let values = match sql.split_whitespace().nth(2) {
            Some("tokens") => "'files', '', 0",
            Some("shares") => "'', x'2f', 0, 0, 0, 0, 0",
            _ => "x'2f', 0, 0, 0",
        };
        let sql = format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most}) \
             {sql} SELECT 'calvin', {calvin}, randomblob(32), {values} FROM n"
        );
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&store.db.pool)
            .await
            .unwrap();
    }
    let error = store.add_token(&token("calvin", calvin, 1)).await.unwrap_err();
    assert!(error.to_string().contains("calvin has 100 tokens"), "{error}");
    let error = store.add_share(&share("calvin", calvin, 1)).await.unwrap_err();
    assert!(error.to_string().contains("calvin has 1000 shares"), "{error}");
    let error = store.add_upload(&upload("calvin", calvin, 1)).await.unwrap_err();
    assert!(error.to_string().contains("1000 unfinished uploads"), "{error}");
    let tom = added(&store, "tom").await;
    assert!(store.add_token(&token("tom", tom, 1)).await.is_ok());
}

#[tokio::test]
async fn administrators_are_stored() {
    let (_dir, store) = store().await;
    added(&store, "calvin").await;
    let is_admin = async || store.user(&name("calvin")).await.unwrap().unwrap().is_admin;
    assert!(!is_admin().await);
    for becomes in [true, false] {
        let version = store.version().await.unwrap();
        let change = Box::new(move |user: &mut User| {
            user.is_admin = becomes;
            Ok(())
        });
        let changed = store.change_user(&name("calvin"), change).await.unwrap();
        assert!(changed.is_change());
        assert_eq!(is_admin().await, becomes);
        assert!(store.version().await.unwrap() > version);
    }
}
