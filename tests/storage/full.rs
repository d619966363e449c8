//! The disk of the data directory is full: what must still work, and what is reported.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::*;
use testkit::programs::homeportd;
use testkit::server::password;
use testkit::stock::By;
use testkit::wait_for;

/// A small disk, which is mounted as the data directory of a server.
pub struct Disk {
    point: PathBuf,
}

impl Disk {
    /// Creates a disk and mounts it as the data directory, or prints the reason and returns `None` if that is not possible.
    pub fn mount(server: &TestServer, kind: &str) -> Option<Self> {
        let point = server.path().join("data");
        fs::remove_dir_all(&point).unwrap();
        fs::create_dir(&point).unwrap();
        Self::mount_at(point, server, kind)
    }

    /// Does the same for a directory that is empty.
    fn mount_at(point: PathBuf, server: &TestServer, kind: &str) -> Option<Self> {
        let run = |program: &str, args: &[&str]| {
            let output = Command::new(program)
                .args(args)
                .output()
                .map_err(|e| e.to_string())?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.success() {
                Ok(())
            } else {
                Err(format!("{program}: {said}"))
            }
        };
        let at = point.to_str().unwrap();
        let image = server.path().join("image");
        let mounted = match kind {
            "tmpfs" => run("mount", &["-t", "tmpfs", "-o", "size=24m,mode=700", "none", at]),
            _ => {
                fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
                let image = image.to_str().unwrap();
                run("mkfs.ext4", &["-q", "-F", "-m", "0", image])
                    .and_then(|()| run("mount", &["-o", "loop", image, at]))
            }
        };
        match mounted {
            Ok(()) => Some(Self { point }),
            Err(reason) => {
                testkit::skipped(&format!("a small {kind}"), &reason);
                None
            }
        }
    }

    /// Makes room again, by removing what [`Disk::fill`] has written.
    pub fn make_room(&self, name: &str) {
        fs::remove_file(self.point.join(name)).unwrap();
    }

    /// Fills the disk, like another program on the machine.
    pub fn fill(&self, name: &str) {
        let mut file = fs::File::create(self.point.join(name)).unwrap();
        for size in [1 << 20, 64 << 10, 4096, 1] {
            while file
                .write_all(&vec![1; size])
                .and_then(|()| file.sync_all())
                .is_ok()
            {}
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.point).status();
    }
}

/// Waits until the reserve file has its full size.
fn wait_for_reserve(reserve: &Path) {
    wait_for("the reserve to be made", || {
        fs::metadata(reserve).is_ok_and(|meta| meta.len() == 4 << 20)
    });
}

/// Asserts that an upload is refused because the disk is full.
fn check_upload_refused(server: &TestServer, user: &str, batch: &str) {
    let refused = server.sftp(user, batch);
    assert!(
        errors(&refused).contains("no space left on the server's disk"),
        "{}",
        errors(&refused)
    );
    server.wait_for_audit("\"event\":\"no_space\"");
}

/// Asserts that users can sign in and list their homes, and that the store can be read.
fn check_works(server: &TestServer, when: &str) {
    let by_password = server.sign_in("bob", By::Password("password"), &password("bob"));
    assert!(by_password.status.success(), "{when}: {}", errors(&by_password));
    server.sftp_ok("alice", "ls -l\n");
    let users = server.admin_ok(&["user", "list"], "");
    assert!(users.contains("alice"), "{when}: {users}");
}

