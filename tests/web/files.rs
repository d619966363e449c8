//! The files of a user over HTTP: listings, downloads, whole uploads and other names.

mod changes;
mod downloads;
mod listings;
mod puts;
mod reserved;

use std::fs;
use std::path::Path;

use testkit::server::TestServer;
use testkit::wait_for;
use testkit::web::{WEB, WebClient};

/// Starts a server with the web page and the user alice, and returns alice's client.
pub(super) fn start(user_options: &[&str]) -> (TestServer, WebClient) {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", user_options);
    server.serve();
    let client = WebClient::of(&server, "alice");
    (server, client)
}

/// Writes a file, with the directories above it.
pub(super) fn write(path: &Path, content: &[u8]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

/// Makes a file of so many bytes that takes no room on the disk.
pub(super) fn write_sparse(path: &Path, size: u64) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().set_len(size).unwrap();
}

/// Gives a file a time long ago, so that its tag is strong.
pub(super) fn age(path: &Path) {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(784_111_777);
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

/// Returns the events of this kind in the audit log, once there are so many.
pub(super) fn events(server: &TestServer, kind: &str, count: usize) -> Vec<serde_json::Value> {
    let of_kind = || {
        let events = server.events().into_iter();
        events.filter(|event| event["event"] == kind).collect::<Vec<_>>()
    };
    wait_for(&format!("{count} events {kind}"), || of_kind().len() >= count);
    of_kind()
}
