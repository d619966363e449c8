//! No space left, by quota on the server or on the local disk. The transferred bytes are kept, and the next run
//! completes the file.

use std::path::{Path, PathBuf};
use std::process::Command;

use homeport::link::Space;
use homeport::transfer::{Outcome, Proof, Settings};

use crate::client::transfer::client::Client;
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_is_reached_in_the_middle() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--quota", "8MiB"], "");
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let content = bytes(1, 12 * MIB);
    client.write("big", &content);
    let link = client.remote.link().await.unwrap();
    let free = || async { Space::at(&link, b"/").await.unwrap().unwrap().free };
    until("the quota is lowered", async || free().await <= 8 * MIB as u64).await;
    let run = client.run(Settings::default(), vec![client.up("big")]).await;
    run.failed_with(&[
        "cannot write to the file on the server: quota exceeded: ",
        "of 8.0 MiB used",
    ]);
    assert_eq!(run.summary.exit_code(), 4);
    let disk = server.home("alice").join("big");
    let stored = read(&disk).unwrap();
    assert!(
        stored.len() > 7 * MIB && stored.len() <= 8 * MIB,
        "{}",
        stored.len()
    );
    assert_same(&stored, &content[..stored.len()], "what has arrived");

    server.admin_ok(&["user", "set", "alice", "--quota", "20MiB"], "");
    until("the quota is raised", async || free().await > 8 * MIB as u64).await;
    let run = client.run(Settings::default(), vec![client.up("big")]).await;
    let (resumed_from, proof) = (stored.len() as u64, Proof::Md5);
    assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }));
    assert_eq!(run.moved, (content.len() - stored.len()) as u64);
    assert_same(&read(&disk).unwrap(), &content, "completed");
}

/// Polls until `done` returns `true`: a running server notices a new quota within two seconds.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !done().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let looked = tokio::time::timeout(testkit::PATIENCE, looking).await;
    assert!(looked.is_ok(), "waited in vain until {what}");
}

/// The environment variable with the directory for the test that runs in a process of its own.
const PLACE: &str = "HOMEPORT_TOO_SMALL";

/// A limit on the size of files acts like a full disk, and needs no privileges. It applies to a whole process, so the
/// test runs itself in another one.
#[test]
fn a_limit_on_file_sizes_keeps_the_part() {
    let dir = tempfile::tempdir().unwrap();
    // SIGXFSZ is ignored, so that the write fails instead; ignored signals stay ignored across exec. The limit is in
    // blocks of 512 bytes: 4 MiB.
    let script = r#"trap "" XFSZ; ulimit -f 8192; exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    run_in_own_process(command, dir.path());
}

/// The same test on a real file system that is full.
#[test]
fn a_full_disk_keeps_the_part() {
    let dir = tempfile::tempdir().unwrap();
    // The mount has a namespace of its own, and ends with the process.
    let script = r#"mount -t tmpfs -o size=4m none "$HOMEPORT_TOO_SMALL" || exit 77; exec "$0" "$@""#;
    let Some(mounts) = testkit::private_mounts("a small disk") else {
        return;
    };
    let mut command = Command::new(mounts[0]);
    command.args(&mounts[1..]).args(["sh", "-c", script]);
    run_in_own_process(command, dir.path());
}

fn run_in_own_process(command: Command, place: &Path) {
    let test = testkit::test_name(module_path!(), "in_its_own_process_with_too_little_space");
    testkit::run_in_own_process(command, &test, (PLACE, place));
}

#[ignore = "runs in a process of its own, by the tests above"]
#[tokio::test(flavor = "multi_thread")]
async fn in_its_own_process_with_too_little_space() {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let server = FaultyServer::start(Faults::default()).await;
    let client = server.client().await;
    let content = bytes(2, 6 * MIB);
    server.put("big", &content);
    let job = |local: PathBuf| homeport::transfer::Job {
        local,
        ..client.down("big", content.len())
    };
    let run = client
        .run(Settings::default(), vec![job(place.join("big"))])
        .await;
    run.failed_with(&["cannot write to the file: "]);
    let words = run.only().as_ref().unwrap_err();
    assert!(
        words.contains("no space left") || words.contains("file too large"),
        "{words}"
    );
    assert_eq!(run.summary.exit_code(), 4);
    assert!(!place.join("big").exists());
    let stored = read(&place.join("big.part")).unwrap();
    assert!(stored.len() > MIB && stored.len() <= 4 * MIB, "{}", stored.len());
    assert_same(&stored, &content[..stored.len()], "what has come");
    // Another directory has space: the part is moved there and completed. The limit on the size of files applies there
    // as well.
    server.put("big", &content[..4 * MIB - 1000]);
    let elsewhere = client.local("big");
    let kept = stored.len().min(3 * MIB);
    std::fs::write(client.local("big.part"), &stored[..kept]).unwrap();
    let run = client
        .run(Settings::default(), vec![job(elsewhere.clone())])
        .await;
    assert_eq!(run.resumed_from(), kept as u64);
    assert_same(
        &read(&elsewhere).unwrap(),
        &content[..4 * MIB - 1000],
        "completed",
    );
}
