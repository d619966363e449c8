//! The stock `scp -O` against the server, as users run it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Output;

use crate::proof::{at, noise};
use testkit::server::TestServer;
use testkit::stock::{By, run};

fn scp(server: &TestServer, arguments: &[&[u8]]) -> Output {
    let mut command = server.client("scp", "alice", By::Key);
    command.arg("-O");
    command.args(
        arguments
            .iter()
            .map(|argument| std::ffi::OsStr::from_bytes(argument)),
    );
    run(command, "")
}

fn scp_ok(server: &TestServer, arguments: &[&[u8]]) {
    let output = scp(server, arguments);
    assert!(
        output.status.success(),
        "scp {:?}: {}",
        arguments
            .iter()
            .map(|a| a.escape_ascii().to_string())
            .collect::<Vec<_>>(),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn files_of_any_size_are_copied_both_ways_with_rekeying() {
    let server = TestServer::start(&["alice"]);
    for (name, size) in [("empty", 0), ("one", 1), ("piece", 262_144), ("large", 33 << 20)] {
        fs::write(server.path().join(name), noise(size)).unwrap();
        let remote = format!("alice@127.0.0.1:{name}");
        let back = format!("{name}.back");
        scp_ok(
            &server,
            &[b"-o", b"RekeyLimit=1M", name.as_bytes(), remote.as_bytes()],
        );
        assert!(
            fs::read(server.home("alice").join(name)).unwrap() == noise(size),
            "{name}"
        );
        scp_ok(
            &server,
            &[b"-o", b"RekeyLimit=1M", remote.as_bytes(), back.as_bytes()],
        );
        assert!(
            fs::read(server.path().join(back)).unwrap() == noise(size),
            "{name} back"
        );
    }
    server.wait_for_audit("\"path\":\"/large\",\"bytes_read\":0,\"bytes_written\":34603008");
    server.wait_for_audit("\"path\":\"/large\",\"bytes_read\":34603008,\"bytes_written\":0");
}

#[test]
fn names_of_any_bytes_are_copied_both_ways() {
    let server = TestServer::start(&["alice"]);
    let names: [&[u8]; 8] = [
        b"with space",
        b"caf\xe9",
        "schön".as_bytes(),
        b"f[1]*?",
        b"it's",
        b"semi;colon&",
        b"$HOME",
        b"back\\slash",
    ];
    for name in names {
        fs::write(at(server.path(), name), name).unwrap();
        // The name is escaped as for a remote shell.
        let escaped = name.iter().flat_map(|&b| {
            let plain = b.is_ascii_alphanumeric() || b >= 0x80;
            if plain { vec![b] } else { vec![b'\\', b] }
        });
        let remote = [b"alice@127.0.0.1:".to_vec(), escaped.collect()].concat();
        let shown = name.escape_ascii().to_string();
        scp_ok(&server, &[&[b"./", name].concat(), &remote]);
        assert_eq!(
            fs::read(at(&server.home("alice"), name)).unwrap(),
            name,
            "{shown}"
        );
        scp_ok(&server, &[&remote, b"back"]);
        assert_eq!(fs::read(server.path().join("back")).unwrap(), name, "{shown}");
    }
}

#[test]
fn trees_keep_times_and_modes() {
    let server = TestServer::start(&["alice"]);
    let tree = server.path().join("tree");
    fs::create_dir_all(tree.join("sub dir/deep")).unwrap();
    for (name, mode) in [("a", 0o640), ("sub dir/b", 0o755), ("sub dir/deep/c", 0o444)] {
        let path = tree.join(name);
        fs::write(&path, name).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_234_567_890);
        fs::File::open(&path)
            .unwrap()
            .set_times(fs::FileTimes::new().set_modified(time))
            .unwrap();
    }
    scp_ok(&server, &[b"-r", b"-p", b"tree", b"alice@127.0.0.1:"]);
    scp_ok(&server, &[b"-r", b"-p", b"alice@127.0.0.1:tree", b"back"]);
    for (name, mode) in [("a", 0o640), ("sub dir/b", 0o755), ("sub dir/deep/c", 0o444)] {
        for root in [server.home("alice").join("tree"), server.path().join("back")] {
            let meta = fs::metadata(root.join(name)).unwrap();
            assert_eq!(
                (meta.mode() & 0o777, meta.mtime()),
                (mode, 1_234_567_890),
                "{name}"
            );
            assert_eq!(fs::read(root.join(name)).unwrap(), name.as_bytes());
        }
    }
}

#[test]
fn patterns_are_expanded_by_the_server() {
    let server = TestServer::start(&["alice"]);
    server.raw("alice").finish();
    for name in ["one.txt", "two.txt", "three.dat", ".hidden.txt"] {
        fs::write(server.home("alice").join(name), name).unwrap();
    }
    fs::create_dir(server.path().join("got")).unwrap();
    scp_ok(&server, &[b"alice@127.0.0.1:*.txt", b"got"]);
    let mut got: Vec<_> = fs::read_dir(server.path().join("got"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    got.sort();
    assert_eq!(got, ["one.txt", "two.txt"]);
}

#[test]
fn over_quota_the_user_gets_the_reason_and_the_limit_holds() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "1MiB"]);
    server.serve();
    fs::write(server.path().join("small"), noise(600_000)).unwrap();
    fs::write(server.path().join("big"), noise(3_000_000)).unwrap();
    scp_ok(&server, &[b"small", b"alice@127.0.0.1:kept"]);
    let output = scp(&server, &[b"big", b"small", b"alice@127.0.0.1:"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    assert!(errors.contains("big: quota exceeded: "), "{errors}");
    assert!(
        fs::read(server.home("alice").join("kept")).unwrap() == noise(600_000),
        "what was there stays"
    );
    let used: u64 = fs::read_dir(server.home("alice"))
        .unwrap()
        .map(|entry| entry.unwrap().metadata().unwrap().len())
        .sum();
    assert!(used <= 1 << 20, "{used}");
    server.wait_for_audit("over_quota");
}

#[test]
fn permissions_apply_to_scp() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--read-only"]);
    server.add_user("drop", &["--permissions", "create"]);
    server.serve();
    fs::write(server.path().join("f"), "abc").unwrap();
    let output = scp(&server, &[b"f", b"alice@127.0.0.1:f"]);
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("f: Permission denied"),
        "{output:?}"
    );
    assert!(!server.home("alice").join("f").exists());
    let mut command = server.client("scp", "drop", By::Key);
    command.args(["-O", "f", "drop@127.0.0.1:"]);
    let output = run(command, "");
    assert!(output.status.success(), "{output:?}");
    let mut command = server.client("scp", "drop", By::Key);
    command.args(["-O", "f", "drop@127.0.0.1:f"]);
    let output = run(command, "");
    assert!(
        !output.status.success(),
        "there is one already, and this user may not overwrite"
    );
    let mut command = server.client("scp", "drop", By::Key);
    command.args(["-O", "drop@127.0.0.1:f", "back"]);
    let output = run(command, "");
    assert!(!output.status.success() && !server.path().join("back").exists());
}

