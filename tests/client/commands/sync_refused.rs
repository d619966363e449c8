//! What this machine refuses during a sync: a disk that is full, and files and directories without rights. The rest is
//! transferred, nothing is deleted, and a later run completes everything.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

const MIB: usize = 1 << 20;
/// The environment variable with the directory for the test that runs in a process of its own.
const PLACE: &str = "HOMEPORT_SMALL_DISK";
/// The number of files that go to the small disk.
const FILES: usize = 40;

/// The arguments of a sync that deletes.
fn sync_words<'a>(source: &'a str, target: &'a str) -> [&'a str; 6] {
    ["sync", "--json", "--delete", "--yes", source, target]
}

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// The offset from which a file was completed.
fn resumed_from(result: &CommandResult, name: &str) -> Option<u64> {
    let ends = result
        .out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let mut ends = ends.filter(|event| event["event"] == "end");
    ends.find(|event| event["local"].as_str().unwrap().ends_with(name))?["resumed_from"].as_u64()
}

/// A limit on the size of files acts like a full disk, and needs no privileges.
#[test]
fn a_file_that_this_machine_does_not_take() {
    let sandbox = ClientSandbox::new(&[]);
    let content = bytes(3 * MIB, 1);
    write(&sandbox.stored("t/big"), &content);
    write(&sandbox.stored("t/a"), b"a");
    write(&sandbox.stored("t/sub/b"), b"b");
    write(&sandbox.local("t/extra"), b"extra");
    let remote = sandbox.remote("t");
    // SIGXFSZ is ignored, so that the write fails instead. The limit is in blocks of 512 bytes: 1 MiB.
    let limit = r#"trap "" XFSZ; ulimit -f 2048; exec "$0" "$@""#;
    let run = run_by(&["sh", "-c", limit], &sandbox, &sync_words(&remote, "t"));
    let run = run.expect_code(4);
    assert!(run.out.contains("file too large"), "{}", run.out);
    assert_eq!(std::fs::read(sandbox.local("t/a")).unwrap(), b"a");
    assert_eq!(std::fs::read(sandbox.local("t/sub/b")).unwrap(), b"b");
    assert!(sandbox.local("t/extra").exists(), "nothing is deleted");
    assert!(!sandbox.local("t/big").exists());
    let part = std::fs::read(sandbox.local("t/big.part")).unwrap();
    assert!(!part.is_empty() && part.len() <= MIB, "{}", part.len());
    assert!(content.starts_with(&part), "the part is a beginning");
    let run = sandbox.run(sync_words(&remote, "t")).expect_code(0);
    assert_eq!(resumed_from(&run, "big"), Some(part.len() as u64), "{}", run.out);
    same_trees(&sandbox.stored("t"), &sandbox.local("t"));
}

/// A file system that is full in the middle of a sync, although it had room for all bytes before.
#[test]
fn a_disk_that_fills_up() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mounts) = testkit::private_mounts("a small disk") else {
        return;
    };
    // The mount has a namespace of its own, and ends with the process. It has room for few files only.
    let script =
        r#"mount -t tmpfs -o size=64m,nr_inodes=20 none "$HOMEPORT_SMALL_DISK" || exit 77; exec "$0" "$@""#;
    let mut command = Command::new(mounts[0]);
    command.args(&mounts[1..]).args(["sh", "-c", script]);
    let test = testkit::test_name(module_path!(), "in_its_own_process_with_a_small_disk");
    testkit::run_in_own_process(command, &test, (PLACE, dir.path()));
}

