//! What the server's user may not use is named, with a command that helps: the test runs the commands that `check`
//! proposes until it has nothing more to say.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::preflight::{Said, sandbox};
use testkit::programs::homeportd;
use testkit::server::TestServer;
use testkit::{WITHOUT_POWERS, is_root};

/// Runs a command as the server's user does: permissions hold for root, too.
fn admin(server: &TestServer, args: &[&str]) -> Said {
    let mut words = Vec::new();
    if is_root() {
        words.push("setpriv");
        words.extend(WITHOUT_POWERS);
    }
    words.extend([homeportd(), "-c"]);
    let output = Command::new(words[0])
        .args(&words[1..])
        .arg(server.config())
        .args(args)
        .output()
        .unwrap();
    output.into()
}

/// The commands that hints propose.
fn proposed(text: &str) -> Vec<String> {
    let hints = text.split("(hint: ").skip(1);
    let commands = hints.map(|hint| hint.split([')', ',']).next().unwrap().to_owned());
    commands.filter(|command| command.starts_with("chmod ")).collect()
}

#[test]
fn a_mode_that_is_too_narrow_is_named_with_the_command_that_widens_it() {
    for (path, mode) in [
        ("data/homeport.db", 0o400),
        ("data/homeport.db", 0o000),
        ("data/homeport.db", 0o660),
        ("data", 0o500),
        ("data", 0o000),
        ("data/lock", 0o000),
        ("data/lock", 0o400),
        ("hostkeys/ssh_host_ed25519_key", 0o000),
        ("hostkeys", 0o000),
        ("data/homes/alice", 0o300),
        ("data/homes/alice", 0o000),
        ("data/homes", 0o000),
    ] {
        let server = sandbox();
        let name = server.path().join(path);
        fs::set_permissions(&name, fs::Permissions::from_mode(mode)).unwrap();
        let mut said = admin(&server, &["check"]);
        assert!(!said.content, "{path} {mode:o}: {}", said.text);
        for _ in 0..4 {
            for command in proposed(&said.text) {
                let run = Command::new("sh").args(["-c", &command]).status().unwrap();
                assert!(run.success(), "{path} {mode:o}: {command}");
            }
            said = admin(&server, &["check"]);
            if said.content {
                break;
            }
        }
        assert!(said.content, "{path} {mode:o}: {}", said.text);
    }
}

/// A user can do that (`chmod 555 .`), and must not make the server's check fail.
#[test]
fn a_home_that_its_user_has_closed_to_writes_is_a_warning() {
    let server = sandbox();
    fs::set_permissions(server.home("alice"), fs::Permissions::from_mode(0o555)).unwrap();
    let said = admin(&server, &["check"]);
    assert!(said.content, "{}", said.text);
    let warning = "warning: user alice: nothing can be made in the home";
    assert!(said.text.contains(warning), "{}", said.text);
}

#[test]
fn a_store_that_cannot_be_written_is_told_by_every_command_that_writes() {
    let server = sandbox();
    let store = server.path().join("data/homeport.db");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o400)).unwrap();
    for args in [
        &["user", "disable", "alice"][..],
        &["user", "remove", "alice"],
        &["user", "set", "alice", "--quota", "1MiB"],
    ] {
        let said = admin(&server, args);
        assert!(!said.content, "{args:?}: {}", said.text);
        let cause = format!("may not read and write {store:?}: permission denied (hint: chmod u+rw ");
        assert!(said.text.contains(&cause), "{args:?}: {}", said.text);
    }
    assert!(admin(&server, &["user", "list"]).text.contains("alice"));
}
