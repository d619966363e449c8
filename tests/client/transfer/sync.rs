//! `sync` over connections that break, and with servers that lie about their directories.

use std::num::NonZeroU64;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use homeport::output::{Output, Style};
use homeport::plan::Policy;
use homeport::sync::{Filter, Rules, SyncOptions, SyncSession, Trees, sync};
use homeport::transfer::{Direction, Settings};
use tokio_util::sync::CancellationToken;

use crate::client::transfer::broken::behind_proxy;
use crate::client::transfer::bytes;
use crate::client::transfer::client::Client;
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use testkit::audit::all_events;

fn options() -> SyncOptions {
    SyncOptions {
        rules: Rules {
            delete: true,
            update: false,
            checksum: false,
            modes: false,
            window: 1,
        },
        filter: Filter::default(),
        dry_run: false,
        yes: true,
        max_delete: None,
        backup_dir: None,
        settings: Settings {
            conflicts: Policy::Overwrite,
            ..Settings::default()
        },
    }
}

/// Runs a sync between two directories. Returns its exit code, or the message of its error.
async fn run(client: &Client, direction: Direction, local: &str, remote: &str) -> Result<u8, String> {
    run_with(client, direction, [local, remote], options()).await
}

/// Runs a sync with these options between a local and a remote directory.
async fn run_with(
    client: &Client,
    direction: Direction,
    [local, remote]: [&str; 2],
    options: SyncOptions,
) -> Result<u8, String> {
    let session = SyncSession {
        remote: Arc::clone(&client.remote),
        output: Output {
            style: Style::Quiet,
            ..Output::default()
        },
        stop: CancellationToken::new(),
    };
    let trees = Trees {
        direction,
        local: client.local(local),
        remote: remote.as_bytes().to_vec(),
    };
    let running = tokio::time::timeout(testkit::PATIENCE, sync(&session, &trees, &options));
    running
        .await
        .expect("a sync that hangs")
        .map_err(|error| error.to_string())
}

fn assert_same_trees(one: &Path, other: &Path) {
    for number in 0..40 {
        let path = format!("d{}/{number}", number % 3);
        let (one, other) = (one.join(&path), other.join(&path));
        assert!(
            std::fs::read(&one).unwrap() == std::fs::read(&other).unwrap(),
            "{path}"
        );
        let time = |path: &Path| std::fs::metadata(path).unwrap().mtime();
        assert_eq!(time(&one), time(&other), "{path}");
    }
    assert!(!other.join("extra").exists());
}

/// Files in three directories, each larger than the one before it by `step` bytes.
fn make_tree(top: &Path, step: usize) {
    for number in 0..40_u64 {
        let path = top.join(format!("d{}/{number}", number % 3));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes(number, (number as usize) * step)).unwrap();
    }
}

/// The connection breaks while directories are listed, files are transferred and names are deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_goes_on_after_each_break() {
    // They run at the same time, because the client waits for half a second before each new connection.
    tokio::join!(sync_over_breaks(Direction::Up), sync_over_breaks(Direction::Down));
}

async fn sync_over_breaks(direction: Direction) {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let stored = server.home("alice").join("t");
    let (source, target) = match direction {
        Direction::Up => (client.local("t"), stored),
        Direction::Down => (stored, client.local("t")),
    };
    make_tree(&source, 30_000);
    std::fs::create_dir(&target).unwrap();
    std::fs::write(target.join("extra"), "x").unwrap();
    // Five files at once, each with WRITEs of up to 256 KiB, get on between any two of them.
    let cuts = (1..15).map(|number| number * 1_400_000);
    proxy
        .direction_state(direction)
        .cuts
        .lock()
        .unwrap()
        .extend([5_000, 50_000].into_iter().chain(cuts));
    assert_eq!(run(&client, direction, "t", "/t").await, Ok(0));
    assert!(proxy.direction_state(direction).cuts.lock().unwrap().is_empty());
    assert_same_trees(&source, &target);
}

