//! Directories and files whose permissions deny their owner to change them: with `-p` they are opened as long as
//! something in them changes, and closed again. The client runs without root's rights, whoever runs the tests.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Makes a tree with a read-only file and a directory that cannot be changed.
fn make_closed_tree(top: &Path) {
    std::fs::create_dir_all(top.join("closed/deep")).unwrap();
    for name in ["closed/a", "closed/deep/b"] {
        std::fs::write(top.join(name), name).unwrap();
        set_mode(&top.join(name), 0o444);
    }
    close(top);
}

fn close(top: &Path) {
    for name in ["closed/deep", "closed"] {
        set_mode(&top.join(name), 0o555);
    }
}

/// Changes something in the directories of the tree.
fn change(top: &Path) {
    for name in ["closed", "closed/deep"] {
        set_mode(&top.join(name), 0o755);
        std::fs::write(top.join(name).join("new"), name).unwrap();
    }
    set_mode(&top.join("closed/a"), 0o644);
    std::fs::write(top.join("closed/a"), "closed/a has grown").unwrap();
    set_mode(&top.join("closed/a"), 0o444);
    close(top);
}

#[track_caller]
fn check_modes(top: &Path) {
    for (name, expected) in [
        ("closed", 0o555),
        ("closed/deep", 0o555),
        ("closed/a", 0o444),
        ("closed/deep/b", 0o444),
    ] {
        assert_eq!(mode(&top.join(name)), expected, "{name}");
    }
}

/// Runs a command without root's rights.
fn run(sandbox: &ClientSandbox, words: &[&str]) -> CommandResult {
    run_by(&unprivileged(), sandbox, words)
}

/// Opens a tree, so that it can be removed.
fn open(top: &Path) {
    for name in ["closed", "closed/deep"] {
        set_mode(&top.join(name), 0o755);
    }
}

#[test]
fn trees_are_fetched_into_closed_directories() {
    let sandbox = ClientSandbox::new(&[]);
    let (here, there) = (sandbox.local("t"), sandbox.stored("t"));
    make_closed_tree(&there);
    let remote = sandbox.remote("t/.");
    let get = || run(&sandbox, &["get", "-r", "-p", "--overwrite", &remote, "t"]);
    get().expect_code(0);
    check_modes(&here);
    change(&there);
    // Without -p the directories of this machine are as their owner wants them.
    run(&sandbox, &["get", "-r", "--overwrite", &remote, "t"])
        .expect_code(4)
        .expect_stderr(&["permission denied"]);
    check_modes(&here);
    get().expect_code(0);
    check_modes(&here);
    same_trees(&here, &there);
    // A directory that nobody may even enter.
    set_mode(&here.join("closed/deep"), 0o000);
    get().expect_code(0);
    check_modes(&here);
    for top in [&here, &there] {
        open(top);
    }
}

#[test]
fn trees_are_sent_into_closed_directories() {
    let sandbox = ClientSandbox::new(&[]);
    let (here, there) = (sandbox.local("t"), sandbox.stored("t"));
    make_closed_tree(&here);
    std::fs::create_dir(&there).unwrap();
    let remote = sandbox.remote("t");
    let put = || run(&sandbox, &["put", "-r", "-p", "--overwrite", "t/.", &remote]);
    put().expect_code(0);
    check_modes(&there);
    change(&here);
    put().expect_code(0);
    check_modes(&there);
    same_trees(&here, &there);
    for top in [&here, &there] {
        open(top);
    }
}

#[test]
fn closed_directories_are_synced_both_ways() {
    for up in [true, false] {
        let sandbox = ClientSandbox::new(&[]);
        let (here, there) = (sandbox.local("t"), sandbox.stored("t"));
        let (source, target) = if up { (&here, &there) } else { (&there, &here) };
        make_closed_tree(source);
        let remote = sandbox.remote("t");
        let trees = if up { ["t", &remote] } else { [&remote, "t"] };
        let sync = |more: &[&str]| run(&sandbox, &[&["sync", "-p"], more, &trees].concat());
        sync(&[]).expect_code(0);
        check_modes(target);
        change(source);
        sync(&[]).expect_code(0);
        check_modes(target);
        same_trees(&here, &there);
        // What is deleted lies in a closed directory, too.
        set_mode(&source.join("closed"), 0o755);
        std::fs::remove_file(source.join("closed/new")).unwrap();
        close(source);
        sync(&["--delete", "--yes"]).expect_code(0);
        check_modes(target);
        same_trees(&here, &there);
        // Nothing is left to do.
        let again = sync(&["--json"]).expect_code(0);
        assert!(!again.out.contains("\"change\""), "{up}: {}", again.out);
        for top in [&here, &there] {
            open(top);
        }
    }
}

