//! Other programs of the host change a home: they truncate, remove and protect files; and dates, mounts and modes.

use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Command;

use super::*;
use testkit::packets::{mkdir, opendir, readdir, realpath, setstat, stat};
use testkit::{SetOnDrop, is_root, within_patience};

fn start(more: &[&str]) -> TestServer {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", more);
    server.serve();
    server
}

fn local(server: &TestServer, name: &str, length: u64) {
    std::fs::write(server.path().join(name), vec![5; length as usize]).unwrap();
}

fn known(server: &TestServer) -> KnownUse {
    let text = server.admin_ok(&["quota", "show", "alice", "--json"], "");
    let usage: serde_json::Value = serde_json::from_str(&text).unwrap();
    KnownUse {
        used: DiskUse {
            bytes: usage["used_bytes"].as_u64().unwrap(),
            files: usage["used_files"].as_u64().unwrap(),
        },
        exact: usage["usage_exact"].as_bool().unwrap(),
    }
}

/// Waits until the server knows this usage exactly. A refusal may have started a measurement that is not over yet.
fn wait_for_known(server: &TestServer, used: DiskUse) {
    testkit::wait_for(&format!("{used:?} to be known"), || {
        known(server) == KnownUse::exactly(used)
    });
}

#[test]
fn uploads_continue_when_a_job_removes_files() {
    let server = start(&["--quota", "10MiB"]);
    local(&server, "f", 6 * MIB);
    let home = server.home("alice");
    // On a busy machine, measuring takes long, and the next measurement may come later than a client waits.
    let put = |batch: &str| {
        testkit::wait_for("room to be found", || {
            server.sftp("alice", batch).status.success()
        });
    };
    for round in 0..3 {
        put(&format!("put f in-{round}\n"));
        let file = std::fs::File::options()
            .write(true)
            .open(home.join(format!("in-{round}")));
        file.unwrap().set_len(0).unwrap();
    }
    assert_eq!(on_disk(&home), DiskUse { bytes: 0, files: 3 });
    // One session per file, one session that continues, and a removal.
    put("put f a\n");
    std::fs::remove_file(home.join("a")).unwrap();
    put("put f b\n");
    wait_for_known(&server, on_disk(&home));
    // Writes over the limit are still refused.
    assert!(!server.sftp("alice", "put f c\n").status.success());
    assert!(on_disk(&home).bytes <= 10 * MIB);
}

#[test]
fn a_full_home_with_retrying_clients_does_not_delay_others() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB"]);
    server.add_user("bob", &["--quota", "1MiB"]);
    server.serve();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            let mut sftp = server.raw("alice");
            let stop = &stop;
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let handle = sftp.handle(&open("f", WRITE | CREAT));
                    sftp.ask_about(&write(bogus(&handle), 2 * MIB, b"x"), b"");
                    sftp.ask(&testkit::packets::close(bogus(&handle)));
                }
            });
        }
        let mut sftp = server.raw("bob");
        let handle = sftp.handle(&open("f", READ | WRITE | CREAT));
        let _stop = SetOnDrop(&stop);
        // A request that waited for the measurements of the full home would take seconds, and all of them many minutes.
        within_patience("another user's work", || {
            for _ in 0..200 {
                sftp.ask_about(&write(bogus(&handle), 0, vec![1; 30_000]), b"");
                sftp.ask(&stat("f"));
            }
        });
    });
}

/// `reput` of OpenSSH before version 10 truncates the file that it could not finish.
#[test]
fn existing_bytes_survive_a_refused_reput() {
    let server = start(&["--quota", "10MiB"]);
    // The last block fits into the space that is left when the others are refused.
    let all: Vec<u8> = (0..12 * MIB + 99).map(|n| (n / 4096) as u8).collect();
    std::fs::write(server.path().join("f"), &all[..8 * MIB as usize]).unwrap();
    server.sftp_ok("alice", "put f\n");
    std::fs::write(server.path().join("f"), &all).unwrap();
    let output = server.sftp("alice", "reput f\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(errors.contains("quota exceeded: "), "{errors}");
    let stored = std::fs::read(server.home("alice").join("f")).unwrap();
    assert!(stored.len() as u64 >= 8 * MIB, "{} bytes are left", stored.len());
    assert!(all.starts_with(&stored));
    wait_for_known(&server, on_disk(&server.home("alice")));
    // After the quota was raised, it continues from there.
    server.admin_ok(&["user", "set", "alice", "--quota", "20MiB"], "");
    testkit::wait_for("the new quota", || {
        server.sftp("alice", "reput f\n").status.success()
    });
    assert!(std::fs::read(server.home("alice").join("f")).unwrap() == all);
}

/// Makes a directory inaccessible to the server: another user owns it, or, without the right to change owners, nobody
/// may enter it.
fn make_inaccessible(dir: &Path) {
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o000)).unwrap();
    if is_root() {
        chown(dir, Some(65_534), Some(65_534)).unwrap();
    }
}