/// The connection breaks while it is looked whether names of backups are free.
#[tokio::test(flavor = "multi_thread")]
async fn no_backup_is_overwritten_when_connections_break() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let (source, target) = (client.local("t"), server.home("alice").join("b"));
    // With small files, many of the breaks are while it is looked for names.
    make_tree(&source, 18_000);
    let paths: Vec<String> = (0..40)
        .map(|number| format!("d{}/{number}", number % 3))
        .collect();
    for path in &paths {
        for (top, content) in [(target.clone(), "replaced"), (target.join("old"), "backup")] {
            let place = top.join(path);
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, format!("{content} {path}")).unwrap();
        }
    }
    let cuts = (1..9).map(|number| number * 1_400_000);
    let state = proxy.direction_state(Direction::Up);
    state
        .cuts
        .lock()
        .unwrap()
        .extend([5_000, 50_000].into_iter().chain(cuts));
    let mut options = options();
    options.backup_dir = Some(b"old".to_vec());
    options.filter.reserved = options.backup_dir.clone();
    assert_eq!(
        run_with(&client, Direction::Up, ["t", "/b"], options).await,
        Ok(0)
    );
    assert!(state.cuts.lock().unwrap().is_empty());
    assert_same_trees(&source, &target);
    let old = target.join("old");
    for path in &paths {
        let content = |name: &str| std::fs::read_to_string(old.join(name)).unwrap();
        assert_eq!(content(path), format!("backup {path}"));
        assert_eq!(content(&format!("{path}.1")), format!("replaced {path}"));
    }
}

/// A name that would leave the directory, or a listing that fails in the middle: nothing is fetched and nothing is
/// deleted.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_a_directory_deletes_nothing() {
    let hostile: [&[u8]; 4] = [b"../escaped", b"/tmp/homeport-escaped", b"a/b", b""];
    for (names, listing_fails) in [(&hostile[..], false), (&[], true)] {
        let mut names: Vec<Vec<u8>> = names.iter().map(|name| name.to_vec()).collect();
        names.push(b"good".to_vec());
        let faulty = FaultyServer::start(Faults {
            names,
            listing_fails,
            directory: Some(b"/dir".to_vec()),
            ..Faults::default()
        })
        .await;
        faulty.put("dir/good", b"12345");
        let client = faulty.client().await;
        std::fs::create_dir(client.local("t")).unwrap();
        client.write("t/mine", b"mine");
        let ended = run(&client, Direction::Down, "t", "/dir").await;
        let reason = match listing_fails {
            true => "cannot list the directory",
            false => "a name that would leave the directory",
        };
        let error = ended.unwrap_err();
        assert!(error.contains(reason), "{error}");
        assert_eq!(std::fs::read(client.local("t/mine")).unwrap(), b"mine");
        assert!(!client.local("t/good").exists());
        assert!(!client.local("escaped").exists() && !Path::new("/tmp/homeport-escaped").exists());
    }
}

/// What lies below a directory that cannot be made is not tried.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_below_a_directory_that_cannot_be_made() {
    let faulty = FaultyServer::start(Faults {
        directory: Some(b"/t".to_vec()),
        refuses_mkdir: Some(b"/t/bad".to_vec()),
        ..Faults::default()
    })
    .await;
    let client = faulty.client().await;
    for name in ["bad/a", "bad/deep/b", "good/c"] {
        let path = client.local("t").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
    assert_eq!(run(&client, Direction::Up, "t", "/t").await, Ok(4));
    let files: Vec<Vec<u8>> = faulty.files.lock().unwrap().keys().cloned().collect();
    assert_eq!(files, [b"/t/good/c"]);
}

/// The first connection breaks, and is refused from then on: those beside it carry the run to its end, with the times of
/// all files.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_ends_on_the_connections_that_are_up() {
    let (server, proxy, mut client) = behind_proxy(&[]).await;
    let remote = Arc::get_mut(&mut client.remote).unwrap();
    remote.set_pauses([10, 100, 200, 400, 800].map(Duration::from_millis));
    make_tree(&client.local("t"), 30_000);
    let mut options = options();
    options.settings.parallel = 2;
    // Slow enough that most files are still to come when both connections are up.
    options.settings.limit_rate = NonZeroU64::new(4 << 20);
    let losing = async {
        let signed_in = |event: &serde_json::Value| event["event"] == "signed_in";
        while all_events(&server, "alice")
            .iter()
            .filter(|event| signed_in(event))
            .count()
            < 2
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.refuse_others().await;
        proxy.cut_first();
    };
    let syncing = run_with(&client, Direction::Up, ["t", "/t"], options);
    let losing = tokio::time::timeout(testkit::PATIENCE, losing);
    let (ended, lost) = tokio::join!(syncing, losing);
    lost.expect("there are two connections");
    assert_eq!(ended, Ok(0));
    assert_same_trees(&client.local("t"), &server.home("alice").join("t"));
}
