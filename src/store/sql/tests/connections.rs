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