#[test]
fn a_directory_that_is_closed_to_the_server_counts_as_one_entry() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "10MiB", "--max-files", "10"]);
    let home = server.home("alice");
    let close = |name: &str| {
        let dir = home.join(name);
        std::fs::create_dir_all(dir.join("inside")).unwrap();
        std::fs::write(dir.join("inside/file"), vec![1; 20 * MIB as usize]).unwrap();
        make_inaccessible(&dir);
    };
    close("lost+found");
    close("deep/er/closed");
    // The first measurement finds all that.
    server.serve();
    local(&server, "f", MIB);
    let df = server.sftp_ok("alice", "put f\ndf\nls -l\n");
    let numbers: Vec<&str> = df
        .lines()
        .find(|line| line.ends_with('%'))
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(numbers.get(..3), Some(&["10240", "1024", "9216"][..]), "{df}");
    wait_for_known(&server, DiskUse { bytes: MIB, files: 5 });
    server.wait_for_log("each entry that the server cannot read counts as one file");
    let shown = server.admin_ok(&["quota", "show", "alice"], "");
    assert!(shown.contains("the server cannot enter"), "{shown}");
    assert!(shown.contains("and 1 more"), "{shown}");
    let scanned = server.admin_ok(&["quota", "scan", "alice"], "");
    assert!(scanned.contains("the server cannot enter"), "{scanned}");
    let checked = server.admin(&["check"], "");
    let checked = format!(
        "{}{}",
        String::from_utf8_lossy(&checked.stdout),
        String::from_utf8_lossy(&checked.stderr)
    );
    assert!(checked.contains("the server cannot enter"), "{checked}");
    // A directory that was counted before it is closed.
    server.sftp_ok("alice", "mkdir later\nput f later/f\n");
    let two = DiskUse {
        bytes: 2 * MIB,
        files: 7,
    };
    wait_for_known(&server, two);
    make_inaccessible(&home.join("later"));
    server.admin_ok(&["quota", "scan", "alice"], "");
    assert_eq!(
        known(&server),
        KnownUse::exactly(DiskUse { bytes: MIB, files: 6 })
    );
    assert!(!server.sftp("alice", "put f later/g\n").status.success());
    server.sftp_ok("alice", "put f g\n");
    wait_for_known(&server, two);
    // The directory is opened again, and the next sign-in measures it.
    let open = |name: &str| {
        if is_root() {
            chown(home.join(name), Some(0), Some(0)).unwrap();
        }
        std::fs::set_permissions(home.join(name), std::fs::Permissions::from_mode(0o700)).unwrap();
    };
    open("later");
    testkit::wait_for("the directory to be counted", || {
        server.sftp_ok("alice", "pwd\n");
        known(&server)
            == KnownUse::exactly(DiskUse {
                bytes: 3 * MIB,
                files: 8,
            })
    });
    // The directories are opened so that they can be removed.
    open("lost+found");
    open("deep/er/closed");
}

#[test]
fn dates_are_clamped_to_the_range_of_the_protocol() {
    let server = start(&[]);
    let home = server.home("alice");
    server.sftp_ok("alice", "mkdir d\n");
    for (name, date) in [
        ("d/1960", "1960-01-01"),
        ("d/2200", "2200-01-01"),
        ("d/2040", "2040-01-01"),
    ] {
        let made = Command::new("touch")
            .args(["-d", &format!("{date} 00:00 UTC")])
            .arg(home.join(name))
            .status();
        assert!(made.unwrap().success());
    }
    let mut sftp = server.raw("alice");
    let mut times = |name: &str| match sftp.ask(&stat(name)) {
        testkit::replies::Reply::Attrs(attrs) => attrs.times.unwrap(),
        other => panic!("{other:?}"),
    };
    assert_eq!(times("d/1960"), (0, 0));
    assert_eq!(times("d/2200"), (u32::MAX, u32::MAX));
    assert_eq!(times("d/2040"), (2_208_988_800, 2_208_988_800));
    let handle = sftp.handle(&opendir("d"));
    let listed = match sftp.ask_about(&readdir(bogus(&handle)), b"") {
        testkit::replies::Reply::Names(names) => names,
        other => panic!("{other:?}"),
    };
    let listed: Vec<String> = listed
        .iter()
        .map(|entry| String::from_utf8_lossy(&entry.long).into_owned())
        .collect();
    let has = |end: &str| listed.iter().any(|line| line.ends_with(end));
    assert!(has("0 Jan  1  1970 1960"), "{listed:?}");
    assert!(has("0 Feb  7 06:28 2200"), "{listed:?}");
    // Times that clients set are stored exactly.
    for seconds in [0, 1, 1 << 31, u32::MAX] {
        sftp.ask(&setstat("d/2040", &Attrs::times(seconds, seconds)));
        let meta = home.join("d/2040").metadata().unwrap();
        assert_eq!((meta.atime(), meta.mtime()), (seconds.into(), seconds.into()));
    }
}