/// Files that the user may not read or write are named, and the others are transferred.
#[test]
fn what_the_user_may_not_read_or_write_is_named() {
    let sandbox = ClientSandbox::new(&[]);
    sandbox.create_file("open", 1000, 1);
    sandbox.create_file("secret", 1000, 2);
    set_mode(&sandbox.local("secret"), 0o000);
    let remote = sandbox.remote("");
    run(&sandbox, &["put", "open", "secret", &remote])
        .expect_code(4)
        .expect_stderr(&["secret: FAILED: cannot open", "permission denied"]);
    assert!(sandbox.stored("open").exists() && !sandbox.stored("secret").exists());
    std::fs::create_dir(sandbox.local("closed")).unwrap();
    set_mode(&sandbox.local("closed"), 0o555);
    let there = sandbox.remote("open");
    run(&sandbox, &["get", &there, "closed"])
        .expect_code(4)
        .expect_stderr(&["permission denied"]);
    assert!(!sandbox.local("closed/open").exists());
    run(&sandbox, &["--log", "closed/log", "ls", &remote])
        .expect_code(1)
        .expect_stderr(&["cannot open the log", "permission denied"]);
}

/// A file that this machine cannot read is not taken for the same because its size and time are, and nothing is deleted
/// then.
#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_the_same() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir(sandbox.local("t")).unwrap();
    sandbox.create_file("t/open", 1000, 1);
    sandbox.create_file("t/secret", 1000, 2);
    let target = sandbox.remote("t");
    let remote = target.as_str();
    run(&sandbox, &["sync", "t", remote]).expect_code(0);
    std::fs::write(sandbox.stored("t/extra"), "extra").unwrap();
    set_mode(&sandbox.local("t/secret"), 0o000);
    let unread = ["secret", "cannot read the file: permission denied"];
    for trees in [["t", remote], [remote, "t"]] {
        let check = [&["check", "--exclude", "extra"][..], &trees].concat();
        let checked = run(&sandbox, &check).expect_code(4).expect_stderr(&unread);
        assert_eq!(checked.out, "");
    }
    run(&sandbox, &["check", "--exclude", "extra", "--quick", "t", remote]).expect_code(0);
    let sync = ["sync", "--checksum", "--delete", "--yes", "t", remote];
    run(&sandbox, &sync)
        .expect_code(4)
        .expect_stderr(&unread)
        .expect_stderr(&["nothing is deleted"]);
    assert!(sandbox.stored("t/extra").exists());
    set_mode(&sandbox.local("t/secret"), 0o644);
    run(&sandbox, &sync).expect_code(0);
    assert!(!sandbox.stored("t/extra").exists());
}

/// A file that cannot be read cannot be compared: it stays or is replaced where that is asked for.
#[test]
fn a_download_meets_a_file_that_cannot_be_read() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::write(sandbox.stored("f"), "from the server").unwrap();
    sandbox.create_file("f", 15, 1);
    let (here, there) = (sandbox.local("f"), sandbox.remote("f"));
    set_mode(&here, 0o000);
    let get = |more: &[&str]| run(&sandbox, &[&["get"], more, &[&there]].concat());
    get(&[]).expect_code(4).expect_stderr(&["permission denied"]);
    get(&["--skip"]).expect_code(0);
    set_mode(&here, 0o600);
    assert_eq!(std::fs::read(&here).unwrap(), bytes(15, 1));
    set_mode(&here, 0o000);
    get(&["--overwrite"])
        .expect_code(0)
        .expect_stderr(&["MD5 verified"]);
    assert_eq!(mode(&here), 0o000, "the mode of a file that is replaced stays");
    set_mode(&here, 0o600);
    assert_eq!(std::fs::read(&here).unwrap(), b"from the server");
}

#[test]
fn directories_that_cannot_be_listed_are_named() {
    let sandbox = ClientSandbox::new(&[]);
    std::fs::create_dir(sandbox.local("closed")).unwrap();
    set_mode(&sandbox.local("closed"), 0o300);
    let remote = sandbox.remote("t");
    for command in ["sync", "check"] {
        run(&sandbox, &[command, "closed", &remote])
            .expect_code(1)
            .expect_stderr(&["closed\": cannot list the directory: permission denied"]);
    }
}

/// A key that has the usual name and cannot be read is named where nobody is signed in.
#[test]
fn a_key_that_cannot_be_read_is_named() {
    let sandbox = ClientSandbox::new(&[]);
    let key = sandbox.local("key");
    std::fs::write(&key, "not for everybody").unwrap();
    set_mode(&key, 0o000);
    let words = ["ls", "-i", key.to_str().unwrap(), "nobody@127.0.0.1:"];
    let refused = run(&sandbox, &words).expect_code(3);
    let refused = refused.expect_stderr(&["cannot be read: permission denied"]);
    assert!(!refused.err.contains("os error"), "{}", refused.err);
}
