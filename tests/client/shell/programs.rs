//! What the shell shows in a terminal with programs of this machine, and what goes on until Ctrl-C.

use std::io::Write as _;
use std::path::Path;

use crate::client::commands::script;
use crate::client::shell::terminal::homeport;
use crate::client::shell::{USER, server_with};
use crate::client::terminal::{CTRL_C, Terminal};
use testkit::server::TestServer;

/// Starts the client's shell in a terminal, with these environment variables.
fn open_shell(server: &TestServer, home: &Path, variables: &[(&str, &str)]) -> Terminal {
    let (key, port) = (server.key(USER), server.port());
    let command = homeport(&format!("-i '{}' sftp://{USER}@127.0.0.1:{port}", key.display()));
    Terminal::start(&command, |script| {
        script
            .env("HOME", home)
            .env("XDG_STATE_HOME", home.join("state"))
            .envs(variables.iter().copied())
            .current_dir(home);
    })
}

/// Writes a program for the shell into a directory, and returns its path.
fn program(directory: &Path, name: &str, lines: &str) -> String {
    let file = directory.join(name);
    script(&file, lines);
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_pager_gets_only_what_it_reads() {
    let server = server_with(&["small"]);
    let home = tempfile::tempdir().unwrap();
    let huge = std::fs::File::create(server.home(USER).join("huge")).unwrap();
    (&huge).write_all(b"the first line\n").unwrap();
    huge.set_len(1 << 40).unwrap();
    let mut terminal = open_shell(&server, home.path(), &[("PAGER", "head -n 1")]);
    terminal.at_prompt("/", "less huge\r", "the first line");
    terminal.at_prompt("/", "less small\r", "small");
    terminal.at_prompt("/", "less none\r", "none: no such file");
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn ctrl_c_is_the_editors_while_it_runs() {
    let server = server_with(&["f"]);
    let home = tempfile::tempdir().unwrap();
    let lines = "trap 'kill $!; echo trapped > \"$1\"; exit 0' INT\necho ready\nsleep 100 & wait";
    let editor = program(home.path(), "editor", lines);
    let mut terminal = open_shell(&server, home.path(), &[("VISUAL", &editor)]);
    terminal.at_prompt("/", "edit f\r", "ready");
    terminal.type_keys(CTRL_C);
    terminal.at_prompt("/", "cat f\r", "trapped");
    terminal.at_prompt("/", "!echo $((6 * 7)); exit 3\r", "42");
    terminal.at_prompt("/", "lmkdir -p x/y\r", "\n");
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    assert!(!terminal.output().contains("stopping"), "{}", terminal.output());
    assert!(home.path().join("x/y").is_dir());
}

#[test]
fn a_file_is_followed_until_ctrl_c() {
    let server = server_with(&[]);
    let home = tempfile::tempdir().unwrap();
    let log = server.home(USER).join("log");
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    std::fs::write(&log, "one\ntwo\n").unwrap();
    let add = |text: &str| {
        let mut file = std::fs::File::options().append(true).open(&log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    };
    let mut terminal = open_shell(&server, home.path(), &[]);
    terminal.at_prompt("/", "tail -n 1 -f log\r", "two\r\n");
    add("three\n");
    terminal.wait_for_output("three");
    std::fs::write(&log, "4\n").unwrap();
    terminal.wait_for_output("the file was cut");
    terminal.wait_for_output("4\r\n");
    std::fs::rename(&log, log.with_extension("1")).unwrap();
    terminal.wait_for_output("the file is gone");
    std::fs::write(&log, "five, of another file\n").unwrap();
    terminal.wait_for_output("another file has taken its place");
    terminal.wait_for_output("five, of another file");
    add("six\n");
    terminal.wait_for_output("six");
    terminal.type_keys(CTRL_C);
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    assert!(!terminal.output().contains("stop"), "{}", terminal.output());
}

#[test]
fn names_are_completed_from_whole_lists_only() {
    let names = ["می\u{200c}خواهم", "ශ්\u{200d}රී 1", "👩\u{200d}👧", "it's \"odd\""];
    let server = server_with(&names);
    let home = tempfile::tempdir().unwrap();
    let big = server.home(USER).join("big");
    std::fs::create_dir(&big).unwrap();
    for number in 0..25_000 {
        std::fs::File::create(big.join(format!("file{number:05}"))).unwrap();
    }
    std::fs::write(big.join("file24998"), "the right one").unwrap();
    let mut terminal = open_shell(&server, home.path(), &[]);
    // All of 25,000 names begin with this, and one with the rest.
    terminal.complete_at_prompt("/", "cat big/f", "cat big/file");
    terminal.type_keys("24998\r");
    terminal.wait_for_output("the right one");
    std::fs::write(big.join("file24998x"), "longer").unwrap();
    terminal.at_prompt("/", "cat big/file24997\t big/file24998x\t\r", "longer");
    for (typed, name) in [
        ("می", names[0]),
        ("ශ", names[1]),
        ("👩", names[2]),
        ("it", names[3]),
    ] {
        terminal.at_prompt("/", &format!("cat {typed}\t\r"), &format!("\n{name}"));
    }
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
}
