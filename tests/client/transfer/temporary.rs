//! Uploads that replace a file by way of a temporary name, and the cases in which they are written in place.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use homeport::plan::Policy;
use homeport::transfer::{Direction, HashChoice, Settings, Verify};

use crate::client::transfer::broken::{behind_proxy, proven};
use crate::client::transfer::client::{Client, Run};
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::final_attributes::{mode, set_mode};
use crate::client::transfer::table::openssh;
use crate::client::transfer::{assert_same, bytes, read};
use testkit::server::TestServer;

const MIB: usize = 1 << 20;
const OVERWRITE: Settings = Settings {
    conflicts: Policy::Overwrite,
    update: false,
    resume: true,
    verify: Verify::Auto,
    hash: HashChoice::Md5,
    preserve: false,
    temp: false,
    limit_rate: None,
    parallel: 1,
};

fn inode(path: &Path) -> u64 {
    std::fs::metadata(path).unwrap().ino()
}

fn temporary(path: &Path) -> PathBuf {
    format!("{}.homeport.part", path.display()).into()
}

/// Replaces `old` with a file of this size. Returns the run, and whether the file is another one on the disk now.
async fn replace(client: &Client, old: &Path, settings: Settings) -> (Run, bool) {
    let content = bytes(9, 300_000);
    client.write("f", &content);
    let before = inode(old);
    let run = client.run(settings, vec![client.up("f")]).await;
    assert_eq!((run.summary.sent, run.summary.exit_code()), (1, 0), "{run:?}");
    assert_same(&read(old).unwrap(), &content, "the new file");
    assert!(!temporary(old).exists(), "{run:?}");
    (run, before != inode(old))
}

