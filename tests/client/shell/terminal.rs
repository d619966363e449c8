//! The shell in a real terminal, and as a script. For Ctrl-C, a test runs itself in the terminal with commands that
//! wait until they are stopped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use async_trait::async_trait;
use homeport::commands::{self, CommandRunner, Session};
use homeport::shell;
use tokio::runtime::Runtime;

use crate::client::shell::{USER, server_with, signed_in};
use crate::client::terminal::{CTRL_C, KillOnDrop, Terminal};
use testkit::server::TestServer;
use testkit::wait_for;

/// The environment variable with the server's port, for the test that runs inside the terminal.
const INSIDE: &str = "HOMEPORT_TEST_SHELL";

/// Returns the name of the test that runs itself in a terminal.
fn this_test() -> String {
    testkit::test_name(
        module_path!(),
        "the_first_ctrl_c_stops_the_command_and_the_second_one_the_program",
    )
}

/// Prints each command. `df` then waits until it is stopped; `sum` does not stop.
struct RecordingRunner;

#[async_trait]
impl CommandRunner for RecordingRunner {
    async fn run(&self, session: &Arc<Session>, command: commands::Command) -> u8 {
        println!("[{command:?}]");
        match command {
            commands::Command::Df(_) => {
                session.stop().cancelled().await;
                println!("[stopped]");
                4
            }
            commands::Command::Sum(_) => std::future::pending().await,
            _ => 0,
        }
    }
}

/// Runs the shell inside the terminal.
fn inside(port: &str) {
    let runtime = Runtime::new().unwrap();
    let home = std::env::home_dir().unwrap();
    let session = runtime.block_on(signed_in(port.parse().unwrap(), &home));
    let code = shell::run(session, Arc::new(RecordingRunner), runtime.handle().clone());
    println!("[left {code}]");
}

/// Returns the client's command line with these words.
pub fn homeport(words: &str) -> String {
    format!("'{}' -F none --accept-new {words}", testkit::programs::homeport())
}

/// Starts a command in a terminal, with this directory as the user's home.
pub fn open_terminal(server: &TestServer, home: &Path, command: &str) -> Terminal {
    Terminal::start(command, |script| {
        script
            .env(INSIDE, server.port().to_string())
            .env("HOME", home)
            .env("XDG_STATE_HOME", home.join("state"))
            .current_dir(home);
    })
}

/// Starts the client's shell in a terminal.
pub fn open_shell(server: &TestServer, home: &Path) -> Terminal {
    let (key, port) = (server.key(USER), server.port());
    let command = homeport(&format!("-i '{}' sftp://{USER}@127.0.0.1:{port}", key.display()));
    open_terminal(server, home, &command)
}

/// Starts this test again in a terminal, where it runs the shell with [`RecordingRunner`].
fn open_test(server: &TestServer, home: &Path) -> Terminal {
    let test = std::env::current_exe().unwrap();
    let command = format!("'{}' --exact {} --nocapture", test.display(), this_test());
    open_terminal(server, home, &command)
}

/// The bytes that a terminal sends for the arrow up.
const UP: &str = "\x1b[A";
/// The byte that a terminal sends for Ctrl-D.
const CTRL_D: &str = "\x04";

