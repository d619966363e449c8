//! The live view in a real terminal, and what sessions are shown to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::client::terminal::{CTRL_C, Terminal};
use testkit::packets::{CREAT, READ, WRITE, nth, open, read, write};
use testkit::programs::homeportd;
use testkit::raw::{RawSftp, Received};
use testkit::server::TestServer;
use testkit::{PATIENCE, wait_for};

/// A name that would clear the screen, if a terminal got to see it.
const HOSTILE: &[u8] = b"f\x1b[2J\xff";
/// The same as it is shown.
const SHOWN: &str = "/f\\u{1b}[2J\\xFF";

/// The sequence with which a program leaves the other screen of a terminal.
const OTHER_SCREEN_LEFT: &str = "\u{1b}[?1049l";
/// The sequence with which the cursor appears again.
const CURSOR_SHOWN: &str = "\u{1b}[?25h";

/// A live view in a terminal of 80 columns and 24 lines.
struct LiveView {
    terminal: Terminal,
    directory: PathBuf,
}

impl LiveView {
    fn start(server: &TestServer) -> Self {
        let directory = server.path().to_owned();
        let script = directory.join("top.sh");
        let text = format!(
            "stty rows 24 cols 80\ntty > tty\nsh -c 'echo $$ > pid; exec {} -c {} top'\necho \"code $?\"\nstty -a > modes\necho all-over\n",
            homeportd(),
            server.config().display()
        );
        fs::write(&script, text).unwrap();
        let terminal = Terminal::start(&format!("sh {}", script.display()), |command| {
            command.current_dir(&directory);
        });
        Self { terminal, directory }
    }