#[test]
fn many_copies_share_one_connection() {
    let server = TestServer::start(&["alice"]);
    fs::write(server.path().join("f"), noise(8 << 20)).unwrap();
    // The first command opens the connection that the others share.
    let shared: [&[u8]; 6] = [
        b"-o",
        b"ControlMaster=auto",
        b"-o",
        b"ControlPath=shared-%C",
        b"-o",
        b"ControlPersist=60",
    ];
    scp_ok(
        &server,
        &[&shared[..], &[b"f", b"alice@127.0.0.1:first"]].concat(),
    );
    std::thread::scope(|scope| {
        for number in 0..8 {
            let server = &server;
            scope.spawn(move || {
                let remote = format!("alice@127.0.0.1:f{number}");
                scp_ok(server, &[&shared[..], &[b"f", remote.as_bytes()]].concat());
            });
        }
    });
    let mut end = server.client("ssh", "alice", By::Key);
    end.args(["-o", "ControlPath=shared-%C", "-O", "exit", "alice@127.0.0.1"]);
    run(end, "");
    for number in 0..8 {
        let name = format!("f{number}");
        assert!(
            fs::read(server.home("alice").join(&name)).unwrap() == noise(8 << 20),
            "{name}"
        );
    }
}

/// rclone keeps one connection and opens a channel for each hash: closed channels do not count.
#[test]
fn a_connection_may_have_any_number_of_channels_one_after_the_other() {
    let server = TestServer::start_with(&[("limits", "channels = 3")], &["alice"]);
    let shared = [
        "-o",
        "ControlMaster=auto",
        "-o",
        "ControlPath=shared-%C",
        "-o",
        "ControlPersist=60",
    ];
    for number in 0..20 {
        let mut ssh = server.client("ssh", "alice", By::Key);
        // Without the master, the command must fail instead of opening its own connection.
        if number > 0 {
            ssh.args(["-o", "ProxyCommand=false"]);
        }
        ssh.args(shared).args(["alice@127.0.0.1", "pwd"]);
        let output = run(ssh, "");
        assert!(output.status.success(), "the command number {number}: {output:?}");
        let mut ssh = server.client("ssh", "alice", By::Key);
        ssh.args(shared)
            .args(["-o", "ProxyCommand=false", "-s", "alice@127.0.0.1", "sftp"]);
        let output = run(ssh, "");
        assert!(output.status.success(), "the session number {number}: {output:?}");
    }
    // The last command may end before the server knows that its channel is closed.
    testkit::wait_for("all channels to be closed", || {
        let listed = server.admin_ok(&["sessions", "list", "--json"], "");
        listed.contains("\"channels\":0") || listed.contains("\"channels\": 0")
    });
    let mut end = server.client("ssh", "alice", By::Key);
    end.args(["-o", "ControlPath=shared-%C", "-O", "exit", "alice@127.0.0.1"]);
    run(end, "");
}
