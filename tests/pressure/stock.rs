//! The stock `sftp` with a key exchange every megabyte.

use crate::pressure::noise;
use testkit::server::TestServer;
use testkit::stock::{By, run};

#[test]
fn stock_sftp_with_new_keys_every_mib_both_ways() {
    let server = TestServer::start(&["alice"]);
    let content = noise(64 << 20, 64);
    std::fs::write(server.path().join("local"), &content).unwrap();
    let mut command = server.client("sftp", "alice", By::Key);
    command.args(["-q", "-oRekeyLimit=1M", "-b", "-", "alice@127.0.0.1"]);
    let output = run(command, "put local far\nget far back\n");
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        server.log()
    );
    let same = |path: std::path::PathBuf| std::fs::read(path).unwrap() == content;
    assert!(same(server.home("alice").join("far")), "the upload differs");
    assert!(same(server.path().join("back")), "the download differs");
}
