//! Local files that change while they are sent. A proxy pauses the upload until the file has been changed, behind what
//! can have been read by then.

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
/// An offset that was not read yet: 1 MiB has passed the proxy when it pauses, 24 MiB may be under way, and a few
/// blocks were read ahead.
const NOT_READ_YET: usize = 40 * MIB;

struct ChangingUpload {
    server: TestServer,
    proxy: Proxy,
    client: Client,
    content: Vec<u8>,
}

impl ChangingUpload {
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

    /// Uploads the file, and changes it after 1 MiB.
    async fn send(&self, change: impl FnOnce(&Path)) -> Run {
        self.proxy.pause_at(Direction::Up, MIB as u64);
        let changing = async {
            self.proxy.wait_for_pause(Direction::Up).await;
            change(&self.client.local("file"));
            self.proxy.resume(Direction::Up);
        };
        let jobs = vec![self.client.up("file")];
        tokio::join!(self.client.run(Settings::default(), jobs), changing).0
    }

    fn stored(&self) -> Vec<u8> {
        read(&self.server.home("alice").join("file")).unwrap()
    }

    /// Uploads the file again, without a change.
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
async fn a_file_that_shrinks_while_it_is_sent() {
    let upload = ChangingUpload::begin().await;
    let run = upload
        .send(|path| open(path).set_len(NOT_READ_YET as u64).unwrap())
        .await;
    run.failed_with(&[
        &format!("the file became shorter while it was sent: it has {NOT_READ_YET} of {SIZE} bytes"),
        "--overwrite",
    ]);
    let run = upload.again().await;
    assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Md5)));
    assert_same(&upload.stored(), &upload.content[..NOT_READ_YET], "what is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_grows_while_it_is_sent() {
    let upload = ChangingUpload::begin().await;
    let run = upload
        .send(|path| open(path).write_all_at(b"more", SIZE as u64).unwrap())
        .await;
    run.failed_with(&[&format!(
        "the file grew while it was sent: {SIZE} of {} bytes",
        SIZE + b"more".len()
    )]);
    let run = upload.again().await;
    assert_eq!(run.resumed_from(), SIZE as u64);
    assert_same(
        &upload.stored(),
        &[&upload.content[..], b"more"].concat(),
        "all of it",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_content_changes_while_it_is_sent() {
    let upload = ChangingUpload::begin().await;
    let run = upload
        .send(|path| open(path).write_all_at(b"other", NOT_READ_YET as u64).unwrap())
        .await;
    run.failed_with(&["the file was changed while it was sent"]);
    // The bytes that arrived are those of the changed file, because they were read after the change.
    let run = upload.again().await;
    assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Md5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_removed_while_it_is_sent() {
    // The file is open, so all of it is sent.
    let upload = ChangingUpload::begin().await;
    let run = upload.send(|path| std::fs::remove_file(path).unwrap()).await;
    let (resumed_from, proof) = (0, Proof::Md5);
    assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }));
    assert_same(&upload.stored(), &upload.content, "all of it");

    // After a broken connection, the file cannot be opened again.
    let upload = ChangingUpload::begin().await;
    let cut = upload.proxy.direction_state(Direction::Up);
    cut.cuts.lock().unwrap().push_back(20 * MIB as u64);
    let run = upload.send(|path| std::fs::remove_file(path).unwrap()).await;
    run.failed_with(&["cannot open the file: no such file or directory"]);
}
