//! Local files that do not hold still while they are sent. A proxy holds the upload until the file has been changed, and
//! the change lies behind what can have been read by then.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use homeport::transfer::{Direction, Outcome, Proof, Settings};

use crate::client::transfer::client::{Client, Run};
use crate::client::transfer::proxy::Proxy;
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const MIB: usize = 1 << 20;
const SIZE: usize = 48 * MIB;
/// 1 MiB has passed when it is held; 24 MiB may be under way, and a few blocks have been read ahead.
const NOT_READ_YET: usize = 40 * MIB;

struct Story {
    server: TestServer,
    proxy: Proxy,
    client: Client,
    content: Vec<u8>,
}

impl Story {
    async fn begin() -> Self {
        let server = TestServer::start(&["alice"]);
        let proxy = Proxy::to(server.port()).await;
        let client = Client::connect("alice", proxy.port, &server.key("alice"), b"").await;
        let content = bytes(1, SIZE);
        client.write("file", &content);
        Self {
            server,
            proxy,
            client,
            content,
        }
    }

    /// Sends it, and changes it when 1 MiB has gone.
    async fn send(&self, change: impl FnOnce(&Path)) -> Run {
        self.proxy.hold_at(Direction::Up, MIB as u64);
        let changing = async {
            self.proxy.held(Direction::Up).await;
            change(&self.client.local("file"));
            self.proxy.let_go(Direction::Up);
        };
        let jobs = vec![self.client.up("file")];
        tokio::join!(self.client.run(Settings::default(), jobs), changing).0
    }

    fn stored(&self) -> Vec<u8> {
        read(&self.server.home("alice").join("file")).unwrap()
    }

    /// The next run, in which it holds still.
    async fn again(&self) -> Run {
        self.client
            .run(Settings::default(), vec![self.client.up("file")])
            .await
    }
}

fn open(path: &Path) -> File {
    File::options().write(true).open(path).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_becomes_shorter() {
    let story = Story::begin().await;
    let run = story
        .send(|path| open(path).set_len(NOT_READ_YET as u64).unwrap())
        .await;
    run.failed_with(&[
        &format!("the file became shorter while it was sent: it has {NOT_READ_YET} of {SIZE} bytes"),
        "--overwrite",
    ]);
    let run = story.again().await;
    assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Md5)));
    assert_same(&story.stored(), &story.content[..NOT_READ_YET], "what is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_grows() {
    let story = Story::begin().await;
    let run = story
        .send(|path| open(path).write_all_at(b"more", SIZE as u64).unwrap())
        .await;
    run.failed_with(&[&format!(
        "the file grew while it was sent: {SIZE} of {} bytes",
        SIZE + b"more".len()
    )]);
    let run = story.again().await;
    assert_eq!(run.resumed_from(), SIZE as u64);
    assert_same(
        &story.stored(),
        &[&story.content[..], b"more"].concat(),
        "all of it",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn it_becomes_another() {
    let story = Story::begin().await;
    let run = story
        .send(|path| open(path).write_all_at(b"other", NOT_READ_YET as u64).unwrap())
        .await;
    run.failed_with(&["the file was changed while it was sent"]);
    // What has arrived is what is there now: it was read behind the change.
    let run = story.again().await;
    assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Md5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn its_name_vanishes() {
    // It is open: all of it is sent.
    let story = Story::begin().await;
    let run = story.send(|path| std::fs::remove_file(path).unwrap()).await;
    let (resumed_from, proof) = (0, Proof::Md5);
    assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }));
    assert_same(&story.stored(), &story.content, "all of it");

    // When the connection breaks it can't be opened again.
    let story = Story::begin().await;
    let cut = story.proxy.flow(Direction::Up);
    cut.cuts.lock().unwrap().push_back(20 * MIB as u64);
    let run = story.send(|path| std::fs::remove_file(path).unwrap()).await;
    run.failed_with(&["cannot open the file: no such file or directory"]);
}
