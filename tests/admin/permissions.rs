//! Files that the server's user cannot access are named, with a command that helps: the test runs the commands that
//! `check` proposes until it finds nothing more.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use super::preflight::{CommandReport, sandbox};
use testkit::programs::homeportd;
use testkit::server::TestServer;
use testkit::{WITHOUT_CAPABILITIES, is_root};

/// Runs a command as the server's user does, without root's capabilities.
fn admin(server: &TestServer, args: &[&str]) -> CommandReport {
    with_configuration(&server.config(), args)
}

fn with_configuration(config: &Path, args: &[&str]) -> CommandReport {
    let mut words = Vec::new();
    if is_root() {
        words.push("setpriv");
        words.extend(WITHOUT_CAPABILITIES);
    }
    words.extend([homeportd(), "-c"]);
    let output = Command::new(words[0])
        .args(&words[1..])
        .arg(config)
        .args(args)
        .output()
        .unwrap();
    output.into()
}

/// Returns the commands that the hints propose.
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
        assert!(!said.succeeded, "{path} {mode:o}: {}", said.text);
        for _ in 0..4 {
            for command in proposed(&said.text) {
                let run = Command::new("sh").args(["-c", &command]).status().unwrap();
                assert!(run.success(), "{path} {mode:o}: {command}");
            }
            said = admin(&server, &["check"]);
            if said.succeeded {
                break;
            }
        }
        assert!(said.succeeded, "{path} {mode:o}: {}", said.text);
    }
}

/// A user can do that (`chmod 555 .`), and it must not make `check` fail.
#[test]
fn a_home_that_its_user_has_closed_to_writes_is_a_warning() {
    let server = sandbox();
    fs::set_permissions(server.home("alice"), fs::Permissions::from_mode(0o555)).unwrap();
    let said = admin(&server, &["check"]);
    assert!(said.succeeded, "{}", said.text);
    let warning = "warning: user alice: nothing can be made in the home";
    assert!(said.text.contains(warning), "{}", said.text);
}

#[test]
fn every_command_that_writes_reports_a_read_only_store() {
    let server = sandbox();
    let store = server.path().join("data/homeport.db");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o400)).unwrap();
    for args in [
        &["user", "disable", "alice"][..],
        &["user", "remove", "alice"],
        &["user", "set", "alice", "--quota", "1MiB"],
    ] {
        let said = admin(&server, args);
        assert!(!said.succeeded, "{args:?}: {}", said.text);
        let cause = format!("may not read and write {store:?}: permission denied (hint: chmod u+rw ");
        assert!(said.text.contains(&cause), "{args:?}: {}", said.text);
    }
    assert!(admin(&server, &["user", "list"]).text.contains("alice"));
}

#[test]
fn every_command_that_makes_a_directory_says_what_forbids_it() {
    let server = sandbox();
    let path = |name: &str| server.path().join(name).to_str().unwrap().to_owned();
    let (closed, backup) = (path("closed"), path("backup"));
    fs::create_dir(&closed).unwrap();
    server.admin_ok(&["backup", &backup], "");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    let check = |config: &str, args: &[&str]| {
        let said = with_configuration(Path::new(config), args);
        assert!(!said.succeeded, "{args:?}: {}", said.text);
        let (_, why) = said
            .text
            .split_once("permission denied (hint: ")
            .unwrap_or_default();
        assert!(why.contains("u+rwx"), "{args:?}: {}", said.text);
    };
    let config = path("homeportd.toml");
    check(&config, &["init", &path("closed/new")]);
    check(&config, &["demo", "--dir", &path("closed/new")]);
    check(&config, &["backup", &path("closed/copy")]);
    check(&path("closed/new/homeportd.toml"), &["restore", &backup]);
    // Nor is a file a place for a directory.
    fs::write(path("file"), "").unwrap();
    let said = admin(&server, &["init", &path("file/new")]);
    let hint = format!("(hint: {} is not a directory: name another one)", path("file"));
    assert!(!said.succeeded && said.text.contains(&hint), "{}", said.text);
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
}
