//! Tests the file: its mode, which files are refused, and that an inspection leaves no changes behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use sqlx::{ConnectOptions, Connection};

use super::*;

/// Returns every file of a directory with its bytes and its time of change.
fn contents(dir: &TempDir) -> Vec<(PathBuf, Vec<u8>, (i64, i64))> {
    let mut files: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            let meta = path.metadata().unwrap();
            (
                path.clone(),
                std::fs::read(&path).unwrap(),
                (meta.mtime(), meta.mtime_nsec()),
            )
        })
        .collect();
    files.sort();
    files
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
        let (text, path) = (error.to_string(), file(&dir));
        let says = format!(
            "lets others read or change it (hint: chmod 600 {}",
            path.display()
        );
        assert!(text.contains(&says), "{text}");
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
    // While the server runs, an inspection also sees what is still in the log.
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
            SqlStore::open_read_only(&file(&dir))
                .await
                .unwrap_err()
                .to_string(),
        ] {
            assert!(error.contains(says) && error.contains("hint: "), "{error}");
        }
        assert_eq!(std::fs::read(file(&dir)).unwrap(), bytes, "{says}");
    };
    check(
        &newer,
        "written by a newer version of this program (store version 99, this program knows ",
    )
    .await;
    check(
        b"certainly not a database, and long enough to be looked at",
        "damaged",
    )
    .await;
    check(&torn, "damaged").await;
    check(&good[..good.len() / 2], "damaged").await;
    check(&foreign, "another program").await;
    std::fs::write(file(&dir), &good).unwrap();
    assert_eq!(
        SqlStore::open(&file(&dir))
            .await
            .unwrap()
            .users()
            .await
            .unwrap()
            .len(),
        1
    );
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
    assert!(
        error.contains("calvin") && error.contains("permissions") && error.contains("fly"),
        "{error}"
    );
}

#[tokio::test]
async fn a_locked_store_is_waited_for_and_then_reported() {
    let (dir, store) = store().await;
    let options = SqliteConnectOptions::new().filename(file(&dir));
    let mut other = options.connect().await.unwrap();
    let transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    // Readers do not wait for the writer.
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

#[tokio::test]
async fn every_connection_is_durable_and_keeps_references_whole() {
    let (_dir, store) = store().await;
    for (pragma, expected) in [
        ("synchronous", "2"),
        ("foreign_keys", "1"),
        ("journal_mode", "wal"),
        ("temp_store", "2"),
    ] {
        let value: String = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"
        )))
        .fetch_one(&store.db.pool)
        .await
        .unwrap();
        assert_eq!(value, expected, "{pragma}");
    }
}

#[tokio::test]
async fn what_a_killed_server_left_is_read_and_left_as_it_is() {
    let (dir, server) = store().await;
    server.add_user(&user("calvin")).await.unwrap();
    // The files are copied as after a crash: the log still contains the user.
    let crashed = TempDir::new().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("homeport.db{suffix}");
        let copy = crashed.path().join(&name);
        std::fs::copy(dir.path().join(&name), &copy).unwrap();
    }
    let before = contents(&crashed);
    let looking = SqlStore::open_read_only(&file(&crashed)).await.unwrap();
    assert_eq!(looking.users().await.unwrap().len(), 1);
    looking.close().await;
    let names =
        |files: &[(PathBuf, Vec<u8>, (i64, i64))]| files.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    let after = contents(&crashed);
    assert_eq!(names(&after), names(&before));
    // The index of the log is a cache, so it may be rebuilt.
    assert!(after[0] == before[0]);
    assert!(after[2] == before[2]);
    // The next server finds all data.
    let server = SqlStore::open(&file(&crashed)).await.unwrap();
    assert_eq!(server.users().await.unwrap().len(), 1);
}

