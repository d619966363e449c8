//! Connections that break: the same run finishes the file, and sends little twice.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, SystemTime};

use homeport::commands::Session;
use homeport::commands::get::get;
use homeport::commands::put::put;
use homeport::commands::transfer::TransferArgs;
use homeport::output::{Output, Style};
use homeport::transfer::{Direction, Job, Outcome, Proof, Settings};
use tokio_util::sync::CancellationToken;

use crate::client::transfer::client::{Client, Run};
use crate::client::transfer::final_attributes::{mode as final_mode, set_mode};
use crate::client::transfer::proxy::Proxy;
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const SIZE: usize = 32 << 20;
const CUTS: u64 = 30;
/// A quota that has room for the file, and for nothing else.
const QUOTA: [&str; 2] = ["--quota", "32MiB"];
/// The least distance between two cuts: the engine gives up after five connections in a row without progress.
const APART: u64 = 512 << 10;
/// The most bytes that the link has under way.
const WINDOW: u64 = 24 << 20;
/// The most bytes of signing in and of other requests, in each direction.
const OVERHEAD: u64 = 64 << 10;

/// Returns the offsets at which the connection is cut. They differ each time, and are printed so that a failure can be
/// reproduced.
fn offsets() -> Vec<u64> {
    let seed = match std::env::var("HOMEPORT_SEED") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => RandomState::new().hash_one(0),
    };
    eprintln!("HOMEPORT_SEED={seed}");
    let random = bytes(seed, 8 * CUTS as usize);
    let random = random
        .chunks(8)
        .map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap()));
    let mut offsets: Vec<u64> = random
        .map(|random| random % (SIZE as u64 - CUTS * APART))
        .collect();
    offsets.sort_unstable();
    (1..)
        .zip(offsets)
        .map(|(number, at)| at + number * APART)
        .collect()
}

/// Starts a server, a proxy in front of it, and a client that connects to the proxy.
pub async fn behind_proxy(user: &[&str]) -> (TestServer, Proxy, Client) {
    let server = TestServer::start(&["alice"]);
    let more = [&["user", "set", "alice"], user].concat();
    if !user.is_empty() {
        server.admin_ok(&more, "");
    }
    let proxy = Proxy::to(server.port()).await;
    let client = Client::connect("alice", proxy.port, &server.key("alice"), b"").await;
    (server, proxy, client)
}

pub fn proven(run: &Run) {
    let sent = matches!(
        run.only(),
        Ok(Outcome::Sent {
            proof: Proof::Md5,
            ..
        })
    );
    assert!(sent, "{run:?}");
    assert_eq!(run.summary.exit_code(), 0);
}

async fn cut_thirty_times(direction: Direction, mode: u32, user: &[&str]) {
    let (server, proxy, client) = behind_proxy(user).await;
    let content = bytes(1, SIZE);
    let disk = server.home("alice").join("big");
    let source = match direction {
        Direction::Up => client.local("big"),
        Direction::Down => disk.clone(),
    };
    std::fs::write(&source, &content).unwrap();
    set_mode(&source, mode);
    let job = Job {
        size: SIZE as u64,
        ..client.job(direction, "big")
    };
    let direction_state = proxy.direction_state(direction);
    let offsets = offsets();
    direction_state.cuts.lock().unwrap().extend(&offsets);
    let run = client.run(Settings::default(), vec![job]).await;
    proven(&run);
    assert_same(&read(&disk).unwrap(), &content, "on the server");
    assert_same(&read(&client.local("big")).unwrap(), &content, "here");
    assert_eq!(
        (final_mode(&disk), final_mode(&client.local("big"))),
        (mode, mode)
    );
    assert!(
        direction_state.cuts.lock().unwrap().is_empty(),
        "all cuts were made"
    );
    let again = run.warnings.matches("connected again").count() as u64;
    assert_eq!(again, CUTS, "{}", run.warnings);
    let total = direction_state.taken.load(SeqCst);
    let twice = total.saturating_sub(SIZE as u64 + (CUTS + 1) * OVERHEAD);
    eprintln!("{direction:?}: {total} bytes went, {twice} of them twice");
    assert!(twice <= WINDOW, "{twice} bytes were sent twice");
}

/// All run at the same time, because the client waits for half a second before each new connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_whose_connection_is_cut_thirty_times() {
    let runs = [Direction::Up, Direction::Down].map(|way| {
        [
            tokio::spawn(cut_thirty_times(way, 0o644, &[])),
            tokio::spawn(cut_thirty_times(way, 0o444, &QUOTA)),
        ]
    });
    for run in runs.into_iter().flatten() {
        run.await.unwrap();
    }
}

