//! `[storage] file_mode`, `dir_mode` and `file_group`: what users create, by every way, for programs that read uploads.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;

use super::*;
use testkit::programs::{homeport, homeportd};
use testkit::stock::{By, run};
use testkit::{WITHOUT_CAPABILITIES, is_root};

/// A group that the server may use, and the program that makes it a member.
struct SomeGroup {
    id: u32,
    by: Vec<String>,
}

impl SomeGroup {
    fn new() -> Self {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        if is_root() {
            return Self {
                id: 4242,
                by: words("setpriv --groups 4242"),
            };
        }
        let usual = rustix::process::getegid().as_raw();
        let groups = rustix::process::getgroups().unwrap();
        let other = groups.iter().map(|gid| gid.as_raw()).find(|gid| *gid != usual);
        Self {
            id: other.unwrap_or(usual),
            by: Vec::new(),
        }
    }

    fn settings(&self) -> String {
        format!(
            "file_mode = \"0640\"\ndir_mode = \"2770\"\nfile_group = \"{}\"",
            self.id
        )
    }
}

/// Checks the mode and the group of names in alice's home.
fn check(server: &TestServer, group: &SomeGroup, expected: &[(&str, u32)]) {
    for (name, mode) in expected {
        let meta = server.home("alice").join(name).symlink_metadata().unwrap();
        let found = (meta.mode() & 0o7777, meta.gid());
        assert_eq!(
            (format!("{:o}", found.0), found.1),
            (format!("{mode:o}"), group.id),
            "{name}"
        );
    }
}

#[test]
fn every_way_to_create_something_gives_the_configured_mode_and_group() {
    let group = SomeGroup::new();
    let settings = group.settings();
    let mut server = TestServer::new(&[("storage", &settings)]);
    server.add_user("alice", &[]);
    let by: Vec<&str> = group.by.iter().map(String::as_str).collect();
    server.serve_by(&by);
    let tree = server.path().join("tree");
    fs::create_dir_all(tree.join("sub")).unwrap();
    for (name, mode) in [("open", 0o666), ("closed", 0o600), ("fixed", 0o444)] {
        local(&server, &format!("tree/{name}"), b"content");
        fs::set_permissions(tree.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::set_permissions(tree.join("sub"), fs::Permissions::from_mode(0o700)).unwrap();

    // SFTP: OPEN, MKDIR, SETSTAT, hard links, renames.
    server.sftp_ok(
        "alice",
        "put tree/open open\nput tree/closed closed\nput -p tree/closed kept\nput -p tree/open wide\nput tree/fixed fixed\n\
         mkdir made\nput -r tree up\nput -pr tree kept-tree\nln open second\nrename fixed renamed\nchmod 777 open\n\
         chmod 500 made\nput tree/open old\nchmod 400 old\nput tree/open old2\nrename old2 old3\n",
    );
    check(
        &server,
        &group,
        &[
            ("", 0o2770),
            ("open", 0o640),
            ("second", 0o640),
            ("closed", 0o640),
            ("kept", 0o600),
            ("wide", 0o640),
            ("renamed", 0o640),
            ("made", 0o2770),
            ("up", 0o2770),
            ("up/sub", 0o2770),
            ("up/closed", 0o640),
            ("kept-tree/sub", 0o2770),
            ("kept-tree/fixed", 0o440),
            ("old", 0o400),
        ],
    );

    // scp, with and without -p, and a file that its owner may not write.
    for (options, target) in [("-r", "scp"), ("-rp", "scp-kept")] {
        let mut scp = server.client("scp", "alice", By::Key);
        scp.args(["-O", options, "tree", &format!("alice@127.0.0.1:{target}")]);
        let done = run(scp, "");
        assert!(done.status.success(), "{}", errors(&done));
    }
    check(
        &server,
        &group,
        &[
            ("scp", 0o2770),
            ("scp/sub", 0o2770),
            ("scp/closed", 0o640),
            ("scp/fixed", 0o640),
            ("scp-kept/sub", 0o2770),
            ("scp-kept/closed", 0o600),
            ("scp-kept/fixed", 0o440),
        ],
    );

    // Our client, and a copy on the server.
    let client = |args: &[&str]| {
        let mut command = Command::new(homeport());
        let known_hosts = server.path().join("known_hosts");
        command.args(["-F", "none", "--batch", "--accept-new", "--known-hosts"]);
        command.arg(known_hosts).arg("-i").arg(server.key("alice"));
        command.args(["-P", &server.port().to_string()]).args(args);
        command.current_dir(server.path());
        let done = run(command, "");
        assert!(done.status.success(), "homeport {args:?}: {}", errors(&done));
    };
    client(&["put", "-r", "tree", "alice@127.0.0.1:ours"]);
    client(&["cp", "alice@127.0.0.1:open", "alice@127.0.0.1:copy"]);
    check(
        &server,
        &group,
        &[
            ("ours", 0o2770),
            ("ours/sub", 0o2770),
            ("ours/closed", 0o640),
            ("copy", 0o640),
        ],
    );

    // Users see their own name, not a number of this machine.
    let listing = server.sftp_ok("alice", "ls -l\n");
    assert!(listing.contains("alice    alice"), "{listing}");
}

/// `homeportd` with the rights that a server has.
fn unprivileged(server: &TestServer, args: &[&str]) -> Output {
    let mut words = vec![];
    if is_root() {
        words.push("setpriv");
        words.extend(WITHOUT_CAPABILITIES);
    }
    words.push(homeportd());
    let mut command = Command::new(words[0]);
    command
        .args(&words[1..])
        .arg("-c")
        .arg(server.config())
        .args(args);
    run(command, "")
}

#[test]
fn a_group_that_the_server_is_not_in_is_refused() {
    let server = TestServer::new(&[("storage", "file_group = \"4242424\"")]);
    for command in ["check", "serve"] {
        let refused = unprivileged(&server, &[command]);
        let message = errors(&refused) + &String::from_utf8_lossy(&refused.stdout);
        assert_eq!(refused.status.code(), Some(1), "{command}: {message}");
        assert!(
            message.contains("is not a member of the group \"4242424\""),
            "{command}: {message}"
        );
    }
    let unknown = TestServer::new(&[("storage", "file_group = \"no-such-group\"")]);
    let refused = unprivileged(&unknown, &["check"]);
    let message = errors(&refused) + &String::from_utf8_lossy(&refused.stdout);
    assert!(
        message.contains("there is no group \"no-such-group\" (hint: groupadd"),
        "{message}"
    );
}

#[test]
fn check_says_who_cannot_reach_the_homes_and_who_can_change_files() {
    let group = SomeGroup::new();
    let settings = format!("file_mode = \"0666\"\nfile_group = \"{}\"", group.id);
    let server = TestServer::new(&[("storage", &settings)]);
    let checked = server.admin(&["check"], "");
    let message = errors(&checked) + &String::from_utf8_lossy(&checked.stdout);
    assert!(
        message.contains("cannot reach the homes") && message.contains("outside of the data directory"),
        "{message}"
    );
    assert!(
        message.contains("\"file_mode\" in [storage] is 0666"),
        "{message}"
    );
}
