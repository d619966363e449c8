//! Directories that cannot be made at the target: each is told once, with the number of names that are left out.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

/// Makes a tree in which four names lie below `bad`.
fn make_tree(top: &Path) {
    for name in ["bad/a", "bad/b", "bad/deep/c", "good/d"] {
        let path = top.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, name).unwrap();
    }
}

/// Asserts that one line is about the directory, and none about what is below it.
#[track_caller]
fn check_told_once(ended: &CommandResult) {
    let lines = ended.err.lines();
    let failed: Vec<&str> = lines.filter(|line| line.contains("FAILED:")).collect();
    assert_eq!(failed.len(), 1, "{}", ended.err);
    for part in [
        "bad: FAILED: cannot make the directory",
        "; 4 names below it are left out",
    ] {
        assert!(failed[0].contains(part), "{part}: {}", ended.err);
    }
}

#[test]
fn an_upload_tells_a_directory_once() {
    let sandbox = ClientSandbox::new(&[]);
    make_tree(&sandbox.local("t"));
    // A file has the name.
    std::fs::create_dir_all(sandbox.stored("t")).unwrap();
    std::fs::write(sandbox.stored("t/bad"), "").unwrap();
    let ended = sandbox
        .run(["put", "-r", "t", &sandbox.remote("")])
        .expect_code(4);
    check_told_once(&ended);
    assert_eq!(std::fs::read(sandbox.stored("t/good/d")).unwrap(), b"good/d");
}

#[test]
fn a_download_tells_a_directory_once() {
    let sandbox = ClientSandbox::new(&[]);
    make_tree(&sandbox.stored("t"));
    std::fs::create_dir_all(sandbox.local("back/t")).unwrap();
    std::fs::write(sandbox.local("back/t/bad"), "").unwrap();
    let ended = sandbox
        .run(["get", "-r", &sandbox.remote("t"), "back"])
        .expect_code(4);
    check_told_once(&ended);
    assert_eq!(std::fs::read(sandbox.local("back/t/good/d")).unwrap(), b"good/d");
}

#[test]
fn a_sync_tells_a_directory_once() {
    let sandbox = ClientSandbox::new(&[]);
    make_tree(&sandbox.stored("t/closed"));
    // Nothing can be made in this directory, and `good` is there already.
    let closed = sandbox.local("t/closed");
    std::fs::create_dir_all(closed.join("good")).unwrap();
    let set_mode = |mode| std::fs::set_permissions(&closed, PermissionsExt::from_mode(mode)).unwrap();
    set_mode(0o555);
    let remote = sandbox.remote("t");
    let ended = run_by(&unprivileged(), &sandbox, &["sync", &remote, "t"]);
    set_mode(0o755);
    check_told_once(&ended.expect_code(4));
    assert_eq!(
        std::fs::read(sandbox.local("t/closed/good/d")).unwrap(),
        b"good/d"
    );
}
