//! The version of what the commands print as JSON.

use std::fs;

use clap::CommandFactory as _;
use homeportd::cli::grammar::Cli;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::admin::backup::{errors, restore};
use testkit::server::TestServer;
use testkit::wait_for;

/// The commands that have `--json`, in an order in which each has something to show. `@` is the server's directory.
const COMMANDS: &[&str] = &[
    "sessions list",
    "top",
    "sessions kick --user alice",
    "reload",
    "hooks list",
    "hooks retry --all",
    "hooks drop --all",
    "group add staff",
    "group set staff --quota 1GiB",
    "group show staff",
    "group list",
    "folder add team @/data/homes/team",
    "folder set team --quota 1GiB",
    "folder show team",
    "folder list",
    "user add tom --generate --group staff",
    "user set tom --max-sessions 3",
    "user set tom --folder team=all",
    "user passwd tom --generate",
    "user disable tom",
    "user enable tom",
    "user rename tom tim",
    "user totp enroll tim",
    "user totp reset tim",
    "user show tim",
    "user list",
    "user key add tim @/key-alice.pub",
    "user key list tim",
    "user key remove tim SHA256:0sPkeGKG1fLxNhXs7lJGz6mKk0JtQhOyGZVRNxeiFwg",
    "quota show",
    "quota show tim",
    "quota show --folder team",
    "quota scan",
    "quota scan tim",
    "storage adopt",
    "init",
    "init @/another",
    "user remove tim",
    "folder remove team",
    "group remove staff",
    "user apply @/users.toml",
    "user import --from atmoz @/users.conf",
    "hostkey list",
    "hostkey generate",
    "hostkey rotate",
    "hostkey retire",
    "hostkey remove",
    "backup @/backup",
];

/// The commands that have `--json` and are tried in another way.
const OTHERS: &[&str] = &["audit", "restore", "check"];

/// The commands that have no `--json`, each with the reason.
const WITHOUT_JSON: &[(&str, &str)] = &[
    (
        "demo",
        "it runs a server, and what it prints is for the person who tries it",
    ),
    ("serve", "it runs a server, whose log says what it does"),
    ("user export", "it prints a file of users, which is TOML"),
    ("completions", "it prints a script for the shell"),
    ("man", "it prints nothing"),
];

/// What every object has. One that has it twice cannot be read.
#[derive(Deserialize)]
struct Versioned {
    v: u8,
}

/// The objects that a command prints, each as it is printed.
fn objects(printed: &str) -> Vec<&str> {
    match printed.starts_with('[') {
        true => {
            let elements: Vec<&RawValue> = serde_json::from_str(printed).unwrap();
            elements.into_iter().map(RawValue::get).collect()
        }
        false => vec![printed],
    }
}

fn check(line: &str, printed: &str) {
    let objects = objects(printed);
    assert!(!objects.is_empty(), "{line} shows nothing");
    for object in objects {
        let read: Versioned =
            serde_json::from_str(object).unwrap_or_else(|error| panic!("{line}: {error}: {object}"));
        let begins = object.trim_start_matches('{').trim_start();
        assert!(read.v == 1 && begins.starts_with("\"v\": 1,"), "{line}: {object}");
    }
}

#[test]
fn each_object_that_a_command_prints_begins_with_the_version() {
    let hook = "on = [\"uploaded\"]\ncommand = [\"/bin/false\"]\nretries = 0";
    let server = TestServer::start_with(&[("[hooks]", hook)], &["alice"]);
    let here = server.path().to_str().unwrap();
    fs::write(server.path().join("users.toml"), "[groups.g]\n").unwrap();
    fs::write(server.path().join("users.conf"), "eve:tower-of-strength-9:1001\n").unwrap();
    server.sftp_ok("alice", &format!("put {here}/users.conf f\n"));
    wait_for("an event to be set aside", || {
        server.admin_ok(&["hooks", "list"], "").contains("set_aside")
    });
    let _session = server.raw("alice");
    for line in COMMANDS {
        let line = line.replace('@', here);
        let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();
        check(&line, &server.admin_ok(&words, ""));
    }
    // Whatever is wrong with this machine, it is said in the same form.
    let checked = server.admin(&["check", "--json"], "");
    check("check", std::str::from_utf8(&checked.stdout).unwrap());
    let audit = server.admin_ok(&["audit", "--json"], "");
    assert!(!audit.is_empty());
    for line in audit.lines() {
        let read: Versioned = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(read.v, 2, "{line}");
    }
    let config = server.path().join("new/homeportd.toml");
    let restored = restore(&config, &server.path().join("backup"), &["--json"]);
    assert!(restored.status.success(), "{}", errors(&restored));
    check("restore", std::str::from_utf8(&restored.stdout).unwrap());
}

/// The names of the commands at and below this one that have `--json`, or of those that do not have it.
fn commands(verb: &clap::Command, name: &str, with_json: bool) -> Vec<String> {
    if !verb.has_subcommands() {
        let has_json = verb
            .get_arguments()
            .any(|argument| argument.get_long() == Some("json"));
        return (has_json == with_json)
            .then(|| name.to_owned())
            .into_iter()
            .collect();
    }
    let below = verb.get_subcommands().flat_map(|below| {
        let name = format!("{name} {}", below.get_name());
        commands(below, name.trim_start(), with_json)
    });
    below.collect()
}

#[test]
fn a_command_without_json_has_a_reason() {
    let found = commands(&Cli::command(), "", false);
    for name in &found {
        assert!(
            WITHOUT_JSON.iter().any(|(known, _)| known == name),
            "{name} has no --json: add it, or say why"
        );
    }
    for (name, _) in WITHOUT_JSON {
        assert!(found.iter().any(|found| found == name), "{name} has --json");
    }
}

#[test]
fn no_command_that_prints_json_is_forgotten() {
    let found = commands(&Cli::command(), "", true);
    assert!(found.len() > 30, "{found:?}");
    let tried: Vec<&str> = COMMANDS.iter().chain(OTHERS).copied().collect();
    for name in found {
        let words = format!("{name} ");
        let is_tried = tried.iter().any(|line| *line == name || line.starts_with(&words));
        assert!(
            is_tried,
            "{name} --json is not tried; does each object that it prints have its version?"
        );
    }
}