    fn file(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// Checks that the view has ended with this code, and that the terminal is as it was before.
    fn assert_over(mut self, code: u8) {
        self.terminal.wait_for_output(&format!("code {code}"));
        self.terminal.wait_for_output("all-over");
        let output = self.terminal.output();
        let (before, _) = output.split_once("code ").unwrap();
        let other_screen = before.rfind("\u{1b}[?1049").unwrap();
        assert!(
            before[other_screen..].starts_with(OTHER_SCREEN_LEFT),
            "{before:?}"
        );
        let cursor = before.rfind("\u{1b}[?25").unwrap();
        assert!(before[cursor..].starts_with(CURSOR_SHOWN), "{before:?}");
        let modes = self.file("modes");
        let modes: Vec<&str> = modes.split_whitespace().collect();
        for mode in ["icanon", "echo", "isig", "opost"] {
            assert!(modes.contains(&mode), "{mode} is off: {modes:?}");
        }
    }
}

/// Begins to write a file with a hostile name.
fn writing(server: &TestServer) -> RawSftp {
    let mut session = server.raw("alice");
    let handle = session.handle(&open(HOSTILE, WRITE | CREAT));
    session.ask_about(&write(nth(0), 4096, vec![7; 1000]), &handle);
    session
}

#[test]
fn a_session_is_seen_at_work_and_disconnected_after_a_question() {
    let server = TestServer::start(&["alice"]);
    let mut alice = writing(&server);
    let mut view = LiveView::start(&server);
    for text in ["homeportd", "alice", "writing", SHOWN, "quit"] {
        view.terminal.wait_for_output(text);
    }
    assert!(
        !view.terminal.output().contains("f\u{1b}[2J"),
        "the name reached the terminal"
    );
    view.terminal.type_keys("k");
    view.terminal.wait_for_output("Disconnect");
    view.terminal.type_keys("n");
    view.terminal.wait_for_output("quit");
    view.terminal.type_keys("k");
    view.terminal.wait_for_output("y/n");
    view.terminal.type_keys("y");
    assert_eq!(alice.receive(PATIENCE), Received::Ended);
    view.terminal.wait_for_output("nobody");
    server.wait_for_audit("\"what\":\"sessions kick\"");
    view.terminal.type_keys("q");
    view.assert_over(0);
}

#[test]
fn the_view_follows_the_size_of_the_terminal_and_ends_at_ctrl_c() {
    let server = TestServer::start(&["alice"]);
    let mut view = LiveView::start(&server);
    // The last line has the keys.
    view.terminal.wait_for_output("\u{1b}[24;1H");
    view.terminal.wait_for_output("quit");
    let resized = Command::new("stty")
        .args(["-F", &view.file("tty"), "rows", "40", "cols", "120"])
        .status();
    assert!(resized.unwrap().success());
    view.terminal.wait_for_output("\u{1b}[40;1H");
    view.terminal.wait_for_output("quit");
    let small = Command::new("stty")
        .args(["-F", &view.file("tty"), "rows", "2", "cols", "9"])
        .status();
    assert!(small.unwrap().success());
    view.terminal.wait_for_output("\u{1b}[2;1H");
    view.terminal.type_keys(CTRL_C);
    view.assert_over(0);
}

#[test]
fn a_server_that_is_gone_is_told_and_a_signal_leaves_the_terminal_clean() {
    let mut server = TestServer::start(&["alice"]);
    let mut view = LiveView::start(&server);
    view.terminal.wait_for_output("quit");
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
    view.terminal.wait_for_output("running");
    // A server that is started again is shown again.
    server.serve();
    let _alice = server.raw("alice");
    view.terminal.wait_for_output("alice");
    let killed = Command::new("kill").args(["-TERM", &view.file("pid")]).status();
    assert!(killed.unwrap().success());
    view.assert_over(0);
}

#[test]
fn the_view_ends_with_its_terminal() {
    let server = TestServer::start(&["alice"]);
    let mut view = LiveView::start(&server);
    view.terminal.wait_for_output("quit");
    let command_line = format!("/proc/{}/cmdline", view.file("pid"));
    view.terminal.hang_up();
    // A process that has ended and was not waited for has an empty one.
    wait_for("the view to end", || {
        fs::read(&command_line).map_or(true, |words| words.is_empty())
    });
}

#[test]
fn without_a_server_or_a_terminal_there_is_an_error_and_no_view() {
    let server = TestServer::new(&[]);
    let output = server.admin(&["top"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("no server is running") && output.stdout.is_empty(),
        "{said}"
    );
    let server = TestServer::start(&["alice"]);
    let output = server.admin(&["top"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("top needs a terminal"), "{said}");
    let shown: Value = serde_json::from_str(&server.admin_ok(&["top", "--json"], "")).unwrap();
    assert_eq!(
        (&shown["v"], &shown["status"]["sessions"]),
        (&1.into(), &0.into()),
        "{shown}"
    );
}

/// Returns the sessions, as programs see them.
fn sessions(server: &TestServer) -> Vec<Value> {
    serde_json::from_str(&server.admin_ok(&["sessions", "list", "--json"], "")).unwrap()
}

#[test]
fn sessions_say_which_files_they_read_and_write_and_how_far_they_are() {
    let mut server = TestServer::new(&[]);
    server.add_user("alice", &["--quota", "10MiB"]);
    server.serve();
    let path: &Path = &server.home("alice");
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("large"), vec![1; 1 << 20]).unwrap();
    let mut alice = writing(&server);
    let large = alice.handle(&open("large", READ));
    // The size is asked for when more than a little was read.
    for offset in [0, 131_072] {
        alice.ask_about(&read(nth(0), offset, 131_072), &large);
    }
    let shown = sessions(&server).remove(0);
    let files = shown["files"].as_array().unwrap();
    assert_eq!((&shown["open_files"], files.len()), (&2.into(), 2), "{shown}");
    let find = |doing: &str| files.iter().find(|file| file["doing"] == doing).unwrap();
    let writing = find("writing");
    assert_eq!(writing["path"], "/f\u{1b}[2J\\xFF", "{shown}");
    assert_eq!(
        (&writing["bytes"], &writing["position"]),
        (&1000.into(), &5096.into()),
        "{shown}"
    );
    let reading = find("reading");
    assert_eq!(reading["path"], "/large", "{shown}");
    assert_eq!(
        (&reading["bytes"], &reading["size"]),
        (&262_144.into(), &1_048_576.into()),
        "{shown}"
    );
    assert_eq!(shown["quota_bytes"], 10 << 20, "{shown}");
    assert!(shown["used_bytes"].as_u64().unwrap() >= 5096, "{shown}");
    let table = server.admin_ok(&["sessions", "list"], "");
    assert!(
        table.contains("25% of 1.0 MiB") || table.contains(SHOWN),
        "{table}"
    );
    assert!(!table.contains('\u{1b}'), "{table}");
    drop(alice);
    wait_for("the session to end", || sessions(&server).is_empty());
}
