//! A wrong `[store] path` is an error and leaves nothing behind; only some commands create a store.

use std::process::Command;

use super::*;
use testkit::programs::homeportd;

/// Returns a directory with a configuration and without a store.
fn bare(store: &str) -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("homeport-test-")
        .tempdir()
        .unwrap();
    let text = format!(
        "[server]\nlisten = [\"127.0.0.1:0\"]\n[store]\npath = {store:?}\n[storage]\nhomes = \"homes\"\n"
    );
    std::fs::write(dir.path().join("homeportd.toml"), text).unwrap();
    dir
}

fn run(dir: &tempfile::TempDir, args: &[&str]) -> Output {
    Command::new(homeportd())
        .arg("-c")
        .arg(dir.path().join("homeportd.toml"))
        .args(args)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn only_some_commands_create_a_store() {
    let readers: &[&[&str]] = &[
        &["serve"],
        &["check"],
        &["user", "list"],
        &["user", "show", "alice"],
        &["user", "set", "alice", "--quota", "1MiB"],
        &["user", "disable", "alice"],
        &["user", "remove", "alice"],
        &["user", "key", "list", "alice"],
        &["quota", "show"],
        &["quota", "scan"],
        &["sessions", "list"],
        &["hostkey", "generate"],
        &["storage", "adopt"],
    ];
    for store in ["typo/homeport.db", "deep/er/homeport.db", "there/homeprot.db"] {
        let dir = bare(store);
        std::fs::create_dir(dir.path().join("there")).unwrap();
        std::fs::write(dir.path().join("there/homeport.db"), "somebody's").unwrap();
        for args in readers {
            let output = run(&dir, args);
            let message = errors(&output) + &String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(1), "{store} {args:?}: {message}");
            if args[0] != "sessions" {
                assert!(message.contains("[store] path"), "{store} {args:?}: {message}");
            }
            assert_eq!(names(dir.path()), ["homeportd.toml", "there"], "{store} {args:?}");
            assert_eq!(
                names(&dir.path().join("there")),
                ["homeport.db"],
                "{store} {args:?}"
            );
        }
    }
}

#[test]
fn the_first_user_creates_the_store_only_where_it_can_be_a_new_one() {
    let add = ["user", "add", "alice", "--password-stdin"];
    let add = |dir: &tempfile::TempDir| {
        let mut child = Command::new(homeportd())
            .arg("-c")
            .arg(dir.path().join("homeportd.toml"))
            .args(add)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"a good long secret\n");
        child.wait_with_output().unwrap()
    };
    let dir = bare("data/homeport.db");
    let output = add(&dir);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(names(&dir.path().join("homes")), [".homeport-store", "alice"]);
    assert_eq!(run(&dir, &["user", "list"]).status.code(), Some(0));

    // Beside another store, or beside files that do not belong to a server.
    let dir = bare("data/homeprot.db");
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/homeport.db"), "somebody's").unwrap();
    let output = add(&dir);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        errors(&output).contains("other things, such as \"homeport.db\""),
        "{}",
        errors(&output)
    );
    assert_eq!(names(&dir.path().join("data")), ["homeport.db"]);
    assert!(!dir.path().join("homes").exists());
}

#[test]
fn init_creates_what_serve_needs() {
    let mut server = TestServer::new(&[]);
    assert_eq!(names(&server.path().join("data/homes")), [".homeport-store"]);
    server.serve();
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));

    // If a store was lost, init does not create a new one.
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/old.db"), "").unwrap();
    let output = Command::new(homeportd())
        .arg("init")
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(names(dir.path()), ["data"]);
}

#[test]
fn the_first_user_creates_no_store_beside_the_homes_of_another_one() {
    let server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    let text = std::fs::read_to_string(server.config()).unwrap();
    let wrong = text.replace("data/homeport.db", "dta/homeport.db");
    std::fs::write(server.config(), &wrong).unwrap();
    let add = ["user", "add", "bob", "--password-stdin"];
    let output = server.admin(&add, "a good long secret\n");
    assert_eq!(output.status.code(), Some(1));
    let message = errors(&output);
    assert!(
        message.contains("are those of another store")
            && message.contains("is [store] path in the configuration right?"),
        "{message}"
    );
    assert!(!server.path().join("dta").exists() && !server.home("bob").exists());

    // The command from the hint removes the marker deliberately.
    let marker = server.path().join("data/homes/.homeport-store");
    assert!(message.contains(&format!("rm {}", marker.display())), "{message}");
    std::fs::remove_file(marker).unwrap();
    server.admin_ok(&add, "a good long secret\n");
    assert!(server.home("bob").exists());
}
