//! Files, and ranges of large files, over several connections.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use homeport::transfer::{Direction, Outcome, Proof, Settings};

use crate::client::transfer::broken::{behind_proxy, proven};
use crate::client::transfer::client::Client;
use crate::client::transfer::faulty_server::{Faults, FaultyServer, Files};
use crate::client::transfer::table::openssh;
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const MIB: usize = 1 << 20;
const FOUR: fn() -> Settings = || Settings {
    parallel: 4,
    ..Settings::default()
};

/// How often somebody has signed in.
fn sign_ins(server: &TestServer) -> usize {
    let events = testkit::audit::all_events(server, "alice");
    events
        .iter()
        .filter(|event| event["event"] == "signed_in")
        .count()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    format!("{}{ending}", path.display()).into()
}

/// Asserts that the file is at both ends, and that nothing else has its bytes.
fn is_whole(client: &Client, disk: &Path, content: &[u8]) {
    assert_same(&read(disk).unwrap(), content, "on the server");
    assert_same(&read(&client.local("big")).unwrap(), content, "here");
    assert!(!with_ending(disk, ".homeport.part").exists());
    assert!(!client.local("big.part").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_goes_over_several_connections() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    // Slow enough that all connections are made before the file is whole.
    let settings = Settings {
        limit_rate: NonZeroU64::new(25 * MIB as u64),
        ..FOUR()
    };
    let content = bytes(1, 100 * MIB);
    let disk = server.home("alice").join("big");
    client.write("big", &content);
    proven(&client.run(settings, vec![client.up("big")]).await);
    is_whole(&client, &disk, &content);
    assert_eq!(sign_ins(&server), 4, "one that exists, and three beside it");
    std::fs::remove_file(client.local("big")).unwrap();
    proven(
        &client
            .run(settings, vec![client.down("big", content.len())])
            .await,
    );
    is_whole(&client, &disk, &content);
    assert_eq!(sign_ins(&server), 7, "three beside the one that exists");
    // The same file again is no reason for more connections, and neither is a small one.
    client.write("small", &content[..MIB]);
    for name in ["big", "small"] {
        let run = client.run(settings, vec![client.up(name)]).await;
        assert_eq!(run.summary.exit_code(), 0, "{run:?}");
    }
    assert_eq!(sign_ins(&server), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_spread() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let content = |number: u64| bytes(number, 1000 * number as usize);
    for number in 0..200 {
        client.write(&number.to_string(), &content(number));
    }
    let jobs = (0..200).map(|number| client.up(&number.to_string()));
    // Slow enough that all connections are made before the last file begins.
    let settings = Settings {
        limit_rate: NonZeroU64::new(6 * MIB as u64),
        ..FOUR()
    };
    let run = client.run(settings, jobs.collect()).await;
    assert_eq!((run.summary.sent, run.summary.proven), (200, 200), "{run:?}");
    assert_eq!(sign_ins(&server), 4);
    for number in 0..200 {
        let name = number.to_string();
        let stored = read(&server.home("alice").join(&name)).unwrap();
        assert_same(&stored, &content(number), &name);
    }
}

/// Each cut breaks one of the connections, and the others go on.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_lose_nothing() {
    for direction in [Direction::Up, Direction::Down] {
        let (server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(2, 128 * MIB);
        let disk = server.home("alice").join("big");
        match direction {
            Direction::Up => client.write("big", &content),
            Direction::Down => std::fs::write(&disk, &content).unwrap(),
        }
        let seed = RandomState::new().hash_one(0);
        eprintln!("{direction:?}: seed {seed}");
        let cuts: Vec<u64> = bytes(seed, 16)
            .iter()
            .zip(1..)
            .map(|(random, number)| (number * 6 * MIB) as u64 + u64::from(*random) * 4096)
            .collect();
        let state = proxy.direction_state(direction);
        state.cuts.lock().unwrap().extend(&cuts);
        let job = match direction {
            Direction::Up => client.up("big"),
            Direction::Down => client.down("big", content.len()),
        };
        let run = client.run(FOUR(), vec![job]).await;
        proven(&run);
        is_whole(&client, &disk, &content);
        let left = state.cuts.lock().unwrap().len();
        assert!(
            left <= 2,
            "{left} of the cuts were not made, after {cuts:?}: {}",
            run.warnings
        );
    }
}

/// A server that allows two sessions is used with two.
#[tokio::test(flavor = "multi_thread")]
async fn fewer_connections_than_asked_for_are_said_once() {
    for (most, note) in [("2", "note: fewer connections than"), ("1", "note: ")] {
        let server = TestServer::start(&["alice"]);
        server.admin_ok(&["user", "set", "alice", "--max-sessions", most], "");
        let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
        let content = bytes(3, 100 * MIB);
        client.write("big", &content);
        // Slow enough that the others are refused before the file is whole.
        let settings = Settings {
            limit_rate: NonZeroU64::new(25 * MIB as u64),
            ..FOUR()
        };
        let run = client.run(settings, vec![client.up("big")]).await;
        proven(&run);
        is_whole(&client, &server.home("alice").join("big"), &content);
        assert!(run.warnings.contains(note), "{}", run.warnings);
        assert_eq!(run.warnings.matches("--parallel").count(), 1, "{}", run.warnings);
    }
}

/// Behind a load balancer, the connections may end at servers that do not share files. There, another run has left a
/// file with the same temporary name.
#[tokio::test(flavor = "multi_thread")]
async fn connections_to_servers_with_other_files_do_not_share_a_file() {
    let second = Files::default();
    let left = (b"/big.homeport.part".to_vec(), bytes(9, 80 * MIB));
    second.lock().unwrap().extend([left.clone()]);
    let faulty = FaultyServer::start(Faults {
        // Without hashes, nothing else would notice it.
        no_hashes: true,
        second_server: Some(Files::clone(&second)),
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    let content = bytes(8, 70 * MIB);
    for name in ["big", "next"] {
        client.write(name, &content);
    }
    let jobs = vec![client.up("big"), client.up("next")];
    // Slow enough that the other connections are made before the file is whole.
    let settings = Settings {
        limit_rate: NonZeroU64::new(20 * MIB as u64),
        ..FOUR()
    };
    // Where the second server has no such file, nothing can be opened there.
    for (job, expected) in jobs.into_iter().zip([1, 0]) {
        let run = client.run(settings, vec![job]).await;
        assert_eq!(run.summary.exit_code(), 0, "{run:?}");
        let said = run.warnings.matches("do not see the same files").count();
        assert_eq!(said, expected, "{}", run.warnings);
    }
    assert_same(&faulty.get("big").unwrap(), &content, "on the first server");
    assert_same(&faulty.get("next").unwrap(), &content, "on the first server");
    let second = second.lock().unwrap();
    assert_same(&second[&left.0], &left.1, "on the second server");
}

/// Writes the file that a killed run leaves: its last 64 MiB have holes.
fn leave_holes(path: &Path, content: &[u8]) {
    let file = std::fs::File::create(path).unwrap();
    file.write_all_at(&content[..90 * MIB], 0).unwrap();
    file.write_all_at(&content[100 * MIB..110 * MIB], 100 * MIB as u64)
        .unwrap();
    file.write_all_at(&content[145 * MIB..150 * MIB], 145 * MIB as u64)
        .unwrap();
}

/// What a killed run has left is resumed where it is whole for certain, whether the server can hash it or not.
#[tokio::test(flavor = "multi_thread")]
async fn holes_that_a_killed_run_has_left_are_filled() {
    let content = bytes(4, 160 * MIB);
    let expected = |proof| {
        Ok(Outcome::Sent {
            resumed_from: 86 * MIB as u64,
            proof,
        })
    };
    for connections in [4, 1] {
        let settings = Settings {
            parallel: connections,
            ..Settings::default()
        };
        let server = TestServer::start(&["alice"]);
        let ours = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
        let (sshd, theirs) = openssh("ForceCommand internal-sftp").await;
        let places = [
            (&ours, server.home("alice").join("big"), Proof::Md5),
            (&theirs, sshd.path("files/big"), Proof::Sizes),
        ];
        for (client, disk, proof) in places {
            client.write("big", &content);
            leave_holes(&with_ending(&disk, ".homeport.part"), &content);
            let run = client.run(settings, vec![client.up("big")]).await;
            assert_eq!(*run.only(), expected(proof), "{}", run.warnings);
            is_whole(client, &disk, &content);
            std::fs::remove_file(client.local("big")).unwrap();
            leave_holes(&client.local("big.part"), &content);
            let run = client
                .run(settings, vec![client.down("big", content.len())])
                .await;
            assert_eq!(*run.only(), expected(proof), "{}", run.warnings);
            is_whole(client, &disk, &content);
        }
    }
}

/// A file of somebody else that only begins like the source is not cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_without_holes_that_differs_is_a_conflict() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let content = bytes(6, 80 * MIB);
    std::fs::write(server.home("alice").join("big"), &content).unwrap();
    let mut other = content[..70 * MIB].to_vec();
    other[MIB..].fill(7);
    client.write("big.part", &other);
    let run = client.run(FOUR(), vec![client.down("big", content.len())]).await;
    run.failed_with(&["its .part file exists, and is not a beginning"]);
    assert_same(
        &read(&client.local("big.part")).unwrap(),
        &other,
        "the other file",
    );
    assert!(!client.local("big").exists());
}

/// A file that gets the name while the new one is sent under its temporary name is not replaced.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_meanwhile_stays() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let content = bytes(5, 70 * MIB);
    client.write("big", &content);
    let disk = server.home("alice").join("big");
    proxy.pause_at(Direction::Up, 40 * MIB as u64);
    let meanwhile = async {
        proxy.wait_for_pause(Direction::Up).await;
        assert!(!disk.exists(), "a file with holes has its name");
        std::fs::write(&disk, "another").unwrap();
        proxy.resume(Direction::Up);
        // Each connection may have been paused.
        for _ in 0..3 {
            proxy.resume(Direction::Up);
        }
    };
    let (run, ()) = tokio::join!(client.run(FOUR(), vec![client.up("big")]), meanwhile);
    run.failed_with(&["a file is there"]);
    assert!(
        run.warnings.contains("all of it is kept as /big.homeport.part"),
        "{}",
        run.warnings
    );
    assert_eq!(read(&disk).unwrap(), b"another");
    assert_same(
        &read(&with_ending(&disk, ".homeport.part")).unwrap(),
        &content,
        "the new file",
    );
}

/// A server that refuses to rename the new file gets it in place, and nothing is left behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_that_cannot_be_renamed_is_written_in_place() {
    let server = TestServer::start(&["alice"]);
    let permissions = "list,read,create,overwrite,delete";
    server.admin_ok(&["user", "set", "alice", "--permissions", permissions], "");
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let content = bytes(7, 70 * MIB);
    client.write("big", &content);
    let run = client.run(FOUR(), vec![client.up("big")]).await;
    proven(&run);
    is_whole(&client, &server.home("alice").join("big"), &content);
    let said = "cannot rename the file on the server";
    assert_eq!(run.warnings.matches(said).count(), 1, "{}", run.warnings);
}

/// A link that points nowhere stays, and its target is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_new_file_stays_a_link() {
    let (sshd, client) = openssh("ForceCommand internal-sftp").await;
    let content = bytes(8, 70 * MIB);
    client.write("big", &content);
    let disk = sshd.path("files/big");
    std::os::unix::fs::symlink("target", &disk).unwrap();
    let run = client.run(FOUR(), vec![client.up("big")]).await;
    assert_eq!(run.summary.exit_code(), 0, "{run:?}");
    assert!(disk.is_symlink());
    is_whole(&client, &disk, &content);
}