#[ignore = "runs in a process of its own, by the test above"]
#[test]
fn in_its_own_process_with_a_small_disk() {
    let place = PathBuf::from(std::env::var_os(PLACE).unwrap());
    let target = place.join("t");
    write(&target.join("extra"), b"extra");
    let sandbox = ClientSandbox::new(&[]);
    let name = |number: usize| format!("{}/{number}", number % 3);
    for number in 0..FILES {
        let content = bytes(1000 + number, number as u8);
        write(&sandbox.stored("t").join(name(number)), &content);
    }
    let (remote, here) = (sandbox.remote("t"), target.to_str().unwrap());
    let run = sandbox.run(sync_words(&remote, here)).expect_code(4);
    assert!(run.out.contains("no space left"), "{}", run.out);
    assert!(target.join("extra").exists(), "nothing is deleted");
    let whole = |number: &usize| {
        let Ok(here) = std::fs::read(target.join(name(*number))) else {
            return false;
        };
        assert_eq!(
            here,
            bytes(1000 + number, *number as u8),
            "what has its name is whole"
        );
        true
    };
    let before = (0..FILES).filter(whole).count();
    assert!((1..FILES).contains(&before), "{before} of {FILES} files");
    // By itself mount would repeat the owner as another namespace calls it, which the kernel refuses to other users than
    // root.
    let room = ["--options-mode", "ignore", "-o", "remount,nr_inodes=1000", "none"];
    let mounted = Command::new("mount").args(room).arg(&place).status().unwrap();
    assert!(mounted.success());
    sandbox.run(sync_words(&remote, here)).expect_code(0);
    same_trees(&sandbox.stored("t"), &target);
}

#[test]
fn what_may_not_be_read_here_is_not_deleted_there() {
    let sandbox = ClientSandbox::new(&[]);
    for name in ["a", "b", "sub/c"] {
        write(&sandbox.local("t").join(name), name.as_bytes());
    }
    let remote = sandbox.remote("t");
    sandbox.run(["sync", "t", &remote]).expect_code(0);
    write(&sandbox.stored("t/extra"), b"extra");
    write(&sandbox.local("t/a"), b"changed");
    let (secret, closed) = (sandbox.local("t/b"), sandbox.local("t/sub"));
    write(&secret, b"changed as well");
    set_mode(&secret, 0);
    let run = run_by(&unprivileged(), &sandbox, &sync_words("t", &remote));
    let run = run.expect_code(4);
    assert!(run.out.contains("permission denied"), "{}", run.out);
    assert_eq!(std::fs::read(sandbox.stored("t/a")).unwrap(), b"changed");
    assert_eq!(std::fs::read(sandbox.stored("t/b")).unwrap(), b"b");
    set_mode(&secret, 0o644);
    set_mode(&closed, 0);
    run_by(&unprivileged(), &sandbox, &sync_words("t", &remote)).expect_code(4);
    set_mode(&closed, 0o755);
    for name in ["extra", "sub/c"] {
        assert!(sandbox.stored("t").join(name).exists(), "{name}");
    }
    run_by(&unprivileged(), &sandbox, &sync_words("t", &remote)).expect_code(0);
    same_trees(&sandbox.local("t"), &sandbox.stored("t"));
}

#[test]
fn where_nothing_may_be_written_here_the_rest_is_fetched() {
    let sandbox = ClientSandbox::new(&[]);
    for name in ["closed/a", "open/b", "c"] {
        write(&sandbox.stored("t").join(name), name.as_bytes());
    }
    write(&sandbox.local("t/extra"), b"extra");
    let closed = sandbox.local("t/closed");
    std::fs::create_dir(&closed).unwrap();
    set_mode(&closed, 0o555);
    let remote = sandbox.remote("t");
    let run = run_by(&unprivileged(), &sandbox, &sync_words(&remote, "t"));
    let run = run.expect_code(4);
    assert!(run.out.contains("permission denied"), "{}", run.out);
    assert_eq!(std::fs::read(sandbox.local("t/open/b")).unwrap(), b"open/b");
    assert_eq!(std::fs::read(sandbox.local("t/c")).unwrap(), b"c");
    assert!(sandbox.local("t/extra").exists(), "nothing is deleted");
    assert_eq!(std::fs::read_dir(&closed).unwrap().count(), 0, "no part is left");
    set_mode(&closed, 0o755);
    run_by(&unprivileged(), &sandbox, &sync_words(&remote, "t")).expect_code(0);
    same_trees(&sandbox.stored("t"), &sandbox.local("t"));
}
