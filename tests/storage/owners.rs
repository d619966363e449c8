//! Two servers on one storage, and a disk that is not mounted.

use super::*;

/// Creates a second server with its own store, whose user has a home of the first server.
fn second(first: &TestServer, storage: &str) -> TestServer {
    let second = TestServer::new(&[("storage", storage)]);
    second.make_key("alice");
    let key = format!("{}.pub", second.key("alice").display());
    let home = first.home("alice");
    let add = [
        "user",
        "add",
        "alice",
        "--key",
        &key,
        "--home",
        home.to_str().unwrap(),
    ];
    let output = second.admin(&add, "");
    // The user may read existing files, and gets a message that nothing can grow.
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).contains(NOT_OWNED), "{}", errors(&output));
    // A home that does not exist is not created.
    let missing = first.home("carol");
    let add = [
        "user",
        "add",
        "carol",
        "--key",
        &key,
        "--home",
        missing.to_str().unwrap(),
    ];
    let output = second.admin(&add, "");
    assert!(
        !output.status.success() && errors(&output).contains(NOT_OWNED),
        "{}",
        errors(&output)
    );
    assert!(!missing.exists());
    second
}

fn put(server: &TestServer, name: &str) -> Output {
    let file = local(server, "local", &[1; 50_000]);
    server.sftp("alice", &format!("put {} {name}\n", file.display()))
}

#[test]
fn only_the_owner_of_the_storage_lets_homes_grow() {
    let first = TestServer::start(&["alice"]);
    let place = first.path().join("data/homes");
    assert!(put(&first, "one").status.success());

    let mut other = second(&first, &format!("roots = [{place:?}]"));
    other.serve();
    let refused = put(&other, "two");
    assert!(!refused.status.success());
    assert!(errors(&refused).contains(NOT_OWNED), "{}", errors(&refused));
    assert!(!first.home("alice").join("two").exists());
    for batch in ["mkdir d\n", "symlink one l\n"] {
        let refused = other.sftp("alice", batch);
        assert!(
            errors(&refused).contains(NOT_OWNED),
            "{batch}: {}",
            errors(&refused)
        );
    }
    // Reading still works.
    other.sftp_ok("alice", "ls -l\nget one back\n");
    other.wait_for_log(NOT_OWNED);
    let check = other.admin(&["check"], "");
    let message = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        !check.status.success() && message.contains(NOT_OWNED),
        "{message}"
    );
    // Clients do not see the marker.
    let listed = first.sftp_ok("alice", "ls -la\nls -la ..\n");
    assert!(!listed.contains("homeport-store"), "{listed}");

    // The owner changes only by a command, and both servers know it at the next sign-in.
    let adopt = ["storage", "adopt", place.to_str().unwrap()];
    let refused = other.admin(&adopt, "");
    assert!(
        !refused.status.success() && errors(&refused).contains("--take-over"),
        "{}",
        errors(&refused)
    );
    assert!(!put(&other, "two").status.success());
    other.admin_ok(&[&adopt[..], &["--take-over"]].concat(), "");
    assert!(put(&other, "two").status.success());
    let refused = put(&first, "three");
    assert!(errors(&refused).contains(NOT_OWNED), "{}", errors(&refused));
    assert!(!first.admin(&["check"], "").status.success());
}

#[test]
fn an_unmounted_disk_gets_no_homes_and_works_again_once_it_is_mounted() {
    let server = TestServer::start(&["alice"]);
    let (homes, disk) = (server.path().join("data/homes"), server.path().join("disk"));
    assert!(put(&server, "one").status.success());
    // An unmounted disk leaves the empty mount point.
    std::fs::rename(&homes, &disk).unwrap();
    std::fs::create_dir(&homes).unwrap();
    let refused = server.sftp("alice", "ls\n");
    assert!(!refused.status.success());
    assert!(
        errors(&refused).contains("the storage of your home is not available at the moment"),
        "{}",
        errors(&refused)
    );
    assert!(names(&homes).is_empty());
    server.wait_for_log(NOT_OWNED);
    server.wait_for_log("is its disk mounted?");
    let check = server.admin(&["check"], "");
    let message = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        !check.status.success() && message.contains("is its disk mounted?"),
        "{message}"
    );
    // The home of a new user is not created either.
    let add = server.admin(&["user", "add", "bob", "--password-stdin"], "a good long secret");
    assert!(
        !add.status.success() && errors(&add).contains(NOT_OWNED),
        "{}",
        errors(&add)
    );
    assert!(names(&homes).is_empty());
    assert!(!server.admin(&["user", "show", "bob"], "").status.success());

    std::fs::remove_dir(&homes).unwrap();
    std::fs::rename(&disk, &homes).unwrap();
    server.sftp_ok("alice", "get one back\n");
    assert!(put(&server, "two").status.success());
}

#[test]
fn a_server_started_without_the_disk_works_once_it_is_mounted() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    let (homes, disk) = (server.path().join("data/homes"), server.path().join("disk"));
    std::fs::rename(&homes, &disk).unwrap();
    server.serve();
    server.wait_for_log(NOT_OWNED);
    assert!(!server.sftp("alice", "ls\n").status.success());
    assert!(!homes.exists());
    std::fs::rename(&disk, &homes).unwrap();
    assert!(put(&server, "one").status.success());
}

#[test]
fn homes_outside_of_the_homes_directory_are_not_created_at_sign_in() {
    let root = tempfile::tempdir().unwrap();
    let mut server = TestServer::new(&[("storage", &format!("roots = [{:?}]", root.path()))]);
    let home = root.path().join("alice");
    server.add_user("alice", &["--home", home.to_str().unwrap()]);
    // A new root gets its owner with its first home.
    assert_eq!(names(root.path()), [".homeport-store", "alice"]);
    std::fs::remove_dir(&home).unwrap();
    server.serve();
    assert!(!server.sftp("alice", "ls\n").status.success());
    assert!(!home.exists());
    server.wait_for_log("makes homes beneath [storage] homes only");
}

#[test]
fn adopt_says_what_it_does() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::new(&[("storage", &format!("roots = [{:?}]", root.path()))]);
    let check = server.admin(&["check"], "");
    let message = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        message.contains(&format!("homeportd storage adopt {}", root.path().display())),
        "{message}"
    );
    let text = server.admin_ok(&["storage", "adopt"], "");
    assert!(
        text.contains("unchanged: ") && text.contains("adopted "),
        "{text}"
    );
    let text = server.admin_ok(&["storage", "adopt"], "");
    assert!(!text.contains("adopted "), "{text}");
    let message = String::from_utf8_lossy(&server.admin(&["check"], "").stdout).into_owned();
    assert!(!message.contains("storage adopt"), "{message}");
    let stranger = server.admin(&["storage", "adopt", "/tmp"], "");
    assert!(!stranger.status.success());
    assert!(
        errors(&stranger).contains("neither [storage] homes nor one of its roots"),
        "{}",
        errors(&stranger)
    );
}
