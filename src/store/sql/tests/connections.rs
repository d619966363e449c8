//! Tests several connections to one file: those of two processes, and those of one pool.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;

#[tokio::test]
async fn two_processes_change_users_at_once_and_nothing_is_lost() {
    let dir = TempDir::new().unwrap();
    let path = file(&dir);
    // Both processes also create and migrate the store at the same time.
    let (one, two) = tokio::join!(SqlStore::open(&path), SqlStore::open(&path));
    let stores = [Arc::new(one.unwrap()), Arc::new(two.unwrap())];
    stores[0].add_user(&user("calvin")).await.unwrap();
    let mut tasks = Vec::new();
    for worker in 0..8 {
        let store = Arc::clone(&stores[worker % 2]);
        tasks.push(tokio::spawn(async move {
            for round in 0..10 {
                let key = format!("key {worker} {round}");
                let change: RecordChange = Box::new(move |user| {
                    user.keys.push(key.clone());
                    let before = user.max_sessions().unwrap_or(0);
                    user.settings.max_sessions = Some((before + 1).into());
                    Ok(())
                });
                store.change_user(&name("calvin"), change).await.unwrap();
                store
                    .add_user(&user(&format!("u{worker}-{round}")))
                    .await
                    .unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    for store in &stores {
        let calvin = store.user(&name("calvin")).await.unwrap().unwrap();
        assert_eq!(calvin.max_sessions(), Some(80));
        assert_eq!(calvin.keys.iter().collect::<BTreeSet<_>>().len(), 80);
        assert_eq!(store.users().await.unwrap().len(), 81);
    }
}

/// SQLite may roll a transaction back by itself if a change cannot be written.
#[tokio::test]
async fn a_transaction_that_ended_by_itself_spoils_no_connection() {
    let (_dir, store) = store().await;
    for number in 0..2 * CONNECTIONS {
        let mut write = store.db.begin_write().await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *write).await.unwrap();
        assert!(write.commit().await.is_err());
        store.add_user(&user(&format!("user{number}"))).await.unwrap();
    }
}

#[tokio::test]
async fn the_version_shows_changes_by_other_connections() {
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
    assert_ne!(
        server.version().await.unwrap(),
        by_another,
        "its own changes count too"
    );
    // The version also changes when the command has ended and the log was moved into the file.
    let version = server.version().await.unwrap();
    command.remove_user(&name("tom")).await.unwrap();
    command.close().await;
    assert_ne!(server.version().await.unwrap(), version);
}

#[tokio::test]
async fn the_reads_of_a_start_open_no_other_connection() {
    let (_dir, store) = store().await;
    store.rewrite_homes().await.unwrap();
    store.check_rest().await.unwrap();
    store.marks_known_homes().await.unwrap();
    store.has_users().await.unwrap();
    store.id().await.unwrap();
    store.host_keys().await.unwrap();
    store.sign_ins(Timestamp::UNIX_EPOCH).await.unwrap();
    store.version().await.unwrap();
    assert_eq!(store.db.pool.size(), 0);
    store.warm_up().await;
    assert_eq!(store.db.pool.size(), 2);
}

#[tokio::test]
async fn a_faulty_connection_keeps_the_store_open_until_another_one_does() {
    let (dir, store) = store().await;
    let log = dir.path().join("homeport.db-wal");
    for _ in 0..3 {
        let mut reader = store.db.reader.acquire(&store.db.pool).await.unwrap();
        let failed: sqlx::Result<()> = Err(sqlx::Error::RowNotFound);
        assert!(reader.ended(failed).is_err());
        drop(reader);
        assert!(log.exists());
        store.version().await.unwrap();
        assert!(log.exists());
        assert_eq!(store.db.pool.size(), 0, "the pool has lent none");
    }
}
