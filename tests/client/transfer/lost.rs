//! Connections that are lost at any request: what the server has not answered is not taken for a refusal, whichever
//! question it was.

use std::path::Path;
use std::process::{Command, Stdio};

use homeport::link::Space;
use homeport::plan::Policy;
use homeport::transfer::{Direction, Outcome, Proof, Settings, Verify};
use testkit::server::TestServer;
use tokio::task::JoinSet;

use crate::client::commands::CommandResult;
use crate::client::transfer::faulty_server::{Faults, FaultyServer, Shell};
use crate::client::transfer::proxy::Proxy;
use crate::client::transfer::{assert_same, bytes};

/// The size of a WRITE, in bytes.
const WRITE: u64 = 32 << 10;

/// Runs a story for each number of requests after which the first connection ends. They run at the same time, because
/// each client waits for half a second before it connects again.
async fn for_each_request<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    requests: std::ops::Range<usize>,
    story: impl Fn(usize) -> F,
) -> Vec<T> {
    let running: JoinSet<T> = requests.map(story).collect();
    running.join_all().await
}

/// Commands that succeed.
const COMMANDS: &[&[&str]] = &[
    &["mv", "tom@127.0.0.1:/a", "tom@127.0.0.1:/b", "tom@127.0.0.1:/dir"],
    &["cp", "-n", "tom@127.0.0.1:/a", "tom@127.0.0.1:/b"],
    &["mkdir", "-p", "tom@127.0.0.1:/x/y"],
    &["stat", "tom@127.0.0.1:/a"],
];

fn dying(dies_after: usize) -> Faults {
    Faults {
        dies_after: Some(dies_after),
        ..Faults::default()
    }
}

/// Runs a command of the client against a server whose files are in its root directory.
async fn homeport(faulty: &FaultyServer, words: &[&str]) -> CommandResult {
    homeport_at(faulty.port, &faulty.key(), words).await
}

/// Runs a command of the client with this port and this key.
pub async fn homeport_at(port: u16, key: &Path, words: &[&str]) -> CommandResult {
    let mut command = Command::new(testkit::programs::homeport());
    command
        .args(words)
        .args(["-P", &port.to_string()])
        .args(["-F", "none", "--accept-new", "--batch", "-i"])
        .arg(key)
        .arg("--known-hosts")
        .arg(key.with_file_name("known_hosts"))
        .env_remove("SSH_AUTH_SOCK")
        .stdin(Stdio::null());
    let ended = tokio::task::spawn_blocking(move || command.output().unwrap()).await;
    CommandResult::of(ended.unwrap())
}

/// A WRITE is refused in the middle, and later ones are not. If the connection is lost before the file is cut back, the
/// next attempt cuts it, also where no hash would find the hole.
#[tokio::test(flavor = "multi_thread")]
async fn no_hole_stays_when_the_connection_is_lost_at_the_cut() {
    let whole = for_each_request(12..28, |dies_after| async move {
        let faulty = FaultyServer::start(Faults {
            no_hashes: true,
            refuses: Some(9 * WRITE),
            ..dying(dies_after)
        })
        .await;
        let client = faulty.client().await;
        let content = bytes(1, 20 * WRITE as usize);
        client.write("file", &content);
        let run = client.run(Settings::default(), vec![client.up("file")]).await;
        let there = faulty.get("file").unwrap();
        assert_same(&there, &content[..there.len()], "a beginning of the file");
        assert!(!run.warnings.contains("holes"), "{dies_after}: {}", run.warnings);
        let is_whole = run.only().is_ok();
        assert_eq!(there.len() == content.len(), is_whole, "{dies_after}: {run:?}");
        is_whole
    })
    .await;
    assert!(whole.contains(&true) && whole.contains(&false), "{whole:?}");
}

/// `--update` compares the dates of both files, and the server tells its own only if it is asked again.
#[tokio::test(flavor = "multi_thread")]
async fn dates_are_asked_for_again() {
    for_each_request(2..14, |dies_after| async move {
        let faulty = FaultyServer::start(Faults {
            modified: Some(1_000_000),
            ..dying(dies_after)
        })
        .await;
        let client = faulty.client().await;
        let content = bytes(2, 1000);
        client.write("file", &content);
        faulty.put("file", &bytes(3, 1000));
        let settings = Settings {
            update: true,
            ..Settings::default()
        };
        let run = client.run(settings, vec![client.up("file")]).await;
        assert!(
            matches!(run.only(), Ok(Outcome::Sent { .. })),
            "{dies_after}: {run:?}"
        );
        assert_same(&faulty.get("file").unwrap(), &content, "it is newer");
    })
    .await;
}

