//! The sandbox of the running server, and that all functions work in it.

use std::fs;
use std::process::Command;

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
    assert!(of_all_threads(&server, "Seccomp").iter().all(|mode| mode == "0"));
    assert!(can_be_inspected(&server));
    server.sftp_ok("alice", "ls");
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
