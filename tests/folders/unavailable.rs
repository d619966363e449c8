//! Folders whose directory is missing, or whose disk is not mounted.

use super::*;

#[test]
fn a_folder_that_is_missing_fails_only_for_those_who_enter_it() {
    let server = with_folders(None);
    fs::remove_dir(place(&server, "in")).unwrap();
    let mut sftp = server.raw("alice");
    assert_eq!(names(&mut sftp, "/"), ["in", "out"]);
    assert!(matches!(sftp.ask(&stat("/in")), Reply::Attrs(_)));
    let missing = "the directory of this folder is missing on the server; ask the server's operator";
    assert_eq!(
        status(sftp.ask(&opendir("/in"))),
        (NO_SUCH_FILE, missing.to_owned())
    );
    assert_eq!(put(&mut sftp, "/in/f", b"1"), NO_SUCH_FILE);
    assert_eq!(put(&mut sftp, "/out/f", b"1"), 0);
    assert_eq!(put(&mut sftp, "f", b"1"), 0);
    server.wait_for_log("a folder cannot be entered");
}

#[test]
fn a_folder_that_is_removed_during_a_session_is_missing() {
    let server = with_folders(None);
    let mut sftp = server.raw("alice");
    assert_eq!(put(&mut sftp, "/in/f", b"1"), 0);
    fs::remove_dir_all(place(&server, "in")).unwrap();
    for request in [opendir("/in"), mkdir("/in/d", &Attrs::mode(0o755)), stat("/in/f")] {
        let (code, sentence) = status(sftp.ask(&request));
        assert_eq!(code, NO_SUCH_FILE, "{request:?}");
        assert!(
            sentence.contains("the directory of this folder is missing"),
            "{sentence}"
        );
    }
    assert_eq!(put(&mut sftp, "/out/f", b"1"), 0);
}

#[test]
fn a_folder_on_a_disk_that_is_not_mounted_is_not_available() {
    let mounts = tempfile::tempdir().unwrap();
    let here = fs::canonicalize(mounts.path()).unwrap();
    let (root, disk) = (here.join("root"), here.join("disk"));
    fs::create_dir(&root).unwrap();
    let mut server = TestServer::new(&[
        ("storage", &format!("roots = [{root:?}]")),
        // What is mounted later lies outside of the sandbox.
        ("server", "sandbox = false"),
    ]);
    server.admin_ok(&["storage", "adopt", root.to_str().unwrap()], "");
    server.add_user("alice", &[]);
    add_folder_at(&server, "in", &root.join("in"), None);
    give(&server, "alice", "in", &[("/", "all")]);
    // A disk that is not mounted leaves the empty directory to which it belongs.
    fs::rename(&root, &disk).unwrap();
    fs::create_dir(&root).unwrap();
    server.serve();
    let mut sftp = server.raw("alice");
    let unavailable = "this folder is not available at the moment; ask the server's operator";
    assert_eq!(
        status(sftp.ask(&opendir("/in"))),
        (FAILURE, unavailable.to_owned())
    );
    assert_eq!(put(&mut sftp, "/in/f", b"1"), FAILURE);
    assert_eq!(put(&mut sftp, "f", b"1"), 0);
    server.wait_for_log("a folder cannot be entered");
    let log = server.log();
    let line = log
        .lines()
        .find(|line| line.contains("a folder cannot be entered"));
    let line = line.unwrap();
    assert!(
        line.contains("is its disk mounted?") && line.contains(root.to_str().unwrap()),
        "{line}"
    );
    assert!(
        fs::read_dir(&root).unwrap().next().is_none(),
        "nothing is made there"
    );
    fs::remove_dir(&root).unwrap();
    fs::rename(&disk, &root).unwrap();
    testkit::wait_for("the folder to be there again", || {
        put(&mut sftp, "/in/f", b"1") == 0
    });
}