/// What is there already needs no room.
#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_there_are_looked_at_again() {
    for_each_request(2..6, |dies_after| async move {
        let faulty = FaultyServer::start(dying(dies_after)).await;
        let client = faulty.client().await;
        let names = ["one", "two"];
        let jobs = names.map(|name| {
            client.write(name, &bytes(4, 1500));
            faulty.put(name, &bytes(4, 1000));
            client.up(name)
        });
        let room = |free| Space { total: 1 << 30, free };
        let lack = client.missing_space(&jobs, room(1000)).await.unwrap();
        assert_eq!(lack, None, "{dies_after}");
        let lack = client.missing_space(&jobs, room(999)).await.unwrap();
        assert_eq!(lack.map(|lack| lack.needed), Some(1000));
    })
    .await;
}

/// Whether the server runs commands is asked again, so that `--verify=always` does not fail for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_the_connection_has_not_answered_is_run_again() {
    let faulty = FaultyServer::start(Faults {
        no_hashes: true,
        shell: Some(Shell::default()),
        dies_at_command: true,
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    client.write("file", &bytes(5, 1000));
    let settings = Settings {
        verify: Verify::Always,
        conflicts: Policy::Ask,
        ..Settings::default()
    };
    let run = client.run(settings, vec![client.up("file")]).await;
    let (resumed_from, proof) = (0, Proof::Md5);
    assert_eq!(run.only(), &Ok(Outcome::Sent { resumed_from, proof }), "{run:?}");
}

/// All bytes have gone to standard output when the server is asked for their hash.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_proven_on_another_connection() {
    for_each_request(2..12, |dies_after| async move {
        let faulty = FaultyServer::start(dying(dies_after)).await;
        faulty.put("file", b"some text\n");
        let got = homeport(&faulty, &["get", "tom@127.0.0.1:/file", "-"]).await;
        let got = got.expect_code(0).expect_stderr(&["MD5 verified"]);
        assert_eq!(got.out, "some text\n", "{dies_after}");
    })
    .await;
}

/// Commands on the server go on, whichever request was not answered, and say that the connection was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_command_goes_on_after_the_connection_was_lost() {
    for words in COMMANDS {
        let told = for_each_request(2..7, |dies_after| async move {
            let faulty = FaultyServer::start(Faults {
                directory: Some(b"/dir".to_vec()),
                ..dying(dies_after)
            })
            .await;
            for name in ["a", "b"] {
                faulty.put(name, name.as_bytes());
            }
            let ended = homeport(&faulty, words).await.expect_code(0);
            if words[0] == "cp" {
                assert_eq!(faulty.get("b").unwrap(), b"b");
            }
            ended.err.contains("connected again")
        })
        .await;
        assert!(told.contains(&true), "{words:?}");
    }
}

/// What is still to be read of a tree is not told name by name, and `du` shows no total that lacks something.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_that_cannot_be_read_to_its_end_is_told_once() {
    let server = TestServer::start(&["alice"]);
    for number in 0..400 {
        let directory = server.home("alice").join(format!("tree/{number}"));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("file"), "text").unwrap();
    }
    let tree = "alice@127.0.0.1:/tree";
    for words in [
        &["du", tree][..],
        &["find", tree],
        &["ls", "-R", tree],
        &["chmod", "-R", "u+x", tree],
        &["cp", "-r", tree, "alice@127.0.0.1:/copy"],
    ] {
        let proxy = Proxy::to(server.port()).await;
        // That is more than a sign-in takes, and less than the replies about the whole tree.
        proxy.pause_at(Direction::Down, 48 << 10);
        proxy.cut_after(Direction::Down, 64 << 10);
        let (key, words) = (server.key("alice"), [words, &["--retry-for", "1s"]].concat());
        let losing = async {
            proxy.wait_for_pause(Direction::Down).await;
            proxy.refuse_others().await;
            proxy.resume(Direction::Down);
        };
        let (ended, ()) = tokio::join!(homeport_at(proxy.port, &key, &words), losing);
        let ended = ended.expect_code(1);
        let count = ended.err.matches("the connection to the server was lost").count();
        // Before it was made again in vain, and at the end.
        assert!((1..=2).contains(&count), "{words:?}: {}", ended.err);
        assert!(!ended.out.ends_with("\t/tree\n"), "{}", ended.out);
    }
}