/// While the new file is sent, the old one is there, and after a break the new one is resumed.
#[tokio::test(flavor = "multi_thread")]
async fn the_old_file_stays_until_the_new_one_is_whole() {
    let (server, proxy, client) = behind_proxy(&[]).await;
    let (old, new) = (bytes(1, MIB), bytes(2, 8 * MIB));
    let disk = server.home("alice").join("f");
    std::fs::write(&disk, &old).unwrap();
    set_mode(&disk, 0o440);
    client.write("f", &new);
    let half = 4 * MIB as u64;
    proxy.pause_at(Direction::Up, half);
    proxy
        .direction_state(Direction::Up)
        .cuts
        .lock()
        .unwrap()
        .push_back(half + 100);
    let looking = async {
        proxy.wait_for_pause(Direction::Up).await;
        assert_same(&read(&disk).unwrap(), &old, "the old file");
        assert_eq!(mode(&temporary(&disk)), 0o640);
        proxy.resume(Direction::Up);
    };
    let (run, ()) = tokio::join!(client.run(OVERWRITE, vec![client.up("f")]), looking);
    proven(&run);
    assert!(run.resumed_from() > 0, "{run:?}");
    assert_same(&read(&disk).unwrap(), &new, "the new file");
    assert_eq!((mode(&disk), temporary(&disk).exists()), (0o440, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_run_resumes_the_temporary_file() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let disk = server.home("alice").join("f");
    let new = bytes(2, 8 * MIB);
    client.write("f", &new);
    for (left, from) in [(&new[..5 * MIB], 5 * MIB), (&new[..], 8 * MIB), (b"other", 0)] {
        std::fs::write(&disk, b"old").unwrap();
        std::fs::write(temporary(&disk), left).unwrap();
        let run = client.run(OVERWRITE, vec![client.up("f")]).await;
        proven(&run);
        assert_eq!(
            (run.resumed_from(), run.moved),
            (from as u64, (8 * MIB - from) as u64)
        );
        assert_same(&read(&disk).unwrap(), &new, "the new file");
        assert!(!temporary(&disk).exists());
    }
}

/// The file under the temporary name may have been larger when it was sent over several connections: it may have holes,
/// although what is sent now is small.
#[tokio::test(flavor = "multi_thread")]
async fn a_small_temporary_file_may_have_holes() {
    let (sshd, client) = openssh("ForceCommand internal-sftp").await;
    let disk = sshd.path("files/f");
    let new = bytes(2, 8 * MIB);
    client.write("f", &new);
    let mut holes = new[..5 * MIB].to_vec();
    holes[2 * MIB..3 * MIB].fill(0);
    std::fs::write(&disk, b"old").unwrap();
    let old = std::fs::File::open(&disk).unwrap();
    old.set_modified(std::time::UNIX_EPOCH).unwrap();
    std::fs::write(temporary(&disk), holes).unwrap();
    // With --overwrite, nothing is resumed that cannot be proven.
    let settings = Settings {
        update: true,
        ..Settings::default()
    };
    let run = client.run(settings, vec![client.up("f")]).await;
    assert_eq!(run.summary.sent, 1, "{run:?}");
    assert!(!temporary(&disk).exists(), "{run:?}");
    assert_same(&read(&disk).unwrap(), &new, "the new file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replaced_in_place_where_a_rename_would_change_more() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let (sshd, stock) = openssh("").await;
    for (client, home) in [(&client, server.home("alice")), (&stock, sshd.path("files"))] {
        let disk = home.join("f");
        let renew = || {
            let _ = std::fs::remove_file(&disk);
            std::fs::write(&disk, b"old").unwrap();
        };
        renew();
        let (run, renamed) = replace(client, &disk, OVERWRITE).await;
        assert!(renamed && run.warnings.is_empty(), "{run:?}");
        // Another name of the file would keep the old content.
        renew();
        std::fs::hard_link(&disk, home.join("other")).unwrap();
        assert!(!replace(client, &disk, OVERWRITE).await.1);
        // A link would become a file.
        std::fs::rename(home.join("other"), home.join("real")).unwrap();
        std::fs::remove_file(&disk).unwrap();
        std::os::unix::fs::symlink("real", &disk).unwrap();
        std::fs::write(home.join("real"), b"old").unwrap();
        assert!(!replace(client, &disk, OVERWRITE).await.1);
        assert!(disk.is_symlink());
        // The file's own name may be in use by another file of the run.
        renew();
        client.write("f.homeport.part", b"a file that is called so");
        client.write("f", b"the new file");
        let jobs = vec![client.up("f"), client.up("f.homeport.part")];
        let run = client.run(OVERWRITE, jobs).await;
        assert_eq!(run.summary.sent, 2, "{run:?}");
        assert_eq!(read(&disk).unwrap(), b"the new file");
        assert_eq!(read(&temporary(&disk)).unwrap(), b"a file that is called so");
        std::fs::remove_file(temporary(&disk)).unwrap();
        // It may be asked for.
        renew();
        std::fs::hard_link(&disk, home.join("hard")).unwrap();
        let temp = Settings {
            temp: true,
            ..OVERWRITE
        };
        assert!(replace(client, &disk, temp).await.1);
        assert_eq!(read(&home.join("hard")).unwrap(), b"old");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_replaced_in_place_where_there_is_no_room_for_both() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(&["user", "set", "alice", "--quota", "500KiB"], "");
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let disk = server.home("alice").join("f");
    client.write("old", &bytes(1, 350_000));
    let job = homeport::transfer::Job {
        remote: b"/f".to_vec(),
        ..client.up("old")
    };
    let run = client.run(OVERWRITE, vec![job]).await;
    assert_eq!(run.summary.sent, 1, "{run:?}");
    let (run, renamed) = replace(&client, &disk, OVERWRITE).await;
    assert!(!renamed && run.warnings.is_empty(), "{run:?}");
}

/// A user may write files without being allowed to rename them.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_rename_is_a_warning() {
    let server = TestServer::start(&["alice"]);
    server.admin_ok(
        &[
            "user",
            "set",
            "alice",
            "--permissions",
            "list,read,create,overwrite,delete",
        ],
        "",
    );
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let disk = server.home("alice").join("f");
    for times in 1..3 {
        std::fs::write(&disk, b"old").unwrap();
        let (run, renamed) = replace(&client, &disk, OVERWRITE).await;
        assert!(!renamed, "{times}");
        let said = "cannot rename the file on the server";
        assert_eq!(run.warnings.matches(said).count(), 1, "{}", run.warnings);
        assert_eq!(run.warnings.lines().count(), 1, "{}", run.warnings);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_temporary_file_is_a_warning() {
    for (refuses_open, said) in [
        (
            Some(b"/f.homeport.part".to_vec()),
            "cannot open the file on the server",
        ),
        (None, "cannot rename the file on the server"),
    ] {
        let server = FaultyServer::start(Faults {
            refuses_open,
            ..Faults::default()
        })
        .await;
        let client = server.client().await;
        server.put("f", b"old");
        client.write("f", b"the new file");
        let temp = Settings {
            temp: true,
            ..OVERWRITE
        };
        let run = client.run(temp, vec![client.up("f")]).await;
        proven(&run);
        assert!(run.warnings.contains(said), "{}", run.warnings);
        assert_eq!(run.warnings.lines().count(), 1, "{}", run.warnings);
        assert_eq!(server.get("f").unwrap(), b"the new file");
        assert_eq!(server.get("f.homeport.part"), None);
    }
}

/// What an earlier run has sent as a whole gets its mode and times before it gets its name, also with --skip.
#[tokio::test(flavor = "multi_thread")]
async fn a_whole_temporary_file_gets_its_attributes() {
    let server = TestServer::start(&["alice"]);
    let client = Client::connect("alice", server.port(), &server.key("alice"), b"").await;
    let disk = server.home("alice").join("f");
    let content = bytes(3, 64 * MIB);
    client.write("f", &content);
    set_mode(&client.local("f"), 0o444);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = std::fs::File::open(client.local("f")).unwrap();
    file.set_modified(time).unwrap();
    std::fs::write(temporary(&disk), &content).unwrap();
    set_mode(&temporary(&disk), 0o600);
    let settings = Settings {
        conflicts: Policy::Skip,
        preserve: true,
        ..Settings::default()
    };
    let run = client.run(settings, vec![client.up("f")]).await;
    assert_eq!((run.summary.sent, run.moved), (1, 0), "{run:?}");
    let meta = std::fs::metadata(&disk).unwrap();
    assert_eq!((mode(&disk), meta.modified().unwrap()), (0o444, time));
}
