//! Two servers on one storage, and a disk that is not mounted.

use super::*;

/// A second server, with a store of its own, whose user lives in a home of the first.
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
    // The user may read what is there; that nothing grows is told.
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).contains(NOT_OWNED), "{}", errors(&output));
    // One that is not there is not made.
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
fn of_two_servers_on_one_storage_only_its_owner_lets_homes_grow() {
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
    // Reading goes on.
    other.sftp_ok("alice", "ls -l\nget one back\n");
    other.wait_for_log(NOT_OWNED);
    let check = other.admin(&["check"], "");
    let told = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(!check.status.success() && told.contains(NOT_OWNED), "{told}");
    // The marker is nothing that a client sees.
    let listed = first.sftp_ok("alice", "ls -la\nls -la ..\n");
    assert!(!listed.contains("homeport-store"), "{listed}");

    // It changes hands on purpose only, and at the next sign-in both know.
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
fn a_disk_that_is_not_mounted_gets_no_home_and_works_again_once_it_is() {
    let server = TestServer::start(&["alice"]);
    let (homes, disk) = (server.path().join("data/homes"), server.path().join("disk"));
    assert!(put(&server, "one").status.success());
    // What is seen when a disk is unmounted: the empty directory below.
    std::fs::rename(&homes, &disk).unwrap();
    std::fs::create_dir(&homes).unwrap();
    let refused = server.sftp("alice", "ls\n");
    assert!(!refused.status.success());
    assert!(
        errors(&refused).contains("the storage of your home is not there at the moment"),
        "{}",
        errors(&refused)
    );
    assert!(names(&homes).is_empty());
    server.wait_for_log(NOT_OWNED);
    server.wait_for_log("is its disk mounted?");
    let check = server.admin(&["check"], "");
    let told = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        !check.status.success() && told.contains("is its disk mounted?"),
        "{told}"
    );
    // Neither is one for a new user.
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
fn a_start_without_the_disk_serves_once_it_is_there() {
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
fn homes_outside_of_homes_are_not_made_at_sign_in() {
    let root = tempfile::tempdir().unwrap();
    let mut server = TestServer::new(&[("storage", &format!("roots = [{:?}]", root.path()))]);
    let home = root.path().join("alice");
    server.add_user("alice", &["--home", home.to_str().unwrap()]);
    // A new root was taken with its first home.
    assert_eq!(names(root.path()), [".homeport-store", "alice"]);
    std::fs::remove_dir(&home).unwrap();
    server.serve();
    assert!(!server.sftp("alice", "ls\n").status.success());
    assert!(!home.exists());
    server.wait_for_log("makes homes beneath [storage] homes only");
}

#[test]
fn adopting_says_what_it_does() {
    let root = tempfile::tempdir().unwrap();
    let server = TestServer::new(&[("storage", &format!("roots = [{:?}]", root.path()))]);
    let check = server.admin(&["check"], "");
    let told = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(
        told.contains(&format!("homeportd storage adopt {}", root.path().display())),
        "{told}"
    );
    let text = server.admin_ok(&["storage", "adopt"], "");
    assert!(
        text.contains("unchanged: ") && text.contains("adopted "),
        "{text}"
    );
    let text = server.admin_ok(&["storage", "adopt"], "");
    assert!(!text.contains("adopted "), "{text}");
    let told = String::from_utf8_lossy(&server.admin(&["check"], "").stdout).into_owned();
    assert!(!told.contains("storage adopt"), "{told}");
    let stranger = server.admin(&["storage", "adopt", "/tmp"], "");
    assert!(!stranger.status.success());
    assert!(
        errors(&stranger).contains("neither [storage] homes nor one of its roots"),
        "{}",
        errors(&stranger)
    );
}
