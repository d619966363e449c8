use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::user::{Factor, PasswordHash, Permissions, Quota};

fn name(text: &str) -> UserName {
    text.parse().unwrap()
}

fn user(text: &str) -> User {
    User {
        name: name(text),
        password_hash: None,
        keys: Vec::new(),
        home: format!("/srv/homes/{text}").into(),
        enabled: true,
        expires_at: None,
        quota: Quota::default(),
        max_sessions: None,
        permissions: Permissions::all(),
        allowed_from: Vec::new(),
        require: BTreeSet::new(),
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

/// Every file of a directory with its bytes and its time of change.
fn contents(dir: &TempDir) -> Vec<(PathBuf, Vec<u8>, (i64, i64))> {
    let mut files: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let meta = path.metadata().unwrap();
            (path.clone(), std::fs::read(&path).unwrap(), (meta.mtime(), meta.mtime_nsec()))
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_user_comes_back_as_stored() {
    let (dir, store) = store().await;
    let full = User {
        name: name("Calvin.1"),
        password_hash: Some(PasswordHash::new("$argon2id$x".into())),
        keys: vec!["from=\"10.0.0.0/8,::1\" ssh-ed25519 AAAA ünïcode, 'quoted'".into(), "b".into()],
        home: "/srv/homes/./calvin//x y/".into(),
        enabled: false,
        expires_at: Some("2030-01-02T03:04:05.000000006Z".parse().unwrap()),
        quota: Quota {
            bytes: Some(i64::MAX as u64),
            files: Some(0),
        },
        max_sessions: Some(u32::MAX),
        permissions: Permissions::read_only(),
        allowed_from: vec!["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        require: [Factor::PublicKey, Factor::Password].into(),
    };
    store.add_user(&full).await.unwrap();
    store.add_user(&user("tom")).await.unwrap();
    // From another process, as it were.
    store.close().await;
    let store = SqlStore::open_existing(&file(&dir)).await.unwrap();
    let expected = User {
        home: "/srv/homes/calvin/x y".into(),
        ..full
    };
    let found = store.user(&name("Calvin.1")).await.unwrap().unwrap();
    assert_eq!(format!("{found:?}"), format!("{expected:?}"));
    assert_eq!(found.password_hash, expected.password_hash);
    let all = store.users().await.unwrap();
    assert_eq!(format!("{all:?}"), format!("{:?}", [expected, user("tom")]));
    // Case counts.
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
    assert_eq!(changed.name, name("hobbes"));
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
    // A change that fails leaves nothing behind, and the store free.
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
    assert_eq!(store.remove_user(&name("hobbes")).await.unwrap().keys, ["two"]);
    for missing in [
        store.remove_user(&name("hobbes")).await.unwrap_err(),
        store.change_user(&name("hobbes"), Box::new(|_| Ok(()))).await.unwrap_err(),
    ] {
        assert!(missing.to_string().contains("there is no user \"hobbes\""), "{missing}");
    }
    // The keys are gone with the user.
    store.add_user(&user("hobbes")).await.unwrap();
    assert!(store.user(&name("hobbes")).await.unwrap().unwrap().keys.is_empty());
    let error = store.add_user(&user("tom")).await.unwrap_err();
    assert!(error.to_string().contains("already a user \"tom\""), "{error}");
}

#[tokio::test]
async fn homes_are_apart_or_the_same() {
    let (_dir, store) = store().await;
    store.add_user(&at_home("calvin", "/srv/homes/calvin")).await.unwrap();
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
    // Also when a user moves; and nobody stands in their own way.
    let moves = |home: &'static str| -> Change {
        Box::new(move |user| {
            user.home = home.into();
            Ok(())
        })
    };
    let error = store.change_user(&name("a"), moves("/srv/homes/ö/x")).await.unwrap_err();
    assert!(error.to_string().contains("\"g\""), "{error}");
    store.change_user(&name("a"), moves("/srv/homes/calvin2/deeper")).await.unwrap();
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
                user.quota.bytes = Some(1 << 30);
                Ok(())
            }),
        )
        .await
        .unwrap();
    let calvin = store.user(&name("calvin")).await.unwrap().unwrap();
    assert_eq!(calvin.quota.bytes, Some(1 << 30));
    let error = store.add_user(&at_home("susie", "/srv/shared")).await.unwrap_err();
    assert!(error.to_string().contains("another quota"), "{error}");
    let mut huge = user("huge");
    huge.quota.bytes = Some(u64::MAX);
    assert!(store.add_user(&huge).await.is_err());
}

