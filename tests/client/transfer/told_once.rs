//! A connection that is lost for good is one message, however many files were still to come.

use std::process::{Command, Stdio};

use homeport::transfer::Direction;

use crate::client::commands::CommandResult;
use crate::client::transfer::broken::behind_proxy;
use crate::client::transfer::bytes;

/// The number of files, in several directories.
const FILES: u64 = 120;
/// The size of each file, in bytes.
const SIZE: usize = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_lost_for_good_is_told_once() {
    for words in [&["sync"][..], &["put", "-r"]] {
        let (mut server, proxy, _client) = behind_proxy(&[]).await;
        let dir = tempfile::tempdir().unwrap();
        for number in 0..FILES {
            let path = dir.path().join(format!("t/d{}/{number}", number % 3));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes(number, SIZE)).unwrap();
        }
        proxy.pause_at(Direction::Up, 2 << 20);
        let mut command = Command::new(testkit::programs::homeport());
        command
            .args(words)
            .args(["t", "alice@127.0.0.1:t", "--retry-for", "1s"])
            .args(["-P", &proxy.port.to_string()])
            .args(["-F", "none", "--accept-new", "--batch", "-i"])
            .arg(server.key("alice"))
            .arg("--known-hosts")
            .arg(dir.path().join("known_hosts"))
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(dir.path())
            .stdin(Stdio::null());
        let running = tokio::task::spawn_blocking(move || command.output().unwrap());
        proxy.wait_for_pause(Direction::Up).await;
        server.signal("KILL");
        server.wait_for_exit();
        proxy.resume(Direction::Up);
        let ended = CommandResult::of(running.await.unwrap()).expect_code(4);
        let lines = ended.err.lines();
        let told: Vec<&str> = lines.filter(|line| line.contains("not done")).collect();
        assert_eq!(told.len(), 1, "{words:?}: {}", ended.err);
        assert!(
            told[0].starts_with("the connection to the server was lost: ")
                && told[0].contains(" files or directories are not done (hint: run the same command again"),
            "{words:?}: {}",
            ended.err
        );
        assert!(!ended.err.contains("FAILED:"), "{words:?}: {}", ended.err);
    }
}