/// Fills a disk of this kind, and checks what still works.
fn check_full_disk(kind: &str) {
    let mut server = TestServer::new(&[]);
    let Some(disk) = Disk::mount(&server, kind) else {
        return;
    };
    let reserve = disk.point.join("reserve");
    for user in ["alice", "bob", "carol"] {
        server.add_user(user, &[]);
    }
    server.serve();
    wait_for_reserve(&reserve);
    let small = local(&server, "small", &[3; 100_000]);
    let large = local(&server, "large", &vec![4; 30 << 20]);
    server.sftp_ok("alice", &format!("put {} small\n", small.display()));

    // A user fills the disk.
    check_upload_refused(&server, "alice", &format!("put {} large\n", large.display()));
    server.wait_for_log("no space left on the disk");
    // The upload did not use the reserve. Later the server may, when it next writes to the store.
    assert!(reserve.exists());
    disk.fill("filler");

    check_works(&server, "full");
    server.admin_ok(&["user", "disable", "carol"], "");
    wait_for("carol to be refused", || {
        !server.sftp("carol", "ls\n").status.success()
    });
    server.wait_for_log("the disk of the data directory is full");
    // The freed space is for the store, so that no home can grow.
    check_upload_refused(&server, "bob", &format!("put {} x\n", small.display()));
    server.sftp_ok("alice", "rm small\nrename large larger\n");
    assert!(!disk.point.join("homes/alice/small").exists());

    // The server restarts after a shutdown, and after a crash.
    for signal in ["TERM", "KILL"] {
        server.signal(signal);
        server.wait_for_exit();
        server.serve();
        check_works(&server, signal);
        server.admin_ok(&["user", "enable", "carol"], "");
        server.admin_ok(&["user", "disable", "carol"], "");
    }
    server.wait_for_log("the disk of the data directory is full");

    // A user and the administrator free space.
    server.sftp_ok("alice", "rm larger\n");
    fs::remove_file(disk.point.join("filler")).unwrap();
    server.wait_for_log("the disk of the data directory has room again");
    wait_for_reserve(&reserve);
    server.sftp_ok("bob", &format!("put {} x\n", small.display()));
    let message = server.log();
    assert_eq!(
        message.matches("the disk of the data directory is full").count(),
        1,
        "{message}"
    );

    // The server starts although the last one has left no space except for the reserve.
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    disk.fill("filler");
    assert!(reserve.exists());
    server.admin_ok(&["user", "list"], "");
    server.serve();
    check_works(&server, "started on a full disk");
    server.sftp_ok("bob", "rm x\n");
}

#[test]
fn users_can_sign_in_on_a_full_tmpfs() {
    check_full_disk("tmpfs");
}

#[test]
fn users_can_sign_in_on_a_full_ext4() {
    check_full_disk("ext4");
}