/// For every older version, `check` sees the result of the upgrade, and the file is not changed.
#[tokio::test]
async fn an_older_store_is_looked_at_as_it_will_be() {
    let mut versions: Vec<i64> = migrations::migrations().iter().map(|step| step.version).collect();
    let latest = versions.pop().unwrap();
    for version in versions {
        let dir = TempDir::new().unwrap();
        let path = file(&dir);
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let options = SqliteConnectOptions::new().filename(&path);
        let mut old = sqlx::ConnectOptions::connect(&options).await.unwrap();
        let mut steps = migrations::migrations();
        steps.retain(|step| step.version <= version);
        let migrator = sqlx::migrate::Migrator::with_migrations(steps);
        migrator.run(&mut old).await.unwrap();
        let add = "INSERT INTO users (name, home, enabled, permissions, allowed_from, require) \
                   VALUES ('calvin', '/srv/homes/calvin', 1, 'list,read', '', ''); \
                   INSERT INTO user_keys (user_name, position, line) VALUES ('calvin', 0, 'a key')";
        sqlx::raw_sql(add).execute(&mut old).await.unwrap();
        old.close().await.unwrap();
        let before = contents(&dir);

        let looking = SqlStore::open_read_only(&path).await.unwrap();
        assert_eq!(
            looking.migration(),
            Some(Upgrade {
                from: version,
                to: latest
            })
        );
        let seen = looking.users().await.unwrap();
        looking.close().await;
        assert!(contents(&dir) == before, "version {version}");

        let store = SqlStore::open(&path).await.unwrap();
        let made = store.users().await.unwrap();
        assert_eq!(format!("{made:?}"), format!("{seen:?}"), "version {version}");
        assert_eq!(seen[0].keys, ["a key"]);
        store.close().await;
        let looking = SqlStore::open_read_only(&path).await.unwrap();
        assert_eq!(looking.migration(), None);
    }
}

#[tokio::test]
async fn a_store_of_version_2_gets_an_id_and_relative_homes() {
    let dir = TempDir::new().unwrap();
    version_2(
        &file(&dir),
        &["/srv/homes/a", "/srv/homes/team/b", "/mnt/c", "/srv/homes2/d"],
    )
    .await;
    let open = async || {
        let store = SqlStore::open_existing(&file(&dir)).await.unwrap();
        let store = store.with_homes("/srv/homes".into(), Path::new("/srv/homes"));
        store.rewrite_homes().await.unwrap();
        store
    };
    let store = open().await;
    let id = store.id().await.unwrap();
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
        "{id}"
    );
    assert!(store.marks_known_homes().await.unwrap());
    store.known_homes_are_marked().await.unwrap();
    let stored: Vec<String> = sqlx::query_scalar("SELECT home FROM users ORDER BY name")
        .fetch_all(&store.db.pool)
        .await
        .unwrap();
    assert_eq!(stored, ["a", "team/b", "/mnt/c", "/srv/homes2/d"]);
    let before = store.version().await.unwrap();
    store.close().await;

    // The store is opened again, and in another directory.
    let store = open().await;
    assert_eq!(store.id().await.unwrap(), id);
    assert!(!store.marks_known_homes().await.unwrap());
    assert_eq!(store.version().await.unwrap(), before, "nothing was written");
    let store = store.with_homes("/new/homes".into(), Path::new("/new/homes"));
    let users = store.users().await.unwrap();
    let homes: Vec<_> = users.iter().map(|user| user.home.to_str().unwrap()).collect();
    assert_eq!(
        homes,
        ["/new/homes/a", "/new/homes/team/b", "/mnt/c", "/srv/homes2/d"]
    );
    for (user, bytes) in users.iter().zip(7..) {
        assert_eq!(
            store.usage(&user.home).await.unwrap().unwrap().bytes,
            bytes,
            "{user:?}"
        );
    }
    // The rules about homes apply to both forms.
    let mut inside = user("inside");
    inside.home = "/new/homes/team".into();
    let error = store.add_user(&inside).await.unwrap_err().to_string();
    assert!(error.contains("\"/new/homes/team/b\", lies inside it"), "{error}");
}

#[tokio::test]
async fn two_stores_have_two_ids() {
    let ((_one, one), (_two, two)) = (store().await, store().await);
    assert_ne!(one.id().await.unwrap(), two.id().await.unwrap());
    assert!(
        !one.marks_known_homes().await.unwrap(),
        "a new store has no homes from before"
    );
}
