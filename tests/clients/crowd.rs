//! Three hundred connections at once, each with a transfer of its own.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Config;
use russh::keys::load_secret_key;
use tokio::sync::Barrier;

use crate::clients::noise;
use testkit::packets::{CREAT, READ, TRUNC, WRITE, close, nth, read, write};
use testkit::replies::Reply;
use testkit::russh_client::Session;
use testkit::server::TestServer;

const CONNECTIONS: usize = 300;
/// A user may have a hundred sessions at once.
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];
const BLOCK: usize = 32_768;
const BLOCKS: usize = 8;

/// Uploads noise, downloads it again, and compares.
async fn transfer(mut session: Session, number: usize) {
    let name = format!("file-{number}");
    let content = noise(BLOCK * BLOCKS, number as u64 + 1);
    let handle = session.open(&name, WRITE | CREAT | TRUNC).await;
    for (index, block) in content.chunks(BLOCK).enumerate() {
        let reply = session
            .ask(&write(nth(0), (index * BLOCK) as u64, block), &handle)
            .await;
        assert!(matches!(reply, Reply::Status { code: 0, .. }), "{reply:?}");
    }
    session.ask(&close(nth(0)), &handle).await;
    let handle = session.open(&name, READ).await;
    let mut back = Vec::new();
    while let Reply::Data(data) = session
        .ask(&read(nth(0), back.len() as u64, BLOCK as u32), &handle)
        .await
    {
        back.extend(data);
    }
    assert!(back == content, "file {number} came back changed");
}

#[test]
fn three_hundred_connections_transfer_their_files_correctly() {
    let server = TestServer::start(&USERS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let keys = USERS.map(|user| (user, load_secret_key(server.key(user), None).unwrap()));
    let port = server.port();
    runtime.block_on(async {
        let all_are_in = Arc::new(Barrier::new(CONNECTIONS));
        let tasks: Vec<_> = (0..CONNECTIONS)
            .map(|number| {
                let (user, key) = keys[number % USERS.len()].clone();
                let all_are_in = Arc::clone(&all_are_in);
                tokio::spawn(async move {
                    let session = Session::start(Config::default(), port, user, &key).await;
                    all_are_in.wait().await;
                    transfer(session, number).await;
                })
            })
            .collect();
        let all = async {
            for task in tasks {
                task.await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(600), all)
            .await
            .expect("all done in ten minutes");
    });
    for number in 0..CONNECTIONS {
        let home = server.home(USERS[number % USERS.len()]);
        let stored = std::fs::read(home.join(format!("file-{number}"))).unwrap();
        assert!(
            stored == noise(BLOCK * BLOCKS, number as u64 + 1),
            "file {number} is stored changed"
        );
    }
}
