//! The sandbox of the running server, and that all functions work in it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::admin::preflight::edit;
use crate::clients::local_file;
use testkit::programs::homeportd;
use testkit::server::{TestServer, password};
use testkit::stock::By;
use testkit::{WITHOUT_CAPABILITIES, is_root, is_root_or_skip, wait_for};

/// Returns a field of `/proc/PID/task/TID/status` for every thread of the server.
fn of_all_threads(server: &TestServer, field: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
    threads
        .filter_map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).ok())
        .map(|status| {
            let mut lines = status.lines();
            let found = lines.find_map(|line| line.strip_prefix(field));
            found
                .unwrap_or_default()
                .trim_start_matches(':')
                .trim()
                .to_owned()
        })
        .collect()
}

/// Whether another process of the same user may inspect the server.
fn can_be_inspected(server: &TestServer) -> bool {
    let environment = format!("/proc/{}/environ", server.pid());
    let mut words: Vec<&str> = vec!["cat", &environment];
    if is_root() {
        words.splice(0..0, ["setpriv"].into_iter().chain(WITHOUT_CAPABILITIES));
    }
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    output.status.success()
}

#[test]
fn every_thread_is_in_the_sandbox_and_everything_works() {
    let mut server = TestServer::start(&["alice"]);
    server.wait_for_log("the sandbox is in force");
    server.wait_for_log("the server reaches no other files than the system's and ");
    local_file(&server, "up", 3_000_000);
    let output = server.sftp_ok(
        "alice",
        "put up\nchmod 600 up\nrename up f\nget f down\nmkdir d\nls -l\ndf",
    );
    assert!(output.contains("f"), "{output}");
    let mut scp = server.client("scp", "alice", By::Key);
    scp.args(["-O", "up", "alice@127.0.0.1:by-scp"]);
    assert!(scp.current_dir(server.path()).status().unwrap().success());
    for command in ["md5sum f by-scp", "sha256sum f", "df -h", "pwd"] {
        let mut ssh = server.client("ssh", "alice", By::Key);
        assert!(
            ssh.args(["alice@127.0.0.1", command])
                .output()
                .unwrap()
                .status
                .success(),
            "{command}"
        );
    }
    // This runs Argon2 on its threads, and changes the store.
    assert!(
        server
            .sign_in("alice", By::Password("password"), &password("alice"))
            .status
            .success()
    );
    server.admin_ok(&["user", "set", "alice", "--quota", "10MiB"], "");
    server.admin_ok(&["quota", "scan", "alice"], "");
    server.signal("HUP");
    server.wait_for_log("the configuration was read again");
    server.sftp_ok("alice", "get f again");

    // Threads that have started since then are in the sandbox as well.
    let filtered = of_all_threads(&server, "Seccomp");
    assert!(
        filtered.len() > 4 && filtered.iter().all(|mode| mode == "2"),
        "{filtered:?}"
    );
    assert!(of_all_threads(&server, "NoNewPrivs").iter().all(|set| set == "1"));
    let limits = fs::read_to_string(format!("/proc/{}/limits", server.pid())).unwrap();
    let cores = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(
        cores.split_whitespace().skip(4).take(2).collect::<Vec<_>>(),
        ["0", "0"]
    );
    assert!(!can_be_inspected(&server));
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn the_sandbox_can_be_disabled() {
    let server = TestServer::start_with(&[("server", "sandbox = false")], &["alice"]);
    server.wait_for_log("the sandbox is off");
    assert!(
        !server.log().contains("reaches no other files"),
        "{}",
        server.log()
    );
    assert!(of_all_threads(&server, "Seccomp").iter().all(|mode| mode == "0"));
    assert!(can_be_inspected(&server));
    server.sftp_ok("alice", "ls");
}

/// A log that was rotated and a configuration that an editor has replaced are other files in the same directories.
#[test]
fn rotated_logs_and_replaced_configurations_are_within_reach() {
    let mut server = TestServer::new(&[]);
    // The directory of the configuration is only read.
    let logs = server.path().join("logs");
    fs::create_dir(&logs).unwrap();
    edit(&server, "audit.log", "logs/audit.log");
    server.add_user("alice", &[]);
    server.serve();
    server.wait_for_log("the server reaches no other files than");
    let log = logs.join("audit.log");
    let logged = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    for round in ["one", "two"] {
        server.sftp_ok("alice", &format!("mkdir {round}\n"));
        wait_for("the event", || {
            logged(&log).contains(&format!("\"path\":\"/{round}\""))
        });
        let rotated = logs.join(format!("audit.log.{round}"));
        fs::rename(&log, &rotated).unwrap();
        let new = server.path().join("homeportd.toml.new");
        let text = logged(&server.config());
        fs::write(&new, text.replace("[log]", &format!("# {round}\n[log]"))).unwrap();
        fs::rename(&new, server.config()).unwrap();
        server.admin_ok(&["reload"], "");
        wait_for("the new log", || log.exists());
    }
    // The log is written in the background.
    wait_for("both reloads", || {
        server.log().matches("the configuration was read again").count() == 2
    });
}

#[test]
fn what_was_not_named_or_there_at_the_start_is_out_of_reach_until_a_restart() {
    const OUTSIDE: &str =
        "lies outside of the server's sandbox, which is closed at the start: restart the server";
    let elsewhere = tempfile::tempdir().unwrap();
    let root = elsewhere.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut server = TestServer::new(&[("storage", &format!("roots = [{root:?}]"))]);
    server.add_user("alice", &[]);
    server.add_user("carol", &["--home", root.join("carol").to_str().unwrap()]);
    server.serve();
    let has_landlock = server.log().contains("reaches no other files");
    if !has_landlock {
        testkit::skipped("Landlock", "this kernel does not have it");
        return;
    }
    local_file(&server, "up", 1000);
    server.sftp_ok("carol", "put up f\n");

    // A reload names another log, then other host keys, and then the secret of a hook.
    let before = fs::read_to_string(server.config()).unwrap();
    let keys = elsewhere.path().join("keys");
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").args([from, to]).status();
        assert!(copied.unwrap().success());
    };
    copy(&server.path().join("hostkeys"), &keys);
    let log = elsewhere.path().join("audit.log");
    let secret = elsewhere.path().join("hook.secret");
    fs::write(&secret, "0123456789abcdef").unwrap();
    fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let hook = format!(
        "[[hooks]]\non = [\"removed\"]\nurl = \"https://example.org/\"\nsecret_file = {secret:?}\n[log]"
    );
    for (from, to) in [
        ("audit = \"audit.log\"", format!("audit = {log:?}")),
        ("[server]", format!("[server]\nhost_keys = {keys:?}")),
        ("[log]", hook),
    ] {
        fs::write(server.config(), before.replace(from, &to)).unwrap();
        let refused = server.admin(&["reload"], "");
        let message = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(
            !refused.status.success() && message.contains(OUTSIDE),
            "{to}: {message}"
        );
        // A start has other rights, and so does a check.
        let checked = server.admin(&["check"], "");
        assert!(
            checked.status.success(),
            "{to}: {}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }
    assert!(!log.exists());
    fs::write(server.config(), &before).unwrap();
    server.admin_ok(&["reload"], "");
    server.sftp_ok("carol", "get f\n");

    // Another directory in its place, as if a disk was mounted there.
    fs::rename(&root, elsewhere.path().join("old")).unwrap();
    copy(&elsewhere.path().join("old"), &root);
    let refused = server.sftp("carol", "ls\n");
    assert!(!refused.status.success());
    server.wait_for_log(OUTSIDE);
    server.sftp_ok("alice", "put up f\n");
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    server.serve();
    server.sftp_ok("carol", "get f again\n");
}

#[test]
fn root_is_given_up_before_the_sandbox() {
    if !is_root_or_skip("giving up root") {
        return;
    }
    // The user "nobody" owns the files of the server, and must be able to reach them.
    let dir = tempfile::Builder::new()
        .prefix("homeport-test-")
        .tempdir_in("/var/tmp")
        .unwrap();
    let run = |command: &mut Command| assert!(command.status().unwrap().success(), "{command:?}");
    run(Command::new("chmod").arg("755").arg(dir.path()));
    let homeport = |args: &[&str]| {
        let mut command = Command::new(homeportd());
        command
            .arg("-c")
            .arg(dir.path().join("homeportd.toml"))
            .args(args);
        command
    };
    run(Command::new(homeportd())
        .arg("init")
        .arg(dir.path())
        .args(["--listen", "127.0.0.1:0"]));
    let config = dir.path().join("homeportd.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(
        &config,
        text.replace("[server]\n", "[server]\nuser = \"nobody\"\n"),
    )
    .unwrap();
    for name in ["data", "hostkeys"] {
        let name = dir.path().join(name);
        fs::create_dir_all(&name).unwrap();
        run(Command::new("chown").args(["-R", "nobody"]).arg(name));
    }
    let mut child = homeport(&["serve"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("listening on") {
        assert!(
            std::io::BufRead::read_line(&mut log, &mut text).unwrap() > 0,
            "{text}"
        );
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let owner =
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(format!("/proc/{}/environ", child.id())).unwrap());
    run(Command::new("kill").arg(child.id().to_string()));
    wait_for("the server to end", || child.try_wait().unwrap().is_some());
    assert!(text.contains("the sandbox is in force"), "{text}");
    assert!(
        status.contains("Seccomp:\t2") && !status.contains("Uid:\t0"),
        "{status}"
    );
    // The kernel gives root what belongs to a process that is not dumpable.
    assert_eq!(owner, 0);
}
