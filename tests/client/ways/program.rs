//! The system's ssh as the way to a server: by `--ssh`, and by itself where the configuration needs it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::{Laptop, SFTP, sshd_with_key};
use crate::client::commands::script;
use crate::client::terminal::{KillOnDrop, Terminal};
use testkit::server::{TestServer, password};
use testkit::wait_for;

/// The options with which the system's ssh connects, signs in with this key, and asks nothing.
pub(super) fn by_ssh(key: &str) -> [&str; 7] {
    [
        "--ssh",
        "--batch",
        "--accept-new",
        "--known-hosts",
        "kh",
        "-i",
        key,
    ]
}

#[test]
fn ssh_itself_makes_the_connection() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("");
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(laptop.path("file"), &bytes).unwrap();
    let there = laptop.path("there").display().to_string();
    let url = |path: &str| format!("sftp://{}@127.0.0.1:{}{path}", sshd.user(), sshd.port);
    let run = |words: &[&str]| laptop.run([words, &by_ssh(&key)].concat());
    run(&["put", "file", &url(&there)]).expect_code(0);
    assert_eq!(std::fs::read(&there).unwrap(), bytes);
    std::fs::remove_file(laptop.path("file")).unwrap();
    run(&["get", &url(&there), "file"]).expect_code(0);
    assert_eq!(std::fs::read(laptop.path("file")).unwrap(), bytes);
    // Commands run by the same connection: there is one sign-in for each of the three runs.
    let result = run(&["sum", &url(&there)]).expect_code(0);
    assert!(!result.out.is_empty());
    assert_eq!(
        sshd.log().matches("Accepted publickey").count(),
        3,
        "{}",
        sshd.log()
    );
}

/// Where a server hashes by commands, many small files share one, and the lines are in the order of the names.
#[test]
fn sum_asks_for_many_files_with_few_commands() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("");
    std::fs::create_dir(laptop.path("many")).unwrap();
    for number in 0..150 {
        std::fs::write(laptop.path(&format!("many/{number:03}")), number.to_string()).unwrap();
    }
    std::fs::write(laptop.path("many/large"), vec![1; 5 << 20]).unwrap();
    let (pattern, port) = (laptop.path("many/*"), sshd.port.to_string());
    let word = format!("{}@127.0.0.1:{}", sshd.user(), pattern.display());
    let words = ["sum", &word, "-P", &port, "-i", &key, "--accept-new", "--batch"];
    let result = laptop.run(words).expect_code(0);
    let names: Vec<&str> = result
        .out
        .lines()
        .filter_map(|line| line.rsplit('/').next())
        .collect();
    assert_eq!(names.len(), 151, "{}", result.out);
    assert!(names.is_sorted(), "{names:?}");
    assert!(
        result.out.starts_with("cfcd208495d565ef66e7dff9f98764da  "),
        "{}",
        result.out
    );
    let commands = sshd.log().matches("Starting session: command").count();
    assert!((2..20).contains(&commands), "{commands}: {}", sshd.log());
}

/// Several connections are sessions of one ssh, which signs in once.
#[test]
fn several_connections_share_one_ssh() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("");
    let bytes: Vec<u8> = (0..70_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(laptop.path("file"), &bytes).unwrap();
    let there = laptop.path("there").display().to_string();
    let url = format!("sftp://{}@127.0.0.1:{}{there}", sshd.user(), sshd.port);
    // Slow enough that the others are made before the file is whole.
    let words = ["put", "--parallel", "3", "--limit-rate", "20M", "file", &url];
    let result = laptop
        .run([&words[..], &by_ssh(&key), &["-v"]].concat())
        .expect_code(0);
    assert!(std::fs::read(&there).unwrap() == bytes);
    let log = sshd.log();
    assert_eq!(log.matches("Accepted publickey").count(), 1, "{log}");
    assert_eq!(
        result.err.matches("\"ControlMaster=no\"").count(),
        2,
        "{}",
        result.err
    );
}

