//! The shell in a real terminal: `script` (bsdutils) makes one. What is to be stopped is a command that waits for it:
//! for that the test runs itself there, with commands of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use homeport::commands::{self, CommandRunner, Session};
use homeport::shell;
use tokio::runtime::Runtime;

use crate::client::shell::{USER, server_with, signed_in};
use testkit::server::TestServer;
use testkit::wait_for;

/// The port of the server, for the test inside.
const INSIDE: &str = "HOMEPORT_TEST_SHELL";

/// The test here that runs in a terminal of its own.
fn itself() -> String {
    testkit::test_name(module_path!(), "ctrl_c_stops_a_command_and_then_the_program")
}

/// Says what it is to do. `df` waits until it is stopped; `sum` does not even stop then.
struct Echo;

#[async_trait]
impl CommandRunner for Echo {
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

/// What happens inside.
fn inside(port: &str) {
    let runtime = Runtime::new().unwrap();
    let home = std::env::home_dir().unwrap();
    let session = runtime.block_on(signed_in(port.parse().unwrap(), &home));
    let code = shell::run(session, Arc::new(Echo), runtime.handle().clone());
    println!("[left {code}]");
}

/// The program as people run it, with these words.
pub fn homeport(words: &str) -> String {
    format!("'{}' -F none --accept-new {words}", testkit::programs::homeport())
}

/// A terminal with the shell in it. Ends with the test.
pub struct Terminal {
    script: Child,
    keys: ChildStdin,
    pub seen: Arc<Mutex<String>>,
    /// How much of it was looked at.
    at: usize,
}

impl Terminal {
    /// The program as people run it.
    pub fn with_homeport(server: &TestServer, person: &Path) -> Self {
        let (key, port) = (server.key(USER), server.port());
        let command = homeport(&format!("-i '{}' sftp://{USER}@127.0.0.1:{port}", key.display()));
        Self::new(server, person, &command)
    }

    /// This test.
    fn with_itself(server: &TestServer, person: &Path) -> Self {
        let test = std::env::current_exe().unwrap();
        let command = format!("'{}' --exact {} --nocapture", test.display(), itself());
        Self::new(server, person, &command)
    }

