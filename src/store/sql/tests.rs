//! Tests users and host keys.

mod batch;
mod changes;
mod connections;
mod groups;
mod homes;
mod opening;
mod signing_in;
mod web;

use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;

use super::*;
use crate::domain::folder::CreationChoice;
use crate::domain::rate::RateRules;
use crate::domain::settings::MemberSettings;
use crate::domain::user::{
    Factor, Inherited, Limit, PasswordHash, Permissions, Quota, SealedSecret, UserSource,
};
use crate::store::migrations;

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn user(text: &str) -> User {
    User {
        home: format!("/srv/homes/{text}").into(),
        ..User::blank(name(text))
    }
}

fn at_home(text: &str, home: &str) -> User {
    User {
        home: home.into(),
        ..user(text)
    }
}

async fn store() -> (TempDir, SqlStore) {
    let dir = TempDir::new().unwrap();
    let store = SqlStore::open(&file(&dir)).await.unwrap();
    (dir, store)
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("homeport.db")
}

/// A record may be damaged by hand, or written by a newer version that has more permissions.
#[tokio::test]
async fn a_user_whose_record_cannot_be_read_can_be_removed_and_added_again() {
    let (_dir, store) = store().await;
    for one in ["calvin", "tom"] {
        store.add_user(&user(one)).await.unwrap();
    }
    for spoil in [
        "permissions = 'list,fly'",
        "expires_at = 'soon'",
        "quota_bytes = -2",
        "home = x'ff'",
    ] {
        let sql = format!("UPDATE users SET {spoil} WHERE name = 'tom'");
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&store.db.pool)
            .await
            .unwrap();
        let error = store.users().await.unwrap_err().to_string();
        assert!(error.contains("homeportd user remove tom"), "{spoil}: {error}");
        store.remove_user(&name("tom")).await.unwrap();
        assert_eq!(store.users().await.unwrap().len(), 1, "{spoil}");
        store.add_user(&user("tom")).await.unwrap();
        assert_eq!(store.users().await.unwrap().len(), 2, "{spoil}");
    }
}

#[tokio::test]
async fn a_user_comes_back_as_stored() {
    let (dir, store) = store().await;
    let full = User {
        name: name("Calvin.1"),
        incarnation: 0,
        comment: "a remark, ünïcode".into(),
        group: None,
        password_hash: Some(PasswordHash::new("$argon2id$x".into())),
        password_set_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        principals: vec!["one".into(), "two words".into()],
        totp: Some(SealedSecret::new("sealed".into())),
        source: UserSource::External,
        inherited: Inherited::default(),
        keys: vec![
            "from=\"10.0.0.0/8,::1\" ssh-ed25519 AAAA ünïcode, 'quoted'".into(),
            "b".into(),
        ],
        home: "/srv/homes/./calvin//x y/".into(),
        enabled: false,
        expires_at: Some("2030-01-02T03:04:05.000000006Z".parse().unwrap()),
        settings: MemberSettings {
            quota_bytes: Some(Limit(Some(i64::MAX as u64))),
            quota_files: Some(Limit(Some(0))),
            max_sessions: Some(u32::MAX.into()),
            rates: RateRules::default(),
            permissions: Some(Permissions::read_only().into()),
            allowed_from: Some(vec![
                "10.0.0.0/8".parse().unwrap(),
                "2001:db8::/32".parse().unwrap(),
            ]),
            require: Some([Factor::PublicKey, Factor::Password].into()),
            folders: BTreeMap::new(),
            creation: CreationChoice {
                file_mode: Some(0o640),
                dir_mode: None,
                file_group: Some("www-data".into()),
            },
        },
    };
    store.add_user(&full).await.unwrap();
    store.add_user(&user("tom")).await.unwrap();
    // The store is opened again, as by another process.
    store.close().await;
    let store = SqlStore::open_existing(&file(&dir)).await.unwrap();
    let expected = User {
        home: "/srv/homes/calvin/x y".into(),
        incarnation: 1,
        ..full
    };
    let found = store.user(&name("Calvin.1")).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    assert_eq!(found.password_hash, expected.password_hash);
    let all = store.users().await.unwrap();
    let tom = all.iter().find(|user| user.name == name("tom")).unwrap();
    assert!(tom.incarnation > expected.incarnation);
    let expected = [
        expected,
        User {
            incarnation: tom.incarnation,
            ..user("tom")
        },
    ];
    assert_eq!(all, expected);
    // User names are case-sensitive.
    assert!(store.user(&name("calvin.1")).await.unwrap().is_none());
}