/// Each of many files is resumed, and all of them share one new connection.
#[tokio::test(flavor = "multi_thread")]
async fn all_files_of_a_run_share_the_next_connection() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let settings = Settings {
        preserve: true,
        ..Settings::default()
    };
    let mut jobs = Vec::new();
    for number in 0..100 {
        let (name, length) = (format!("{number}"), if number < 4 { 2 << 20 } else { 10_000 });
        client.write(&name, &bytes(number, length));
        let file = std::fs::File::options()
            .write(true)
            .open(client.local(&name))
            .unwrap();
        file.set_modified(then).unwrap();
        jobs.push(client.up(&name));
    }
    proxy
        .direction_state(Direction::Up)
        .cuts
        .lock()
        .unwrap()
        .extend([700_000, 4_000_000]);
    let run = client.run(settings, jobs).await;
    assert_eq!((run.summary.sent, run.summary.failed), (100, 0), "{run:?}");
    for number in 0..100_u64 {
        let name = number.to_string();
        let sent = read(&server.home("alice").join(&name)).unwrap();
        assert_same(&sent, &read(&client.local(&name)).unwrap(), &name);
        // Times are also kept for files that had arrived when the connection broke.
        let meta = std::fs::metadata(server.home("alice").join(&name)).unwrap();
        assert_eq!(meta.modified().unwrap(), then, "{name}");
    }
    assert_eq!(
        run.warnings.matches("connected again").count(),
        2,
        "{}",
        run.warnings
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_finishes_after_the_server_was_restarted() {
    for direction in [Direction::Up, Direction::Down] {
        let (mut server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(2, SIZE);
        let disk = server.home("alice").join("big");
        let job = match direction {
            Direction::Up => {
                client.write("big", &content);
                client.up("big")
            }
            Direction::Down => {
                std::fs::write(&disk, &content).unwrap();
                client.down("big", SIZE)
            }
        };
        proxy.pause_at(direction, 4 << 20);
        let restart = async {
            proxy.wait_for_pause(direction).await;
            server.signal("KILL");
            server.wait_for_exit();
            server.serve();
            proxy.set_target(server.port());
            proxy.resume(direction);
        };
        let (run, ()) = tokio::join!(client.run(Settings::default(), vec![job]), restart);
        proven(&run);
        assert!(run.resumed_from() > 0, "{run:?}");
        assert_same(&read(&disk).unwrap(), &content, "on the server");
        assert_same(&read(&client.local("big")).unwrap(), &content, "here");
    }
}

/// The client makes five attempts to connect, and no more; a run after the server is back finishes the files.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_fails_when_the_server_stays_down() {
    let (mut server, proxy, mut client) = behind_proxy(&[]).await;
    let remote = Arc::get_mut(&mut client.remote).unwrap();
    remote.set_pauses([25, 50, 100, 200, 400].map(Duration::from_millis));
    let content = bytes(6, SIZE);
    client.write("big", &content);
    let mut jobs = vec![client.up("big")];
    // There are more files than are transferred at once; the others do not wait for a server that is down.
    for number in 0..10 {
        let name = format!("next-{number}");
        client.write(&name, &content[..8 << 20]);
        jobs.push(client.up(&name));
    }
    proxy.pause_at(Direction::Up, 8 << 20);
    let kill = async {
        proxy.wait_for_pause(Direction::Up).await;
        server.signal("KILL");
        server.wait_for_exit();
        proxy.resume(Direction::Up);
    };
    let (run, ()) = tokio::join!(client.run(Settings::default(), jobs.clone()), kill);
    let attempts = run.warnings.matches("connecting again").count();
    assert_eq!(attempts, 5, "{}", run.warnings);
    assert!(run.warnings.contains("(5 of 5)"), "{}", run.warnings);
    assert_eq!((run.summary.exit_code(), run.summary.failed), (4, 11), "{run:?}");
    for end in run.ended.values() {
        let Err(words) = end else {
            panic!("{run:?}");
        };
        assert!(words.contains("the connection to the server was lost"), "{words}");
    }

    server.serve();
    proxy.set_target(server.port());
    let run = client.run(Settings::default(), jobs).await;
    assert_eq!(run.summary.exit_code(), 0, "{run:?}");
    let resumed = run.ended.values().any(|end| {
        matches!(
            end,
            Ok(Outcome::Sent {
                resumed_from: 1..,
                ..
            })
        )
    });
    assert!(resumed, "{run:?}");
    let there = read(&server.home("alice").join("big")).unwrap();
    assert_same(&there, &content, "on the server");
}

/// Also while directories are created or listed.
#[tokio::test(flavor = "multi_thread")]
async fn a_walk_starts_again_after_its_connection_was_cut() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    for number in 0..200 {
        let dir = client.local("tree").join(format!("{number}"));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("f"), number.to_string()).unwrap();
    }
    let session = Session::new(
        Arc::clone(&client.remote),
        Output {
            style: Style::Quiet,
            ..Output::default()
        },
        b"/".to_vec(),
    );
    let args = TransferArgs {
        recursive: true,
        ..TransferArgs::default()
    };
    let cut = |direction| {
        let direction_state = proxy.direction_state(direction);
        let now = direction_state.taken.load(SeqCst);
        direction_state
            .cuts
            .lock()
            .unwrap()
            .extend([now + 2000, now + 6000]);
    };
    let all_cut = |direction| proxy.direction_state(direction).cuts.lock().unwrap().is_empty();
    cut(Direction::Up);
    let code = put(&session, &args, vec![client.local("tree")], b"/").await;
    assert_eq!((code.unwrap(), all_cut(Direction::Up)), (0, true));
    cut(Direction::Down);
    let code = get(&session, &args, &["tree".into()], &client.local("back")).await;
    assert_eq!((code.unwrap(), all_cut(Direction::Down)), (0, true));
    for number in 0..200 {
        let file = format!("{number}/f");
        let expected = number.to_string().into_bytes();
        assert_eq!(
            read(&server.home("alice").join("tree").join(&file)).unwrap(),
            expected
        );
        assert_eq!(read(&client.local("back").join(&file)).unwrap(), expected);
    }
}