#[test]
fn the_shell_works_in_a_terminal() {
    let server = server_with(&[
        "my file.txt",
        "docs/a.txt",
        "docs/deep/",
        "docs/dull",
        "evil/\x1b]0;pwned\x07",
        "evil/even",
    ]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("local [1].txt"), "local").unwrap();
    std::fs::create_dir(home.path().join("land")).unwrap();
    let mut terminal = open_shell(&server, home.path());
    // Names of both sides are completed, and the directories change.
    terminal.at_prompt("/", "get my\t\r", "\n");
    terminal.at_prompt("/", "upl\tlo\t\r", "\n");
    terminal.at_prompt("/", "cd do\t\r", "\n");
    terminal.at_prompt("/docs", "rm d\t\t", "deep/");
    terminal.wait_for_output("dull");
    terminal.wait_for_output("@127.0.0.1:/docs> rm d");
    terminal.type_keys(CTRL_C);
    terminal.at_prompt("/docs", "get 'a\t\r", "\n");
    terminal.at_prompt("/docs", "cd -\r", "/\r\n");
    terminal.at_prompt("/", "sum evil/\t\r", "evil/even\r\n");
    terminal.at_prompt("/", "ls -l do\t\r", "dull");
    terminal.at_prompt("/", "lcd la\t\r", "\n");
    terminal.at_prompt("/", "lpwd\r", "/land\r\n");
    // The history has lines that were run, and not those that were discarded.
    terminal.at_prompt("/", "xyzzy", "xyzzy");
    terminal.type_keys(CTRL_C);
    terminal.at_prompt("/", &format!("{UP}\r"), "/land\r\n");
    terminal.at_prompt("/", " mkdir unseen\r", "\n");
    terminal.at_prompt("/", "uplod x\r", "did you mean \"upload\"?");
    terminal.at_prompt("/", "history\r", "  lpwd\r\n");
    terminal.wait_for_output("uplod x\r\n");
    terminal.at_prompt("/", CTRL_D, "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let seen = terminal.output();
    assert!(!seen.contains("]0;pwned"), "{seen:?}");
    assert!(!seen.contains("no command \"xyzzy"), "{seen:?}");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&home.path().join("my file.txt")), "my file.txt");
    assert_eq!(read(&home.path().join("a.txt")), "docs/a.txt");
    assert_eq!(read(&server.home(USER).join("local [1].txt")), "local");
    assert!(server.home(USER).join("unseen").is_dir());
    // The next shell has the same history.
    let history = home.path().join("state/homeport/history");
    let text = read(&history);
    assert!(text.contains("uplod x\n") && !text.contains("unseen"), "{text}");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&history), mode(history.parent().unwrap())), (0o600, 0o700));
    let mut terminal = open_shell(&server, home.path());
    terminal.at_prompt("/", &format!("{UP}{UP}\r"), "did you mean \"upload\"?");
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn the_first_ctrl_c_stops_the_command_and_the_second_one_the_program() {
    if let Ok(port) = std::env::var(INSIDE) {
        return inside(&port);
    }
    let server = server_with(&[]);
    let home = tempfile::tempdir().unwrap();
    let mut terminal = open_test(&server, home.path());
    // The command is stopped, and the shell continues.
    terminal.at_prompt("/", "df\r", "[Df(");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_output("stopping…");
    terminal.wait_for_output("[stopped]");
    terminal.at_prompt("/", "exit\r", "[left 0]");
    // A second Ctrl-C ends a program whose command does not stop.
    let mut terminal = open_test(&server, home.path());
    terminal.at_prompt("/", "sum x\r", "[Sum(");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_output("stopping…");
    terminal.type_keys(CTRL_C);
    assert_eq!(terminal.exit_code(), Some(130));
}

/// Starts the shell without a terminal, with these lines on its standard input.
fn script(server: &TestServer, home: &Path, lines: &str) -> Child {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &this_test(), "--nocapture"])
        .env(INSIDE, server.port().to_string())
        .env("HOME", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = test.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    test
}

#[test]
fn without_a_terminal_standard_input_is_a_script() {
    let server = server_with(&["docs/a.txt"]);
    let home = tempfile::tempdir().unwrap();
    let lines = "# a script\n-cd nowhere\ncd docs\npwd\nlpwd x\nls\n";
    let output = script(&server, home.path(), lines).wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("/docs\n[left 2]"), "{said}");
    // Nothing is echoed, and the failed line is the last one.
    assert!(!said.contains("homeport:") && !said.contains("[Ls"), "{said}");
    let errors = String::from_utf8(output.stderr).unwrap();
    for sentence in [
        "cannot go to \"nowhere\": no such file or directory\n",
        "lpwd: unexpected argument 'x' found (hint: help lpwd)\n",
    ] {
        assert!(errors.contains(sentence), "{sentence}: {errors}");
    }
}

#[test]
fn ctrl_c_ends_a_script_even_where_a_command_may_fail() {
    let server = server_with(&[]);
    let home = tempfile::tempdir().unwrap();
    let mut test = KillOnDrop(script(&server, home.path(), "-df\nls\n"));
    let mut said = String::new();
    let mut output = BufReader::new(test.0.stdout.take().unwrap());
    while !said.contains("[Df") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let pid = rustix::process::Pid::from_child(&test.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    wait_for("the end of the script", || test.0.try_wait().unwrap().is_some());
    output.read_to_string(&mut said).unwrap();
    assert!(said.contains("[stopped]\n[left 130]"), "{said}");
    assert!(!said.contains("[Ls"), "{said}");
}