#[tokio::test]
async fn users_are_changed_renamed_and_removed() {
    let (_dir, store) = store().await;
    let mut calvin = user("calvin");
    calvin.keys = vec!["one".into(), "two".into()];
    store.add_user(&calvin).await.unwrap();
    store.add_user(&user("tom")).await.unwrap();
    let changed = store
        .change_user(
            &name("calvin"),
            Box::new(|user| {
                user.name = "hobbes".parse()?;
                user.keys.remove(0);
                user.enabled = false;
                Ok(())
            }),
        )
        .await
        .unwrap();
    assert!(changed.is_change());
    assert_eq!(changed.before.name, name("calvin"));
    assert_eq!(changed.after.name, name("hobbes"));
    let hobbes = store.user(&name("hobbes")).await.unwrap().unwrap();
    assert_eq!((hobbes.keys, hobbes.enabled), (vec!["two".to_owned()], false));
    assert!(store.user(&name("calvin")).await.unwrap().is_none());
    let error = store
        .change_user(
            &name("hobbes"),
            Box::new(|user| {
                user.name = "tom".parse()?;
                Ok(())
            }),
        )
        .await
        .unwrap_err();
    assert!(error.to_string().contains("already a user \"tom\""), "{error}");
    // A change that fails leaves no data behind, and the store unlocked.
    let error = store
        .change_user(
            &name("hobbes"),
            Box::new(|user| {
                user.enabled = true;
                Err(Error::new("changed my mind"))
            }),
        )
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "changed my mind");
    assert!(!store.user(&name("hobbes")).await.unwrap().unwrap().enabled);
    assert_eq!(store.user(&name("hobbes")).await.unwrap().unwrap().keys, ["two"]);
    let home = store.remove_user(&name("hobbes")).await.unwrap();
    assert_eq!(home, user("calvin").home);
    for missing in [
        store.remove_user(&name("hobbes")).await.unwrap_err(),
        store
            .change_user(&name("hobbes"), Box::new(|_| Ok(())))
            .await
            .unwrap_err(),
    ] {
        assert!(
            missing.to_string().contains("there is no user \"hobbes\""),
            "{missing}"
        );
    }
    // The user's keys are removed with the user.
    store.add_user(&user("hobbes")).await.unwrap();
    assert!(
        store
            .user(&name("hobbes"))
            .await
            .unwrap()
            .unwrap()
            .keys
            .is_empty()
    );
    let error = store.add_user(&user("tom")).await.unwrap_err();
    assert!(error.to_string().contains("already a user \"tom\""), "{error}");
}