/// Service goes before completeness: a full disk of the audit log stops nobody, and what is missing is counted.
#[test]
fn a_full_disk_of_the_audit_log_stops_nothing_and_the_losses_are_counted() {
    const ROUNDS: usize = 20;
    let mut server = TestServer::new(&[]);
    let logs = server.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let Some(disk) = Disk::mount_at(logs.clone(), &server, "tmpfs") else {
        return;
    };
    let text = fs::read_to_string(server.config()).unwrap();
    fs::write(server.config(), text.replace("audit.log", "logs/audit.log")).unwrap();
    server.add_user("alice", &[]);
    server.serve();
    let small = local(&server, "small", b"content");
    let work = |name: &str| {
        let batch = format!("put {} {name}\nrename {name} {name}.done\n", small.display());
        server.sftp_ok("alice", &batch);
    };
    // Each line is whole, whatever happened before and after it.
    let lines = || -> Vec<serde_json::Value> {
        let text = fs::read_to_string(logs.join("audit.log")).unwrap();
        // The server may be writing the last line.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    work("before");
    wait_for("the event before", || {
        lines().iter().any(|event| event["to"] == "/before.done")
    });
    disk.fill("filler");
    let began = std::time::Instant::now();
    for round in 0..ROUNDS {
        work(&format!("full-{round}"));
    }
    // A session waits for the log at most once, for two seconds. If it did so for each event, this would take minutes.
    assert!(began.elapsed() < testkit::PATIENCE, "{:?}", began.elapsed());
    server.wait_for_log("cannot write the audit log: events are being lost (hint: make room");
    assert!(
        server.log().contains("\"no space left on device\""),
        "{}",
        server.log()
    );
    // The operator's commands go on, too, and so does a restart.
    server.admin_ok(&["user", "set", "alice", "--quota", "1GiB"], "");
    server.admin_ok(&["reload"], "");
    work("after-the-reload");
    // There is a line every minute.
    let message = server.log();
    let most = 1 + began.elapsed().as_secs() / 60;
    assert!(
        message.matches("cannot write the audit log").count() as u64 <= most,
        "{message}"
    );

    fs::remove_file(disk.point.join("filler")).unwrap();
    work("room-again");
    let mut lost = 0;
    wait_for("the losses in the log", || {
        let lines = lines();
        let of = |event: &&serde_json::Value| event["event"] == "lost";
        lost = lines
            .iter()
            .filter(of)
            .map(|event| event["count"].as_u64().unwrap())
            .sum();
        lost > 0 && lines.iter().any(|event| event["to"] == "/room-again.done")
    });
    // Each round has at least signed_in, opened, closed, uploaded, renamed and session_ended. A few lines may have
    // fitted.
    let rounds = (ROUNDS + 1) as u64;
    assert!(
        (5 * rounds..=9 * rounds).contains(&lost),
        "{lost} of {rounds} rounds"
    );

    disk.fill("filler");
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    server.serve();
    server.sftp_ok("alice", "ls\n");
}

/// The change is larger than the free space, which the store notices in the middle.
#[test]
fn a_change_that_fails_on_a_full_disk_is_repeated_with_the_reserve() {
    let mut server = TestServer::new(&[]);
    let Some(disk) = Disk::mount(&server, "tmpfs") else {
        return;
    };
    let reserve = disk.point.join("reserve");
    server.add_user("alice", &[]);
    server.serve();
    wait_for_reserve(&reserve);
    server.signal("TERM");
    server.wait_for_exit();
    disk.fill("filler");
    let filler = fs::File::options()
        .write(true)
        .open(disk.point.join("filler"))
        .unwrap();
    let length = filler.metadata().unwrap().len();
    // With 1 MiB of free space, the store does not use the reserve beforehand.
    filler.set_len(length - (5 << 18)).unwrap();

    // The keys have 1.6 MiB, in files that are not too large.
    let mut files = Vec::new();
    for part in 0..2 {
        let mut lines = String::new();
        for n in 0..60 {
            let name = format!("many-{part}-{n}");
            server.make_key(&name);
            let line = fs::read_to_string(server.key(&name).with_extension("pub")).unwrap();
            lines.push_str(&format!("{}{}\n", line.trim_end(), "x".repeat(14_000)));
        }
        files.push(local(&server, &format!("keys-{part}"), lines.as_bytes()));
    }
    let files: Vec<&str> = files.iter().map(|file| file.to_str().unwrap()).collect();
    server.admin_ok(&[&["user", "key", "add", "alice"], &files[..]].concat(), "");
    assert!(!reserve.exists(), "it was spent");
    let listed = server.admin_ok(&["user", "key", "list", "alice"], "");
    assert_eq!(listed.lines().count(), 121);
}

/// Runs `user disable alice` while strace makes these system calls fail.
fn disabled_while(server: &TestServer, failing: &[&str]) -> Output {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64,fallocate"]);
    for inject in failing {
        strace.args(["-e", &format!("inject={inject}")]);
    }
    let output = strace
        .args([homeportd(), "-c"])
        .arg(server.config())
        .args(["user", "disable", "alice"])
        .output();
    output.expect("no strace on this machine (hint: apt-get install strace)")
}

/// An exceeded quota of the file system counts as a full disk; other errors of the disk do not.
#[test]
fn only_a_full_disk_or_an_exceeded_quota_is_reported_as_full() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    // With a running server, the store's log and index exist, so that the change itself is the first write.
    server.serve();
    for (failing, full) in [
        (&["pwrite64:error=EDQUOT", "fallocate:error=EDQUOT"][..], true),
        (&["pwrite64:error=ENOSPC"], true),
        (&["pwrite64:error=EIO"], false),
        // Writing the store fails, but the disk has space.
        (&["pwrite64:error=EDQUOT"], false),
    ] {
        let output = disabled_while(&server, failing);
        assert_eq!(output.status.code(), Some(1), "{failing:?}");
        let message = errors(&output);
        let cause = "the disk is full, and the reserve that the store keeps for this is used up";
        assert_eq!(message.contains(cause), full, "{failing:?}: {message}");
        let shown = server.admin_ok(&["user", "show", "alice", "--json"], "");
        assert!(shown.contains("\"enabled\": true"), "{failing:?}: {shown}");
    }
}