    pub fn new(server: &TestServer, person: &Path, command: &str) -> Self {
        // Nothing between the terminal and the shell: Ctrl-C would end it.
        let command = format!("exec {command}");
        let mut script = Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env(INSIDE, server.port().to_string())
            .env("HOME", person)
            .env("XDG_STATE_HOME", person.join("state"))
            .env("TERM", "xterm")
            .env("SHELL", "/bin/sh")
            .current_dir(person)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("no script on this machine (hint: apt-get install bsdutils)");
        let keys = script.stdin.take().unwrap();
        let mut output = script.stdout.take().unwrap();
        let seen = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                sink.lock().unwrap().push_str(&text);
            }
        });
        Self {
            script,
            keys,
            seen,
            at: 0,
        }
    }

    /// Waits until this shows behind what was seen before.
    pub fn sees(&mut self, text: &str) {
        let (seen, at) = (Arc::clone(&self.seen), self.at);
        let mut end = 0;
        wait_for(&format!("{text:?}"), || {
            let seen = seen.lock().unwrap();
            end = seen[at..].find(text).map_or(0, |found| at + found + text.len());
            end > 0
        });
        self.at = end;
    }

    pub fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// A line at the prompt of this directory, and what comes of it.
    pub fn says(&mut self, directory: &str, keys: &str, answer: &str) {
        self.sees(&format!("homeport:{directory}> "));
        self.types(keys);
        self.sees(answer);
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        let mut status = None;
        wait_for("the end", || {
            status = self.script.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
        if std::thread::panicking() {
            eprintln!("--- the terminal\n{:?}\n---", self.seen.lock().unwrap());
        }
    }
}

const UP: &str = "\x1b[A";
pub const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

#[test]
fn a_terminal_has_a_shell() {
    let server = server_with(&[
        "my file.txt",
        "docs/a.txt",
        "docs/deep/",
        "docs/dull",
        "evil/\x1b]0;pwned\x07",
        "evil/even",
    ]);
    let person = tempfile::tempdir().unwrap();
    std::fs::write(person.path().join("local [1].txt"), "local").unwrap();
    std::fs::create_dir(person.path().join("land")).unwrap();
    let mut terminal = Terminal::with_homeport(&server, person.path());
    // Names of both sides, and where one goes.
    terminal.says("/", "get my\t\r", "\n");
    terminal.says("/", "upl\tlo\t\r", "\n");
    terminal.says("/", "cd do\t\r", "\n");
    terminal.says("/docs", "rm d\t\t", "deep/");
    terminal.sees("dull");
    terminal.sees("homeport:/docs> rm d");
    terminal.types(CTRL_C);
    terminal.says("/docs", "get 'a\t\r", "\n");
    terminal.says("/docs", "cd -\r", "/\r\n");
    terminal.says("/", "sum evil/\t\r", "evil/even\r\n");
    terminal.says("/", "ls -l do\t\r", "dull");
    terminal.says("/", "lcd la\t\r", "\n");
    terminal.says("/", "lpwd\r", "/land\r\n");
    // What was typed before comes back; what was given up does not.
    terminal.says("/", "xyzzy", "xyzzy");
    terminal.types(CTRL_C);
    terminal.says("/", &format!("{UP}\r"), "/land\r\n");
    terminal.says("/", " mkdir unseen\r", "\n");
    terminal.says("/", "uplod x\r", "did you mean \"upload\"?");
    terminal.says("/", "history\r", "  lpwd\r\n");
    terminal.sees("uplod x\r\n");
    terminal.says("/", CTRL_D, "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let seen = terminal.seen.lock().unwrap().clone();
    assert!(!seen.contains("]0;pwned"), "{seen:?}");
    assert!(!seen.contains("no command \"xyzzy"), "{seen:?}");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    assert_eq!(read(&person.path().join("my file.txt")), "my file.txt");
    assert_eq!(read(&person.path().join("a.txt")), "docs/a.txt");
    assert_eq!(read(&server.home(USER).join("local [1].txt")), "local");
    assert!(server.home(USER).join("unseen").is_dir());
    // Next time it is still known.
    let history = person.path().join("state/homeport/history");
    let text = read(&history);
    assert!(text.contains("uplod x\n") && !text.contains("unseen"), "{text}");
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&history), mode(history.parent().unwrap())), (0o600, 0o700));
    let mut terminal = Terminal::with_homeport(&server, person.path());
    terminal.says("/", &format!("{UP}{UP}\r"), "did you mean \"upload\"?");
    terminal.says("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn ctrl_c_stops_a_command_and_then_the_program() {
    if let Ok(port) = std::env::var(INSIDE) {
        return inside(&port);
    }
    let server = server_with(&[]);
    let person = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::with_itself(&server, person.path());
    // A command is stopped, and the shell goes on.
    terminal.says("/", "df\r", "[Df(");
    terminal.types(CTRL_C);
    terminal.sees("stopping…");
    terminal.sees("[stopped]");
    terminal.says("/", "exit\r", "[left 0]");
    // One that does not stop is ended by the second Ctrl-C.
    let mut terminal = Terminal::with_itself(&server, person.path());
    terminal.says("/", "sum x\r", "[Sum(");
    terminal.types(CTRL_C);
    terminal.sees("stopping…");
    terminal.types(CTRL_C);
    assert_eq!(terminal.exit_code(), Some(130));
}

/// The shell without a terminal; this is its standard input.
fn script(server: &TestServer, person: &Path, lines: &str) -> Child {
    let mut test = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &itself(), "--nocapture"])
        .env(INSIDE, server.port().to_string())
        .env("HOME", person)
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
    let person = tempfile::tempdir().unwrap();
    let lines = "# a script\n-cd nowhere\ncd docs\npwd\nlpwd x\nls\n";
    let output = script(&server, person.path(), lines).wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("/docs\n[left 2]"), "{said}");
    // Nothing is echoed, and nothing goes on.
    assert!(!said.contains("homeport:") && !said.contains("[Ls"), "{said}");
    let errors = String::from_utf8(output.stderr).unwrap();
    for sentence in [
        "cannot go to \"nowhere\": no such file or directory\n",
        "lpwd: unexpected argument 'x' found (hint: help lpwd)\n",
    ] {
        assert!(errors.contains(sentence), "{sentence}: {errors}");
    }
}

/// Ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn ctrl_c_ends_a_script_even_where_a_command_may_fail() {
    let server = server_with(&[]);
    let person = tempfile::tempdir().unwrap();
    let mut test = Ended(script(&server, person.path(), "-df\nls\n"));
    let mut said = String::new();
    let mut output = BufReader::new(test.0.stdout.take().unwrap());
    while !said.contains("[Df") {
        assert!(output.read_line(&mut said).unwrap() > 0, "{said}");
    }
    let pid = rustix::process::Pid::from_child(&test.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    wait_for("the end of the script", || test.0.try_wait().unwrap().is_some());
    output.read_to_string(&mut said).unwrap();
    assert!(said.contains("[stopped]\n[left 4]"), "{said}");
    assert!(!said.contains("[Ls"), "{said}");
}