#[tokio::test]
async fn homes_are_apart_or_the_same() {
    let (_dir, store) = store().await;
    store
        .add_user(&at_home("calvin", "/srv/homes/calvin"))
        .await
        .unwrap();
    let refused = async |home: &str, says: &str| {
        let error = store.add_user(&at_home("x", home)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{home}: {error}");
        assert!(store.user(&name("x")).await.unwrap().is_none());
    };
    refused("/srv/homes/calvin/inside", "calvin").await;
    refused("/srv/homes/calvin//in/side/", "calvin").await;
    refused("/srv/homes", "calvin").await;
    refused("/srv/./homes/", "calvin").await;
    refused("/", "whole system").await;
    refused("srv/x", "not an absolute path").await;
    refused("/srv/homes/../x", "\"..\"").await;
    refused("/srv/\0", "NUL").await;
    for (other, home) in [
        ("a", "/srv/homes/calvin2"),
        ("b", "/srv/homes/calvi"),
        ("c", "/srv/homes/Calvin/x"),
        ("d", "/srv/homes/calvin"),
        ("e", "/srv/homes/%"),
        ("f", "/srv/homes/_alvin"),
        ("g", "/srv/homes/ö"),
        ("h", "/srv/homes/öö"),
    ] {
        store.add_user(&at_home(other, home)).await.unwrap();
    }
    // The rule also applies when a user moves; a user's own old home does not count.
    let moves = |home: &'static str| -> RecordChange {
        Box::new(move |user| {
            user.home = home.into();
            Ok(())
        })
    };
    let error = store
        .change_user(&name("a"), moves("/srv/homes/ö/x"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("\"g\""), "{error}");
    store
        .change_user(&name("a"), moves("/srv/homes/calvin2/deeper"))
        .await
        .unwrap();
    let bytes = std::os::unix::ffi::OsStringExt::from_vec(b"/srv/\xff".to_vec());
    let home: std::ffi::OsString = bytes;
    let error = store
        .add_user(&User {
            home: home.into(),
            ..user("x")
        })
        .await
        .unwrap_err();
    assert!(error.to_string().contains("UTF-8"), "{error}");
}

#[tokio::test]
async fn users_of_one_home_share_its_quota() {
    let (_dir, store) = store().await;
    store.add_user(&at_home("calvin", "/srv/shared")).await.unwrap();
    store.add_user(&at_home("tom", "/srv/shared")).await.unwrap();
    store
        .change_user(
            &name("tom"),
            Box::new(|user| {
                user.settings.quota_bytes = Some(Limit(Some(1 << 30)));
                Ok(())
            }),
        )
        .await
        .unwrap();
    let calvin = store.user(&name("calvin")).await.unwrap().unwrap();
    assert_eq!(calvin.quota().bytes, Some(1 << 30));
    let error = store
        .add_user(&at_home("susie", "/srv/shared"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("another quota"), "{error}");
    let mut huge = user("huge");
    huge.settings.quota_bytes = Some(Limit(Some(u64::MAX)));
    assert!(store.add_user(&huge).await.is_err());
}

#[tokio::test]
async fn host_keys_are_recorded() {
    let (_dir, store) = store().await;
    store.record_host_key("ssh-ed25519", "SHA256:a").await.unwrap();
    store.record_host_key("ecdsa", "SHA256:b").await.unwrap();
    store.record_host_key("ssh-ed25519", "SHA256:c").await.unwrap();
    let expected = [("ecdsa", "SHA256:b"), ("ssh-ed25519", "SHA256:c")];
    assert_eq!(
        store.host_keys().await.unwrap(),
        expected.map(|(a, f)| (a.to_owned(), f.to_owned()))
    );
    store.forget_host_key("ecdsa").await.unwrap();
    assert_eq!(store.host_keys().await.unwrap()[0].0, "ssh-ed25519");
}

/// Creates a store in the format of version 2, with users who have these homes.
pub(crate) async fn version_2(file: &Path, homes: &[&str]) {
    use sqlx::{ConnectOptions as _, Connection as _};
    let options = SqliteConnectOptions::new().filename(file).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    let mut older = migrations::migrations();
    older.retain(|migration| migration.version <= 2);
    let older = sqlx::migrate::Migrator::with_migrations(older);
    older.run(&mut connection).await.unwrap();
    for (bytes, home) in (7_i64..).zip(homes) {
        let user = "INSERT INTO users (name, home, enabled, permissions, allowed_from, require) \
                    VALUES ($1, $2, 1, 'list,read', '', '')";
        let user = sqlx::query(user).bind(format!("user{bytes:02}")).bind(home);
        user.execute(&mut connection).await.unwrap();
        let usage = "INSERT INTO home_usage (home, bytes, files, exact, measured_at) \
                     VALUES ($1, $2, 1, 1, '2026-01-01T00:00:00Z')";
        let usage = sqlx::query(usage).bind(home).bind(bytes);
        usage.execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(file, private).unwrap();
}