#[tokio::test]
async fn two_processes_change_users_at_once_and_nothing_is_lost() {
    let dir = TempDir::new().unwrap();
    let path = file(&dir);
    // Both make and migrate it at the same time, too.
    let (one, two) = tokio::join!(SqlStore::open(&path), SqlStore::open(&path));
    let stores = [Arc::new(one.unwrap()), Arc::new(two.unwrap())];
    stores[0].add_user(&user("calvin")).await.unwrap();
    let mut tasks = Vec::new();
    for worker in 0..8 {
        let store = Arc::clone(&stores[worker % 2]);
        tasks.push(tokio::spawn(async move {
            for round in 0..10 {
                let key = format!("key {worker} {round}");
                let change: Change = Box::new(move |user| {
                    user.keys.push(key);
                    user.max_sessions = Some(user.max_sessions.unwrap_or(0) + 1);
                    Ok(())
                });
                store.change_user(&name("calvin"), change).await.unwrap();
                store.add_user(&user(&format!("u{worker}-{round}"))).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for store in &stores {
        let calvin = store.user(&name("calvin")).await.unwrap().unwrap();
        assert_eq!(calvin.max_sessions, Some(80));
        assert_eq!(calvin.keys.iter().collect::<BTreeSet<_>>().len(), 80);
        assert_eq!(store.users().await.unwrap().len(), 81);
    }
}

#[tokio::test]
async fn the_version_tells_of_changes_by_anybody() {
    let (dir, server) = store().await;
    let command = SqlStore::open(&file(&dir)).await.unwrap();
    let before = server.version().await.unwrap();
    assert_eq!(server.version().await.unwrap(), before);
    server.users().await.unwrap();
    assert_eq!(server.version().await.unwrap(), before, "reading is no change");
    command.add_user(&user("calvin")).await.unwrap();
    let by_another = server.version().await.unwrap();
    assert_ne!(by_another, before);
    server.add_user(&user("tom")).await.unwrap();
    assert_ne!(server.version().await.unwrap(), by_another, "its own changes count too");
    // Also after the command has ended and folded the log into the file.
    let version = server.version().await.unwrap();
    command.remove_user(&name("tom")).await.unwrap();
    command.close().await;
    assert_ne!(server.version().await.unwrap(), version);
}

#[tokio::test]
async fn host_keys_are_recorded() {
    let (_dir, store) = store().await;
    store.record_host_key("ssh-ed25519", "SHA256:a").await.unwrap();
    store.record_host_key("ecdsa", "SHA256:b").await.unwrap();
    store.record_host_key("ssh-ed25519", "SHA256:c").await.unwrap();
    let expected = [("ecdsa", "SHA256:b"), ("ssh-ed25519", "SHA256:c")];
    assert_eq!(store.host_keys().await.unwrap(), expected.map(|(a, f)| (a.to_owned(), f.to_owned())));
}

#[tokio::test]
async fn all_files_are_private() {
    let (dir, store) = store().await;
    store.add_user(&user("calvin")).await.unwrap();
    let names: Vec<_> = contents(&dir).into_iter().map(|(path, ..)| path).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    for path in names {
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600, "{path:?}");
    }
}

#[tokio::test]
async fn a_file_that_others_may_read_is_refused() {
    let (dir, store) = store().await;
    store.close().await;
    std::fs::set_permissions(file(&dir), std::fs::Permissions::from_mode(0o640)).unwrap();
    for error in [
        SqlStore::open(&file(&dir)).await.unwrap_err(),
        SqlStore::open_read_only(&file(&dir)).await.unwrap_err(),
    ] {
        assert!(error.to_string().ends_with("mode 0640 lets others read or change it (hint: chmod 600)"), "{error}");
    }
}

#[tokio::test]
async fn looking_changes_nothing() {
    let (dir, store) = store().await;
    store.add_user(&user("calvin")).await.unwrap();
    store.close().await;
    let before = contents(&dir);
    assert_eq!(before.len(), 1, "closing leaves one file");
    let looking = SqlStore::open_read_only(&file(&dir)).await.unwrap();
    assert_eq!(looking.users().await.unwrap().len(), 1);
    assert!(looking.add_user(&user("tom")).await.is_err());
    assert!(contents(&dir) == before, "while it is open");
    looking.close().await;
    assert!(contents(&dir) == before);
    // While the server runs, what is still in its log is seen too.
    let server = SqlStore::open(&file(&dir)).await.unwrap();
    server.add_user(&user("tom")).await.unwrap();
    let looking = SqlStore::open_read_only(&file(&dir)).await.unwrap();
    assert_eq!(looking.users().await.unwrap().len(), 2);
    assert!(looking.add_user(&user("susie")).await.is_err());
    looking.close().await;
    server.add_user(&user("susie")).await.unwrap();
}

#[tokio::test]
async fn a_missing_store_is_made_only_by_open() {
    let dir = TempDir::new().unwrap();
    for error in [
        SqlStore::open_existing(&file(&dir)).await.unwrap_err(),
        SqlStore::open_read_only(&file(&dir)).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("there is no store"), "{error}");
    }
    assert!(contents(&dir).is_empty());
    let error = SqlStore::open(&dir.path().join("a/b/c.db")).await.unwrap_err();
    assert!(error.to_string().contains("no such file or directory"), "{error}");
    SqlStore::open(&dir.path().join("data/c.db")).await.unwrap();
    let data = dir.path().join("data").metadata().unwrap();
    assert_eq!(data.mode() & 0o777, 0o700);
}

#[tokio::test]
async fn what_is_no_store_of_ours_is_refused_and_left_alone() {
    let (dir, store) = store().await;
    store.add_user(&user("calvin")).await.unwrap();
    store.close().await;
    let good = std::fs::read(file(&dir)).unwrap();
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                 VALUES (99, 'later', 1, x'00', 0)";
    edit(&dir, newer).await;
    let newer = std::fs::read(file(&dir)).unwrap();
    let mut torn = good.clone();
    let half = torn.len() / 2;
    torn[4096..half].fill(0x5a);
    let foreign = TempDir::new().unwrap();
    std::fs::write(file(&foreign), b"").unwrap();
    edit(&foreign, "CREATE TABLE notes (text)").await;
    let foreign = std::fs::read(file(&foreign)).unwrap();
    let check = async |bytes: &[u8], says: &str| {
        std::fs::write(file(&dir), bytes).unwrap();
        for error in [
            SqlStore::open(&file(&dir)).await.unwrap_err().to_string(),
            SqlStore::open_read_only(&file(&dir)).await.unwrap_err().to_string(),
        ] {
            assert!(error.contains(says) && error.contains("hint: "), "{error}");
        }
        assert_eq!(std::fs::read(file(&dir)).unwrap(), bytes, "{says}");
    };
    check(&newer, "written by a newer version of this program (store version 99, this program knows 1)").await;
    check(b"certainly not a database, and long enough to be looked at", "damaged").await;
    check(&torn, "damaged").await;
    check(&good[..good.len() / 2], "damaged").await;
    check(&foreign, "another program").await;
    std::fs::write(file(&dir), &good).unwrap();
    assert_eq!(SqlStore::open(&file(&dir)).await.unwrap().users().await.unwrap().len(), 1);
}

async fn edit(dir: &TempDir, sql: &'static str) {
    let options = SqliteConnectOptions::new().filename(file(dir));
    let mut connection = options.connect().await.unwrap();
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_row_that_makes_no_sense_names_its_user_and_column() {
    let (dir, store) = store().await;
    store.add_user(&user("calvin")).await.unwrap();
    edit(&dir, "UPDATE users SET permissions = 'list,fly'").await;
    let error = store.user(&name("calvin")).await.unwrap_err().to_string();
    assert!(error.contains("calvin") && error.contains("permissions") && error.contains("fly"), "{error}");
}

#[tokio::test]
async fn a_locked_store_is_waited_for_and_then_reported() {
    let (dir, store) = store().await;
    let options = SqliteConnectOptions::new().filename(file(&dir));
    let mut other = options.connect().await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    // Readers do not wait.
    assert!(store.users().await.unwrap().is_empty());
    let error = store.add_user(&user("calvin")).await.unwrap_err().to_string();
    assert!(error.contains("locked for 5 s"), "{error}");
    transaction.rollback().await.unwrap();
    store.add_user(&user("calvin")).await.unwrap();
}

#[tokio::test]
async fn odd_file_names_are_taken_as_they_are() {
    let dir = TempDir::new().unwrap();
    for odd in ["file:x?mode=memory", ":memory:", "a%20b#c", "sp ace"] {
        let path = dir.path().join(odd);
        let store = SqlStore::open(&path).await.unwrap();
        store.add_user(&user("calvin")).await.unwrap();
        store.close().await;
        assert!(path.is_file(), "{odd}");
        let store = SqlStore::open_read_only(&path).await.unwrap();
        assert_eq!(store.users().await.unwrap().len(), 1, "{odd}");
    }
}
