//! A server's directory is moved to another path: users keep their homes and their usage.

use std::process::Command;

use super::*;
use testkit::programs::homeportd;

#[test]
fn a_moved_server_works_as_before() {
    let mut server = TestServer::start(&["alice"]);
    let elsewhere = server.path().join("far");
    std::fs::create_dir(&elsewhere).unwrap();
    server.add_user(
        "bob",
        &[
            "--home",
            server.home("team/bob").to_str().unwrap(),
            "--quota",
            "1MiB",
        ],
    );
    let file = local(&server, "file", &[7; 70_000]);
    for user in ["alice", "bob"] {
        server.sftp_ok(user, &format!("put {} f\n", file.display()));
    }
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));

    let (old, new) = (server.path().to_owned(), elsewhere.join("server"));
    std::fs::create_dir(&new).unwrap();
    for name in ["data", "hostkeys", "homeportd.toml"] {
        std::fs::rename(old.join(name), new.join(name)).unwrap();
    }
    let run = |args: &[&str]| {
        let output = Command::new(homeportd())
            .arg("-c")
            .arg(new.join("homeportd.toml"))
            .args(args)
            .output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "{args:?}: {}{}",
            errors(&output),
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let checked = run(&["check"]);
    assert!(checked.contains("2 users: 0 errors"), "{checked}");
    for (user, home) in [("alice", "data/homes/alice"), ("bob", "data/homes/team/bob")] {
        let shown: serde_json::Value = serde_json::from_str(&run(&["user", "show", user, "--json"])).unwrap();
        assert_eq!(shown["home"], new.join(home).to_str().unwrap());
        assert_eq!(
            (&shown["used_bytes"], &shown["usage_exact"]),
            (&70_000.into(), &true.into()),
            "{shown}"
        );
    }
    // The directory is moved back, and the data directory alone is moved.
    for name in ["data", "hostkeys", "homeportd.toml"] {
        std::fs::rename(new.join(name), old.join(name)).unwrap();
    }
    std::fs::rename(old.join("data"), old.join("data2")).unwrap();
    let config = std::fs::read_to_string(server.config())
        .unwrap()
        .replace("\"data/", "\"data2/");
    std::fs::write(server.config(), config).unwrap();
    server.serve();
    for user in ["alice", "bob"] {
        server.sftp_ok(user, &format!("get f {user}.back\nput {} g\n", file.display()));
        let back = std::fs::read(server.path().join(format!("{user}.back"))).unwrap();
        assert_eq!(back, [7; 70_000]);
    }
    assert!(old.join("data2/homes/team/bob/g").exists());
}
