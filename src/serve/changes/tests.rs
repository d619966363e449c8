use std::path::Path;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::accounts::id::AccountSpec;
use crate::domain::user::{Limit, Permissions, User};
use crate::serve::server::Server;
use crate::serve::server::tests::{passing_guest, server};
use crate::store::RecordChange;

fn guest() -> UserName {
    "guest".parse().unwrap()
}

async fn change(server: &Server, change: impl Fn(&mut User) + Send + Sync + 'static) {
    let change: RecordChange = Box::new(move |user| {
        change(user);
        Ok(())
    });
    server.store.change_user(&guest(), change).await.unwrap();
}

fn an_hour() -> jiff::SignedDuration {
    jiff::SignedDuration::from_hours(1)
}

fn applied(sessions_ended: usize, still_busy: usize) -> Effect {
    Effect {
        sessions_ended,
        still_busy,
    }
}

/// Runs the watch until the session is asked to end; the reason.
async fn watched_end(server: &Server, session: &Session) -> String {
    let quit = CancellationToken::new();
    let watching = watch(Arc::clone(&server.changes), quit.clone());
    let ended = async {
        session.ending.asked().await;
        quit.cancel();
    };
    tokio::join!(ended, watching);
    assert!(session.gate.is_closed());
    session.ending.reason().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_ends_in_the_second_in_which_its_users_time_does() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, an_hour()).await;
    // Later than it was at the sign-in; then sooner.
    for minutes in [120, 30] {
        let end = Timestamp::now() + jiff::SignedDuration::from_mins(minutes);
        change(&server, move |user| user.expires_at = Some(end)).await;
        assert_eq!(server.changes.apply([guest()]).await.unwrap(), applied(0, 0));
    }
    let end = Timestamp::now() + Duration::from_millis(1500);
    change(&server, move |user| user.expires_at = Some(end)).await;
    server.changes.apply([guest()]).await.unwrap();
    let reason = watched_end(&server, place.session()).await;
    assert_eq!(reason, "the user's account has expired");
    assert!(Timestamp::now() >= end);
}

#[tokio::test]
async fn what_was_changed_by_hand_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, an_hour()).await;
    change(&server, |user| user.enabled = false).await;
    let reason = watched_end(&server, place.session()).await;
    assert_eq!(reason, "the user was disabled");
}

#[tokio::test]
async fn a_change_waits_for_calls_that_had_begun_and_not_for_ever() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, an_hour()).await;
    let session = Arc::clone(place.session());
    let revision = server.service.sessions.revision();
    let inside = session.gate.enter().unwrap();
    change(&server, |user| {
        user.settings.permissions = Some(Permissions::read_only().into())
    })
    .await;
    let begun = Instant::now();
    assert_eq!(server.changes.apply([guest()]).await.unwrap(), applied(1, 1));
    assert!(begun.elapsed() >= CALLS_TIMEOUT);
    assert_ne!(
        server.service.sessions.revision(),
        revision,
        "sign-ins look again"
    );
    assert!(session.gate.enter().is_err());
    // Nothing is to be changed any more, and the call is still waited for.
    let again = server.changes.apply([guest()]);
    tokio::pin!(again);
    let early = tokio::time::timeout(Duration::from_millis(50), &mut again).await;
    assert!(early.is_err());
    drop(inside);
    assert_eq!(again.await.unwrap(), applied(0, 0));
}

#[tokio::test]
async fn only_those_that_lost_something_are_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, an_hour()).await;
    for unrelated in [
        |user: &mut User| user.settings.quota_bytes = Some(Limit(Some(1))),
        |user: &mut User| user.settings.max_sessions = Some(0.into()),
        |user: &mut User| user.settings.allowed_from = Some(vec!["127.0.0.0/8".parse().unwrap()]),
        |user: &mut User| user.keys.push("ssh-ed25519 A".into()),
    ] {
        change(&server, unrelated).await;
        assert_eq!(server.changes.apply([guest()]).await.unwrap(), applied(0, 0));
    }
    assert!(!place.session().gate.is_closed());
    let user = server.store.user(&guest()).await.unwrap().unwrap();
    server.store.remove_user(&guest()).await.unwrap();
    server.store.add_user(&user).await.unwrap();
    assert_eq!(server.changes.apply([guest()]).await.unwrap(), applied(1, 0));
    assert_eq!(server.changes.apply([guest()]).await.unwrap(), applied(0, 0));
    assert!(place.session().ending.reason().unwrap().contains("another one"));
}

#[tokio::test]
async fn a_quota_is_in_force_for_accounts_that_exist_and_that_will() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let _place = passing_guest(&server, an_hour()).await;
    let home = server.config.storage.homes.join("guest");
    std::fs::create_dir(&home).unwrap();
    let accounts = &server.service.accounts;
    let quota = |bytes| crate::domain::user::Quota { bytes, files: None };
    let account = accounts
        .account(&AccountSpec::of_home(&home, quota(None)))
        .await
        .unwrap();
    for bytes in [Some(1), None, Some(7)] {
        change(&server, move |user| {
            user.settings.quota_bytes = Some(Limit(bytes))
        })
        .await;
        server.changes.apply([]).await.unwrap();
        assert_eq!(account.usage().quota, quota(bytes));
    }
    let moved: &Path = &server.config.storage.homes.join("elsewhere");
    let to = moved.to_owned();
    change(&server, move |user| user.home.clone_from(&to)).await;
    server.changes.apply([]).await.unwrap();
    // Who signed in before the change, and mounts after it, brings an older quota.
    let later = accounts
        .account(&AccountSpec::of_home(moved, quota(None)))
        .await
        .unwrap();
    assert_eq!(later.usage().quota, quota(Some(7)));
}

#[tokio::test]
async fn a_record_that_cannot_be_read_does_not_hold_up_the_changes_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, an_hour()).await;
    let mut other = server.store.user(&guest()).await.unwrap().unwrap();
    other.name = "aaron".parse().unwrap();
    other.home = server.config.storage.homes.join("aaron");
    server.store.add_user(&other).await.unwrap();
    let store = SqliteConnectOptions::new().filename(&server.config.store.path);
    let mut by_hand = store.connect().await.unwrap();
    let sql = "UPDATE users SET permissions = 'nonsense', quota_bytes = -2 WHERE name = 'aaron'";
    sqlx::query(sql).execute(&mut by_hand).await.unwrap();
    change(&server, |user| user.enabled = false).await;
    let error = server.changes.apply([guest()]).await.unwrap_err().to_string();
    assert!(error.contains("aaron"), "{error}");
    assert!(place.session().gate.is_closed());
}

/// What is known about a name is forgotten with its user: the next user of the name is unknown.
#[tokio::test]
async fn where_a_removed_user_came_from_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    drop(passing_guest(&server, an_hour()).await);
    let user = server.store.user(&guest()).await.unwrap().unwrap();
    server.store.remove_user(&guest()).await.unwrap();
    server.changes.apply([guest()]).await.unwrap();
    server.store.add_user(&user).await.unwrap();
    server.changes.apply([guest()]).await.unwrap();
    let quit = CancellationToken::new();
    quit.cancel();
    server.service.auth.history().keep(quit).await;
    let written = server.store.sign_ins(Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!(written, []);
}

#[tokio::test]
async fn an_unreadable_store_is_reported_and_ends_no_session() {
    let dir = tempfile::tempdir().unwrap();
    let server = server(dir.path()).await;
    let place = passing_guest(&server, an_hour()).await;
    server.store.close().await;
    assert!(server.changes.apply([guest()]).await.is_err());
    assert!(!place.session().gate.is_closed());
}