#[test]
fn why_ssh_does_not_connect_is_said() {
    let (sshd, key) = sshd_with_key("Subsystem sftp internal-sftp\nForceCommand sleep 100");
    let laptop = Laptop::new("");
    let common = ["--known-hosts", "kh", "--batch", "--ssh"];
    let list = |more: &[&str]| laptop.list(&sshd, &[&common[..], more].concat());
    list(&[])
        .expect_code(3)
        .expect_stderr(&["ssh could not connect to \"127.0.0.1\": ", "Permission denied"]);
    list(&["-i", &key, "--connect-timeout", "8"])
        .expect_code(1)
        .expect_stderr(&["ssh has not opened SFTP at \"127.0.0.1\" within 8 seconds"]);
    laptop
        .run(["ls", "sftp://x@127.0.0.1:1/", "--batch", "--ssh", "-F", "none"])
        .expect_code(1)
        .expect_stderr(&["Connection refused"]);
    laptop
        .run(["ls", "sftp://x@127.0.0.1:1/", "--batch", "--ssh=/no/such/ssh"])
        .expect_code(1)
        .expect_stderr(&["cannot run \"/no/such/ssh\""]);
}

/// Writes a program that connects its input and output to `$2` port `$3`. It needs no other one: bash connects by itself.
fn write_relay(laptop: &Laptop) {
    testkit::programs::write_program(
        &laptop.path("relay"),
        "#!/bin/bash\nexec 3<>\"/dev/tcp/$2/$3\"\ncat <&3 &\nexec cat >&3\n",
    );
}

/// ssh takes `~` from the account, and the client from `$HOME`, which is a temporary directory here.
#[test]
fn ssh_reads_the_files_of_the_home_that_the_client_reads() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("Include conf.d/*\nHost there\n HostName 127.0.0.1\n IdentityFile ~/key\n");
    write_relay(&laptop);
    std::fs::copy(&key, laptop.path("key")).unwrap();
    std::fs::create_dir(laptop.path(".ssh/conf.d")).unwrap();
    let relay = format!(" ProxyCommand {} --relay %h %p\n", laptop.path("relay").display());
    let included = laptop.path(".ssh/conf.d/there");
    std::fs::write(
        &included,
        format!("Host there\n Port {}\n User {}\n{relay}", sshd.port, sshd.user()),
    )
    .unwrap();
    std::fs::set_permissions(&included, std::fs::Permissions::from_mode(0o600)).unwrap();
    let list = ["ls", "there:/etc/hostname", "--batch", "-v"];
    laptop
        .run([&list[..], &["--accept-new"]].concat())
        .expect_code(0)
        .expect_stderr(&["because of ProxyCommand", "ssh reads a copy of the configuration"]);
    let known = std::fs::read_to_string(laptop.path(".ssh/known_hosts")).unwrap();
    assert!(!known.is_empty());
    // Without the option, the host is known, and only there.
    laptop.run(list).expect_code(0);
}

#[test]
fn a_proxy_command_needs_no_option() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("");
    let config = laptop.path("config");
    std::fs::write(
        &config,
        format!(
            "Host there\n HostName 127.0.0.1\n Port {}\n User {}\n IdentityFile {key}\n StrictHostKeyChecking accept-new\n\
             UserKnownHostsFile {}\n ProxyCommand {} --relay %h %p\n",
            sshd.port,
            sshd.user(),
            laptop.path("kh").display(),
            laptop.path("relay").display(),
        ),
    )
    .unwrap();
    write_relay(&laptop);
    let config = config.display().to_string();
    laptop
        .run(["ls", "there:/etc/hostname", "-F", &config, "--batch"])
        .expect_code(0);
}