#[test]
fn a_rename_across_mounts_says_what_to_do() {
    let Some(mounts) = testkit::private_mounts("a rename across mounts") else {
        return;
    };
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    let mounted = server.home("alice").join("mnt");
    std::fs::create_dir_all(&mounted).unwrap();
    let mount = format!("mount -t tmpfs none '{}' && exec \"$@\"", mounted.display());
    server.serve_by(&[&mounts[..], &["sh", "-c", &mount, "sh"]].concat());
    local(&server, "f", 10);
    server.sftp_ok("alice", "put f\nmkdir d\n");
    let mut sftp = server.raw("alice");
    let posix = |from: &str, to: &str| {
        testkit::packets::extended_paths("posix-rename@openssh.com", &[from.as_bytes(), to.as_bytes()])
    };
    let link = testkit::packets::extended_paths("hardlink@openssh.com", &[b"f", b"mnt/f"]);
    for request in [
        rename("f", "mnt/f"),
        rename("d", "mnt/d"),
        posix("f", "mnt/f"),
        posix("d", "mnt/d"),
        link,
    ] {
        match sftp.ask(&request) {
            testkit::replies::Reply::Status { code, message, .. } => assert_eq!(
                (code, String::from_utf8_lossy(&message).as_ref()),
                (
                    4,
                    "the two names are on different file systems; copy the file instead"
                )
            ),
            other => panic!("{request:?}: {other:?}"),
        }
    }
    let expected = DiskUse { bytes: 10, files: 3 };
    assert_eq!(on_disk(&server.home("alice")), expected, "all is where it was");
    server.sftp_ok("alice", "cp f mnt/f\nls mnt/f\n");
}

#[test]
fn a_directory_may_be_made_read_only() {
    let server = start(&["--quota", "1MiB"]);
    server.sftp_ok("alice", "mkdir d\nchmod 555 d\nmkdir e\nchmod 000 e\n");
    let mode = |name: &str| server.home("alice").join(name).metadata().unwrap().mode() & 0o7777;
    assert_eq!((mode("d"), mode("e")), (0o555, 0o500));
    let mut sftp = server.raw("alice");
    sftp.ask(&mkdir("m", &Attrs::mode(0o555)));
    assert_eq!(mode("m"), 0o555);
    assert!(!server.sftp("alice", "mkdir d/x\n").status.success());
    server.admin_ok(&["quota", "scan", "alice"], "");
    assert_eq!(known(&server), KnownUse::exactly(DiskUse { bytes: 0, files: 3 }));
    // The administrator can delete everything, however deep.
    server.sftp_ok(
        "alice",
        "chmod 755 d\nmkdir d/deep\nmkdir d/deep/er\nchmod 555 d/deep\nchmod 555 d\nchmod 555 .\n",
    );
    server.admin_ok(&["user", "remove", "alice", "--delete-home"], "");
    assert!(!server.home("alice").exists());
}

#[test]
fn link_targets_are_shown_with_the_list_permission() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--permissions", "create,read"]);
    server.serve();
    let home = server.home("alice");
    std::fs::create_dir_all(home.join("secret/place")).unwrap();
    std::os::unix::fs::symlink("secret/place", home.join("in")).unwrap();
    let mut sftp = server.raw("alice");
    let mut path = |asked: &str| match sftp.ask(&realpath(asked)) {
        testkit::replies::Reply::Names(names) => {
            String::from_utf8_lossy(&names.first().unwrap().name).into_owned()
        }
        other => panic!("{asked}: {other:?}"),
    };
    assert_eq!(path("in"), "/in");
    assert_eq!(path("in/"), "/in");
    assert_eq!(path("in/new"), "/in/new");
    assert_eq!(path("secret/./place"), "/secret/place");
    assert_eq!(path("."), "/");
    local(&server, "f", 10);
    server.sftp_ok("alice", "cd in\nput f\n");
    assert!(home.join("secret/place/f").exists());
}

#[test]
fn a_full_disk_is_in_the_log() {
    let Some(mounts) = testkit::private_mounts("a full disk") else {
        return;
    };
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "100MiB"]);
    let home = server.home("alice");
    std::fs::create_dir_all(&home).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=2m none '{}' && exec \"$@\"",
        home.display()
    );
    server.serve_by(&[&mounts[..], &["sh", "-c", &mount, "sh"]].concat());
    local(&server, "f", 3 * MIB);
    let begun = std::time::Instant::now();
    let output = server.sftp("alice", "put f\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(errors.contains("no space left on the server's disk"), "{errors}");
    server.wait_for_log("no space left on the disk of the home user=alice session=");
    assert!(!server.sftp("alice", "put f g\n").status.success());
    let lines = server.log().matches("no space left on the disk").count() as u64;
    // There is a line about the home every ten seconds, and one about the disk every minute.
    let (homes, disks) = (
        1 + begun.elapsed().as_secs() / 10,
        1 + begun.elapsed().as_secs() / 60,
    );
    assert!(lines <= homes + disks, "{lines} lines");
    // The account agrees with the disk.
    server.sftp_ok("alice", "rm f\nrm g\n");
    wait_for_known(&server, DiskUse::default());
}
