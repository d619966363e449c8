//! No room: on the server by quota, here on the disk. What has come stays, and the next run completes it.

use std::path::PathBuf;
use std::process::Command;

use homeport::transfer::{Outcome, Proof, Settings};

use crate::client::transfer::client::Client;
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_that_fills_up_in_the_middle() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--quota", "8MiB"], "");
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let content = bytes(1, 12 * MIB);
    client.write("big", &content);
    let link = client.remote.link().await.unwrap();
    let free = || async { link.space(b"/").await.unwrap().unwrap().free };
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

/// Looks again and again, in bounded time: a running server learns of a new quota within two seconds.
async fn until(what: &str, mut done: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !done().await {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let looked = tokio::time::timeout(testkit::PATIENCE, looking).await;
    assert!(looked.is_ok(), "waited in vain until {what}");
}

/// Where the test that runs by itself finds what it needs: the directory that is too small, whether it is a limit of
/// the process.
const PLACE: &str = "HOMEPORT_TOO_SMALL";

/// A limit to the size of this process's files is a disk that is full, and needs no powers. It holds for a process as a
/// whole: the test runs itself in one of its own.
#[test]
fn no_room_here() {
    let dir = tempfile::tempdir().unwrap();
    // The signal must be ignored, so that the write fails instead: what is ignored stays so in the next program.
    // In blocks of 512 bytes: 4 MiB.
    let script = r#"trap "" XFSZ; ulimit -f 8192; exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    alone(command, dir.path().into());
}

/// The same on a real file system that is full.
#[test]
fn no_room_on_a_small_disk() {
    let dir = tempfile::tempdir().unwrap();
    // In a mount namespace of its own: it goes away with the process.
    let script = r#"mount -t tmpfs -o size=4m none "$HOMEPORT_TOO_SMALL" || exit 77; exec "$0" "$@""#;
    let Some(mounts) = testkit::own_mounts("a small disk") else {
        return;
    };
    let mut command = Command::new(mounts[0]);
    command.args(&mounts[1..]).args(["sh", "-c", script]);
    alone(command, dir.path().into());
}

fn alone(mut command: Command, place: PathBuf) {
    let output = command
        .arg(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &testkit::test_name(module_path!(), "alone_in_too_small_a_place"),
            "--ignored",
            "--nocapture",
        ])
        .env(PLACE, place)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(77) {
        testkit::skipped("a small disk", &words);
        return;
    }
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}\n{words}"
    );
}

#[ignore = "runs in a process of its own, by the tests above"]
#[tokio::test(flavor = "multi_thread")]
async fn alone_in_too_small_a_place() {
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
    // Elsewhere is room: what has come is taken there, and completed. A file can't be larger than the limit even there.
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