#[test]
fn passwords_for_ssh_are_asked_for_here() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &[]);
    server.serve();
    let laptop = Laptop::new("");
    let command = format!(
        "{} --ssh -F none --known-hosts kh -P {} alice@127.0.0.1",
        testkit::programs::homeport(),
        server.port()
    );
    let mut terminal = Terminal::start(&command, |script| {
        script
            .env("HOME", laptop.home.path())
            .env_remove("SSH_AUTH_SOCK")
            .current_dir(laptop.home.path());
    });
    terminal.wait_for_output("(yes/no/[fingerprint])?");
    terminal.type_keys("yes\n");
    terminal.wait_for_output("assword: ");
    terminal.type_keys("wrong\n");
    terminal.wait_for_output("assword: ");
    terminal.type_keys(&format!("{}\n", password("alice")));
    terminal.wait_for_output("> ");
    terminal.type_keys("pwd\nexit\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let output = terminal.output();
    assert!(
        !output.contains(&password("alice")),
        "a secret is not echoed: {output}"
    );
}

/// A directory for temporary files, in which the program runs that never signs in.
struct EmptyTemporary {
    laptop: Laptop,
    place: PathBuf,
}

impl EmptyTemporary {
    fn new() -> Self {
        let laptop = Laptop::new("");
        // It says nothing, and ends with its input.
        script(&laptop.path("silent"), "exec cat >/dev/null");
        let place = laptop.path("tmp");
        std::fs::create_dir(&place).unwrap();
        Self { laptop, place }
    }

    fn entries(&self) -> usize {
        std::fs::read_dir(&self.place).unwrap().count()
    }

    /// Starts a program that runs this client, and waits until the client has made its temporary directory.
    fn start(&self, through: &[&str]) -> KillOnDrop {
        let words = [
            "ls",
            "sftp://x@127.0.0.1:1/",
            "--batch",
            "--ssh=./silent",
            "-F",
            "none",
        ];
        let client = self.laptop.command(words);
        let mut command = match through {
            [] => self.laptop.command(words),
            [first, rest @ ..] => {
                let mut command = Command::new(first);
                command
                    .args(rest)
                    .arg(client.get_program())
                    .args(client.get_args());
                command
            }
        };
        let command = command
            .env("HOME", self.laptop.home.path())
            .env("TMPDIR", &self.place)
            .current_dir(self.laptop.home.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let client = KillOnDrop(command.spawn().unwrap());
        wait_for("the temporary directory", || self.entries() == 1);
        client
    }
}

fn send(signal: Signal, child: &Child) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn ended(child: &mut Child) -> ExitStatus {
    let mut status = None;
    wait_for("the end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Whether this process was started with SIGHUP ignored, as by nohup. Then its children ignore it, too.
fn ignores_hangup() -> bool {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap();
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & 1 == 1
}

#[test]
fn no_signal_leaves_a_temporary_directory() {
    let temporary = EmptyTemporary::new();
    for signal in [Signal::TERM, Signal::HUP, Signal::QUIT, Signal::INT] {
        if signal == Signal::HUP && ignores_hangup() {
            continue;
        }
        let mut client = temporary.start(&[]);
        send(signal, &client.0);
        assert_eq!(ended(&mut client.0).signal(), Some(signal.as_raw()), "{signal:?}");
        assert_eq!(temporary.entries(), 0, "{signal:?}");
    }
}

/// What nohup does.
#[test]
fn a_hangup_that_is_ignored_stays_ignored() {
    let temporary = EmptyTemporary::new();
    let mut client = temporary.start(&["sh", "-c", r#"trap "" HUP; exec "$0" "$@""#]);
    send(Signal::HUP, &client.0);
    send(Signal::TERM, &client.0);
    let status = ended(&mut client.0);
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
    assert_eq!(temporary.entries(), 0);
}

/// As with `| head`.
#[test]
fn a_closed_pipe_leaves_no_temporary_directory() {
    let (sshd, key) = sshd_with_key(SFTP);
    let temporary = EmptyTemporary::new();
    let url = format!("sftp://{}@127.0.0.1:{}/etc/hostname", sshd.user(), sshd.port);
    let mut command = temporary
        .laptop
        .command([&["ls", &url][..], &by_ssh(&key)].concat());
    let command = command.env("TMPDIR", &temporary.place).stdout(Stdio::piped());
    let mut client = KillOnDrop(command.spawn().unwrap());
    drop(client.0.stdout.take());
    assert_eq!(ended(&mut client.0).code(), Some(141));
    assert_eq!(temporary.entries(), 0);
}