/// As after Ctrl-C in a shell, the same command runs again at once: the transferred bytes are kept, and nothing of the
/// first run blocks the second.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_run_can_be_resumed_at_once() {
    for direction in [Direction::Up, Direction::Down] {
        let (server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(5, SIZE);
        let disk = server.home("alice").join("big");
        let (from, to) = match direction {
            Direction::Up => (client.local("big"), disk.clone()),
            Direction::Down => (disk.clone(), client.local("big.part")),
        };
        std::fs::create_dir_all(from.parent().unwrap()).unwrap();
        std::fs::write(from, &content).unwrap();
        let job = Job {
            size: SIZE as u64,
            ..client.job(direction, "big")
        };
        proxy.pause_at(direction, 4 << 20);
        let stop = CancellationToken::new();
        let stopping = async {
            proxy.wait_for_pause(direction).await;
            stop.cancel();
        };
        let running = client.run_until(&stop, Settings::default(), vec![job.clone()]);
        let (run, ()) = tokio::join!(running, stopping);
        run.failed_with(&["stopped (hint: run the same command again"]);
        assert_eq!((run.summary.stopped, run.summary.exit_code()), (true, 4));
        let part = read(&to).unwrap();
        assert_same(&part, &content[..part.len()], "what has come");
        proxy.resume(direction);
        let run = client.run(Settings::default(), vec![job]).await;
        proven(&run);
        assert!(run.resumed_from() > 1 << 20, "{run:?}");
        assert_same(&read(&disk).unwrap(), &content, "on the server");
        assert_same(&read(&client.local("big")).unwrap(), &content, "here");
    }
}

/// The number of bytes that a stopped download has moved includes those of replies that have not arrived as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_download_counts_all_that_has_arrived() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    std::fs::write(server.home("alice").join("f"), bytes(7, SIZE)).unwrap();
    let stop = CancellationToken::new();
    proxy.pause_at(Direction::Down, SIZE as u64 / 2 + 12_345);
    let stopping = async {
        proxy.wait_for_pause(Direction::Down).await;
        // What was forwarded before the pause arrives meanwhile.
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        stop.cancel();
    };
    let job = client.down("f", SIZE);
    let (run, ()) = tokio::join!(client.run_until(&stop, Settings::default(), vec![job]), stopping);
    assert_eq!((run.summary.interrupted, run.summary.failed), (1, 0), "{run:?}");
    let arrived = std::fs::metadata(client.local("f.part")).unwrap().len();
    assert!(arrived > 0);
    assert_eq!(run.moved, arrived);
    proxy.resume(Direction::Down);
}
