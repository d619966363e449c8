//! Modes and times: a file can be written while it grows, and gets its final mode and times at the end.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use homeport::plan::Policy;
use homeport::transfer::{Direction, Outcome, Proof, Settings};

use crate::client::transfer::broken::{behind_proxy, proven};
use crate::client::transfer::faulty_server::{Faults, FaultyServer};
use crate::client::transfer::table::openssh;
use crate::client::transfer::{assert_same, bytes, read};

const MIB: usize = 1 << 20;

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

pub fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().mode() & 0o7777
}

/// The file is looked at while the link is paused, then the connection is cut.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_stays_writable_until_it_is_whole() {
    for direction in [Direction::Up, Direction::Down] {
        let (server, proxy, client) = behind_proxy(&[]).await;
        let content = bytes(1, 8 * MIB);
        let (here, there) = (client.local("f"), server.home("alice").join("f"));
        let (from, to, growing) = match direction {
            Direction::Up => (here.clone(), there.clone(), there.clone()),
            Direction::Down => (there.clone(), here.clone(), client.local("f.part")),
        };
        std::fs::write(&from, &content).unwrap();
        set_mode(&from, 0o444);
        let job = homeport::transfer::Job {
            size: content.len() as u64,
            ..client.job(direction, "f")
        };
        let half = 4 * MIB as u64;
        proxy.pause_at(direction, half);
        proxy
            .direction_state(direction)
            .cuts
            .lock()
            .unwrap()
            .push_back(half + 100);
        let looking = async {
            proxy.wait_for_pause(direction).await;
            assert_eq!(mode(&growing), 0o644, "{direction:?}");
            proxy.resume(direction);
        };
        let (run, ()) = tokio::join!(client.run(Settings::default(), vec![job]), looking);
        proven(&run);
        assert!(run.resumed_from() > 0, "{run:?}");
        assert_eq!(mode(&to), 0o444, "{direction:?}");
        assert_same(&read(&to).unwrap(), &content, "the file");
    }
}

/// OpenSSH's server applies its umask to the mode of a new file.
#[tokio::test(flavor = "multi_thread")]
async fn new_files_get_the_mode_of_the_source_without_the_umask() {
    let (sshd, client) = openssh("ForceCommand internal-sftp -u 027").await;
    for (size, local, stored) in [
        (100, 0o444, 0o440),
        (MIB, 0o444, 0o440),
        (100, 0o600, 0o600),
        (100, 0o755, 0o750),
    ] {
        let name = format!("{size}-{local:o}");
        client.write(&name, &bytes(3, size));
        set_mode(&client.local(&name), local);
        let settings = Settings {
            verify: homeport::transfer::Verify::Never,
            ..Settings::default()
        };
        let run = client.run(settings, vec![client.up(&name)]).await;
        assert_eq!(run.summary.sent, 1, "{run:?}");
        assert_eq!(mode(&sshd.path("files").join(&name)), stored, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_local_file_keeps_its_mode() {
    let (sshd, client) = openssh("").await;
    let theirs = sshd.path("files").join("f");
    std::fs::write(&theirs, b"theirs").unwrap();
    for (before, preserve, after) in [
        (None, false, 0o644),
        (Some(0o600), false, 0o600),
        (Some(0o400), false, 0o400),
        (Some(0o600), true, 0o644),
    ] {
        let ours = client.local("f");
        let _ = std::fs::remove_file(&ours);
        if let Some(mode) = before {
            std::fs::write(&ours, b"ours, and longer").unwrap();
            set_mode(&ours, mode);
        }
        set_mode(&theirs, 0o644);
        let settings = Settings {
            conflicts: Policy::Overwrite,
            preserve,
            ..Settings::default()
        };
        let run = client.run(settings, vec![client.down("f", 6)]).await;
        assert_eq!(run.summary.sent, 1, "{run:?}");
        assert_eq!(read(&ours).unwrap(), b"theirs");
        assert_eq!(mode(&ours), after, "{before:?} {preserve}");
    }
}

/// The content is stored and proven; what the server refuses is said once for all files.
#[tokio::test(flavor = "multi_thread")]
async fn refused_times_are_a_warning() {
    let server = FaultyServer::start(Faults {
        refuses_times: true,
        ..Faults::default()
    })
    .await;
    let client = server.client().await;
    let settings = Settings {
        preserve: true,
        ..Settings::default()
    };
    let sizes = [10, 100, MIB];
    for size in sizes {
        client.write(&size.to_string(), &bytes(4, size));
    }
    let jobs = || sizes.map(|size| client.up(&size.to_string())).to_vec();
    let run = client.run(settings, jobs()).await;
    let (resumed_from, proof) = (0, Proof::Md5);
    for end in run.ended.values() {
        assert_eq!(end, &Ok(Outcome::Sent { resumed_from, proof }), "{run:?}");
    }
    assert_eq!(run.summary.exit_code(), 0);
    let said = "the server does not set its times: permission denied";
    assert_eq!(run.warnings.matches(said).count(), 1, "{}", run.warnings);
    assert_eq!(run.warnings.lines().count(), 1, "{}", run.warnings);
    // The same holds for files that are there already.
    let run = client.run(settings, jobs()).await;
    assert_eq!((run.summary.same, run.summary.exit_code()), (3, 0), "{run:?}");
    assert_eq!(run.warnings.matches(said).count(), 1, "{}", run.warnings);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skipped_file_keeps_its_times() {
    let (server, _proxy, client) = behind_proxy(&[]).await;
    let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let there = server.home("alice").join("f");
    client.write("f", b"same");
    std::fs::write(&there, b"same").unwrap();
    let file = std::fs::File::options().write(true).open(&there).unwrap();
    file.set_modified(then).unwrap();
    let settings = Settings {
        conflicts: Policy::Skip,
        preserve: true,
        ..Settings::default()
    };
    let run = client.run(settings, vec![client.up("f")]).await;
    assert_eq!(run.only(), &Ok(Outcome::Same(Proof::Md5)));
    assert_eq!(std::fs::metadata(&there).unwrap().modified().unwrap(), then);
}