/// The rate is that of all connections together.
#[tokio::test(flavor = "multi_thread")]
async fn all_connections_together_stay_below_the_rate() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let settings = Settings {
        limit_rate: NonZeroU64::new(1 << 20),
        ..FOUR()
    };
    for number in 0..8 {
        client.write(&number.to_string(), &bytes(number, 400 << 10));
    }
    let jobs = (0..8).map(|number| client.up(&number.to_string())).collect();
    let began = Instant::now();
    let run = client.run(settings, jobs).await;
    assert_eq!(run.summary.sent, 8, "{run:?}");
    assert_eq!(sign_ins(&server), 4);
    // 3.1 MiB, of which the last blocks are not waited for.
    assert!(
        began.elapsed() > Duration::from_millis(2300),
        "{:?}",
        began.elapsed()
    );
}

/// A server may drop connections while it has too many that have not signed in. Such a failure passes.
#[tokio::test(flavor = "multi_thread")]
async fn connections_are_tried_again_after_a_failure_that_passes() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let settings = Settings {
        limit_rate: NonZeroU64::new(8 * MIB as u64),
        ..FOUR()
    };
    let content = bytes(10, 96 * MIB);
    client.write("big", &content);
    proxy.set_target(0);
    let coming_back = async {
        proxy.wait_for_refusal().await;
        proxy.set_target(server.port());
    };
    let (run, ()) = tokio::join!(client.run(settings, vec![client.up("big")]), coming_back);
    proven(&run);
    is_whole(&client, &server.home("alice").join("big"), &content);
    assert_eq!(sign_ins(&server), 4, "{}", run.warnings);
}
