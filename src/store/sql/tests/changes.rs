//! Tests which users and homes are reported as changed since a revision.

use super::*;

#[tokio::test]
async fn changes_name_the_users_and_homes_that_were_changed() {
    let (_dir, store) = store().await;
    let check = async |seen: i64, users: &[&str], homes: &[&str]| {
        let changes = store.changes_since(seen).await.unwrap();
        let mut told: Vec<UserName> = changes.users.iter().map(|user| user.name.clone()).collect();
        told.sort();
        let users: Vec<UserName> = users.iter().map(|text| name(text)).collect();
        assert_eq!(told, users, "after {seen}");
        for user in changes.users {
            let exists = store.user(&user.name).await.unwrap().is_some();
            assert_eq!(user.exists, exists, "{} after {seen}", user.name);
        }
        let told: Vec<PathBuf> = changes.homes.iter().map(|home| home.home.clone()).collect();
        let homes: Vec<PathBuf> = homes
            .iter()
            .map(|home| format!("/srv/homes/{home}").into())
            .collect();
        assert_eq!(told, homes, "after {seen}");
        for home in changes.homes {
            let quota = store.quota_of_home(&home.home).await.unwrap();
            assert_eq!(home.quota.unwrap(), quota, "{:?} after {seen}", home.home);
        }
        assert_eq!(changes.number, store.version().await.unwrap());
        changes.number
    };
    for who in ["calvin", "tom"] {
        store.add_user(&user(who)).await.unwrap();
    }
    store.add_user(&at_home("guest", "/srv/homes/tom")).await.unwrap();
    let seen = check(0, &["calvin", "guest", "tom"], &["calvin", "tom"]).await;
    let seen = check(seen, &[], &[]).await;
    let change = async |who: &str, change: fn(&mut User)| {
        let change: RecordChange = Box::new(move |user| {
            change(user);
            Ok(())
        });
        store.change_user(&name(who), change).await.unwrap().is_change()
    };
    assert!(change("calvin", |user| user.enabled = false).await);
    let seen = check(seen, &["calvin"], &["calvin"]).await;
    assert!(
        !change("calvin", |user| user.enabled = false).await,
        "it was so before"
    );
    assert!(!change("calvin", |user| user.home = "/srv/homes/./calvin/".into()).await);
    let seen = check(seen, &[], &[]).await;
    // Users who share the home share its quota.
    assert!(change("tom", |user| user.settings.quota_bytes = Some(Limit(Some(1)))).await);
    let seen = check(seen, &["guest", "tom"], &["tom"]).await;
    assert_eq!(
        store.quota_of_home(Path::new("/srv/homes/tom")).await.unwrap(),
        Some(Quota {
            bytes: Some(1),
            files: None
        })
    );
    assert!(change("calvin", |user| user.keys.push("one".into())).await);
    let seen = check(seen, &["calvin"], &["calvin"]).await;
    assert!(change("calvin", |user| user.name = name("hobbes")).await);
    let seen = check(seen, &["calvin", "hobbes"], &["calvin"]).await;
    assert!(change("hobbes", |user| user.home = "/srv/homes/new".into()).await);
    let seen = check(seen, &["hobbes"], &["calvin", "new"]).await;
    assert_eq!(
        store.quota_of_home(Path::new("/srv/homes/calvin")).await.unwrap(),
        None
    );
    let first = store.user(&name("hobbes")).await.unwrap().unwrap();
    store.remove_user(&name("hobbes")).await.unwrap();
    let seen = check(seen, &["hobbes"], &["new"]).await;
    // These changes are made by hand, in SQL.
    for sql in [
        "UPDATE users SET enabled = 0 WHERE name = 'tom'",
        "INSERT INTO user_keys (user_name, position, line) VALUES ('guest', 0, 'x')",
    ] {
        sqlx::query(sql).execute(&store.db.pool).await.unwrap();
    }
    check(seen, &["guest", "tom"], &["tom"]).await;
    store.add_user(&user("hobbes")).await.unwrap();
    let second = store.user(&name("hobbes")).await.unwrap().unwrap();
    assert!(second.incarnation > first.incarnation);
}

#[tokio::test]
async fn rates_come_back_as_stored() {
    use crate::domain::rate::RateRule;
    let (_dir, store) = store().await;
    for (name, up, down) in [
        ("calvin", RateRule::Usual, RateRule::Unlimited),
        ("tom", RateRule::Limited(i64::MAX as u64), RateRule::Limited(1024)),
    ] {
        let mut user = user(name);
        user.settings.rates = RateRules { up, down };
        store.add_user(&user).await.unwrap();
        let found = store.user(&user.name).await.unwrap().unwrap();
        assert_eq!(found.rates(), user.settings.rates);
    }
    let mut faster = user("guest");
    faster.settings.rates.up = RateRule::Limited(u64::MAX);
    assert!(store.add_user(&faster).await.is_err());
}
