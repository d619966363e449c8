//! Tests the rules about homes with many users.

use super::*;
use crate::store::keys;

/// Checks SQLite's plan for each query about one user or one home: it searches an index and scans no table.
#[tokio::test]
async fn questions_about_one_user_do_not_read_all() {
    let (_dir, store) = store().await;
    for sql in [
        users::USER,
        "SELECT name FROM users WHERE home = $1 ORDER BY name LIMIT 2",
        "SELECT name FROM users WHERE home > $1 || '/' AND home < $1 || '0' ORDER BY home LIMIT 2",
        "SELECT quota_bytes FROM users WHERE home = $1 LIMIT 1",
        "UPDATE users SET quota_bytes = 1 WHERE home = $1",
        "SELECT bytes FROM home_usage WHERE home = $1",
        keys::USER_WITH_KEY,
        crate::store::folders::NAMED,
        crate::store::changes::USERS,
        crate::store::changes::HOMES,
    ] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                .bind("/srv/homes/a")
                .fetch_all(&store.db.pool)
                .await
                .unwrap();
        assert!(!plan.is_empty(), "{sql}");
        for (.., step) in plan {
            // The lines that two searches have found, and the first of all users for an unknown name (LIMIT 1).
            let short = ["SCAN lines", "SCAN users USING COVERING INDEX"];
            if sql == keys::USER_WITH_KEY && short.iter().any(|short| step.starts_with(short)) {
                continue;
            }
            // The names that are asked for.
            if step.starts_with("SCAN json_each") {
                continue;
            }
            assert!(!step.starts_with("SCAN"), "{sql}: {step}");
        }
    }
}

#[tokio::test]
async fn the_neighbours_of_a_home_are_found_among_many() {
    let (_dir, store) = store().await;
    for (name, home) in [
        ("a", "/srv/homes/a"),
        ("ab", "/srv/homes/ab"),
        ("a0", "/srv/homes/a0"),
        ("a-b", "/srv/homes/a-b"),
        ("deep", "/srv/deep/x/y/z"),
    ] {
        store.add_user(&at_home(name, home)).await.unwrap();
    }
    let refused = |home: &'static str, who: &'static str| {
        let store = &store;
        async move {
            let error = store
                .add_user(&at_home("new", home))
                .await
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(&format!("the home of the user \"{who}\"")),
                "{home}: {error}"
            );
        }
    };
    refused("/srv/homes/a/b", "a").await;
    refused("/srv/homes/a/b/c/d", "a").await;
    refused("/srv/deep/x", "deep").await;
    refused("/srv/deep", "deep").await;
    refused("/srv/homes", "a").await;
    // A user may move into a subdirectory of their own home, or out of it.
    for to in ["/srv/homes/a/b", "/srv/homes/a"] {
        let change = move |user: &mut User| {
            user.home = to.into();
            Ok(())
        };
        store.change_user(&name("a"), Box::new(change)).await.unwrap();
    }
    let quota = store.quota_of_home(Path::new("/srv/homes/ab")).await.unwrap();
    assert_eq!(quota, Some(Quota::default()));
    assert_eq!(
        store.quota_of_home(Path::new("/srv/homes/b")).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_home_moves_for_all_who_share_it() {
    let (_dir, store) = store().await;
    let store = store.with_homes("/srv/homes".into(), Path::new("/srv/homes"));
    for (name, home) in [
        ("a", "/srv/homes/team"),
        ("b", "/srv/homes/team"),
        ("c", "/srv/homes/c"),
    ] {
        store.add_user(&at_home(name, home)).await.unwrap();
    }
    let usage = |home: &str, bytes| UsageRecord {
        home: home.into(),
        bytes,
        files: 1,
        exact: true,
        measured_at: None,
    };
    store.record_usage(&[usage("/srv/homes/team", 7)]).await.unwrap();
    let seen = store.version().await.unwrap();
    let (from, to) = (Path::new("/srv/homes/team"), Path::new("/mnt/team"));
    let changes = store.move_home(from, to, None).await.unwrap();
    let names: Vec<&str> = changes.iter().map(|change| change.after.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(changes.iter().all(|change| change.before.home == from));
    assert_eq!(store.user(&name("b")).await.unwrap().unwrap().home, to);
    assert_eq!(store.usage(to).await.unwrap(), Some(usage("/mnt/team", 7)));
    assert_eq!(store.usage(from).await.unwrap(), None);
    assert_eq!(store.changes_since(seen).await.unwrap().users.len(), 2);
    // Back again, with what was measured.
    let measured = usage("/srv/homes/team", 9);
    store.move_home(to, from, Some(&measured)).await.unwrap();
    assert_eq!(store.usage(from).await.unwrap(), Some(measured));
    // Into another home it does not go, and nothing is changed.
    let inside = Path::new("/srv/homes/c/team");
    assert!(store.move_home(from, inside, None).await.is_err());
    assert_eq!(store.user(&name("a")).await.unwrap().unwrap().home, from);
    assert!(store.usage(from).await.unwrap().is_some());
}
