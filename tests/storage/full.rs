//! The disk of the data directory is full: what must go on, and what is said of it.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use super::*;
use testkit::programs::homeportd;
use testkit::server::password;
use testkit::stock::By;
use testkit::wait_for;

/// A small disk, mounted as the data directory of a sandbox.
struct Disk {
    point: PathBuf,
}

impl Disk {
    /// Makes and mounts one; `None`, with the reason said loudly, where that is not possible.
    fn mount(server: &TestServer, kind: &str) -> Option<Self> {
        let point = server.path().join("data");
        fs::remove_dir_all(&point).unwrap();
        fs::create_dir(&point).unwrap();
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

    /// Writes until nothing more fits, as another program on the machine does.
    fn fill(&self, name: &str) {
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

fn story(kind: &str) {
    let mut server = TestServer::new(&[]);
    let Some(disk) = Disk::mount(&server, kind) else {
        return;
    };
    let reserve = disk.point.join("reserve");
    for user in ["alice", "bob", "carol"] {
        server.add_user(user, &[]);
    }
    server.serve();
    wait_for("the reserve to be made", || {
        fs::metadata(&reserve).is_ok_and(|meta| meta.len() == 4 << 20)
    });
    let small = local(&server, "small", &[3; 100_000]);
    let large = local(&server, "large", &vec![4; 30 << 20]);
    server.sftp_ok("alice", &format!("put {} small\n", small.display()));

    // One user fills the disk.
    let refused = server.sftp("alice", &format!("put {} large\n", large.display()));
    assert!(
        errors(&refused).contains("no space left on the server's disk"),
        "{}",
        errors(&refused)
    );
    server.wait_for_log("no space left on the disk");
    disk.fill("filler");
    // Nothing of the reserve went into it.
    assert!(reserve.exists());

    let goes_on = |server: &TestServer, when: &str| {
        let by_password = server.sign_in("bob", By::Password("password"), &password("bob"));
        assert!(by_password.status.success(), "{when}: {}", errors(&by_password));
        server.sftp_ok("alice", "ls -l\n");
        let users = server.admin_ok(&["user", "list"], "");
        assert!(users.contains("alice"), "{when}: {users}");
    };
    goes_on(&server, "full");
    server.admin_ok(&["user", "disable", "carol"], "");
    wait_for("carol to be refused", || {
        !server.sftp("carol", "ls\n").status.success()
    });
    server.wait_for_log("the disk of the data directory is full");
    // What was freed is the store's: no home grows into it.
    let refused = server.sftp("bob", &format!("put {} x\n", small.display()));
    assert!(
        errors(&refused).contains("no space left on the server's disk"),
        "{}",
        errors(&refused)
    );
    server.sftp_ok("alice", "rm small\nrename large larger\n");
    assert!(!disk.point.join("homes/alice/small").exists());

    // A restart, and one after a crash.
    for signal in ["TERM", "KILL"] {
        server.signal(signal);
        server.wait_for_exit();
        server.serve();
        goes_on(&server, signal);
        server.admin_ok(&["user", "enable", "carol"], "");
        server.admin_ok(&["user", "disable", "carol"], "");
    }
    server.wait_for_log("the disk of the data directory is full");

    // Room again, made by a user and by the operator.
    server.sftp_ok("alice", "rm larger\n");
    fs::remove_file(disk.point.join("filler")).unwrap();
    server.wait_for_log("the disk of the data directory has room again");
    wait_for("the reserve to be made again", || {
        fs::metadata(&reserve).is_ok_and(|meta| meta.len() == 4 << 20)
    });
    server.sftp_ok("bob", &format!("put {} x\n", small.display()));
    let told = server.log();
    assert_eq!(
        told.matches("the disk of the data directory is full").count(),
        1,
        "{told}"
    );

    // A start where the server that ended before has left nothing but the reserve.
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    disk.fill("filler");
    assert!(reserve.exists());
    server.admin_ok(&["user", "list"], "");
    server.serve();
    goes_on(&server, "started on a full disk");
    server.sftp_ok("bob", "rm x\n");
}

#[test]
fn a_full_tmpfs_keeps_nobody_out() {
    story("tmpfs");
}

#[test]
fn a_full_ext4_keeps_nobody_out() {
    story("ext4");
}

/// A change that is larger than what is left, and than what is left to begin with: the store finds out in the middle.
#[test]
fn a_change_that_finds_the_disk_full_is_made_again_with_the_reserve() {
    let mut server = TestServer::new(&[]);
    let Some(disk) = Disk::mount(&server, "tmpfs") else {
        return;
    };
    let reserve = disk.point.join("reserve");
    server.add_user("alice", &[]);
    server.serve();
    wait_for("the reserve to be made", || {
        fs::metadata(&reserve).is_ok_and(|meta| meta.len() == 4 << 20)
    });
    server.signal("TERM");
    server.wait_for_exit();
    disk.fill("filler");
    let filler = fs::File::options()
        .write(true)
        .open(disk.point.join("filler"))
        .unwrap();
    let length = filler.metadata().unwrap().len();
    // 1 MiB is enough for the store not to spend the reserve beforehand.
    filler.set_len(length - (5 << 18)).unwrap();

    // 1.6 MiB of keys, in files that are not too large.
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

/// Runs `user disable alice` while these calls of the system fail, as strace injects it.
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

/// A quota of the file system is a full disk; other errors of the disk are told as they are.
#[test]
fn a_quota_of_the_file_system_is_told_as_a_full_disk_and_nothing_else_is() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    // The running server keeps the log and its index, so that the change itself is the first thing to be written.
    server.serve();
    for (failing, full) in [
        (&["pwrite64:error=EDQUOT", "fallocate:error=EDQUOT"][..], true),
        (&["pwrite64:error=ENOSPC"], true),
        (&["pwrite64:error=EIO"], false),
        // The store's file has failed, and the disk has room.
        (&["pwrite64:error=EDQUOT"], false),
    ] {
        let output = disabled_while(&server, failing);
        assert_eq!(output.status.code(), Some(1), "{failing:?}");
        let told = errors(&output);
        let cause = "the disk is full, and the reserve that the store keeps for this is used up";
        assert_eq!(told.contains(cause), full, "{failing:?}: {told}");
        let shown = server.admin_ok(&["user", "show", "alice", "--json"], "");
        assert!(shown.contains("\"enabled\": true"), "{failing:?}: {shown}");
    }
}
