//! Ctrl-C while something is asked: the question ends, the terminal is as it was, and nothing is left that would read
//! what is typed next.

use std::path::Path;

use crate::client::shell::terminal::{CTRL_C, Terminal, homeport};
use crate::client::shell::{USER, server_with};

/// A file on both sides, with other content.
fn conflict() -> (testkit::server::TestServer, tempfile::TempDir) {
    let server = server_with(&["f", "d/g"]);
    let person = tempfile::tempdir().unwrap();
    std::fs::write(person.path().join("f"), "other content").unwrap();
    (server, person)
}

const QUESTIONS: [(&str, &str); 3] = [
    ("put f", "[o]verwrite, [s]kip, [r]ename"),
    ("get f", "[o]verwrite, [s]kip, [r]ename"),
    ("rm -r d", "(yes/no)?"),
];

#[test]
fn a_question_of_the_shell_is_given_up() {
    let (server, person) = conflict();
    let mut terminal = Terminal::with_homeport(&server, person.path());
    for (command, question) in QUESTIONS {
        terminal.says("/", &format!("{command}\r"), question);
        terminal.types(CTRL_C);
        terminal.sees("stopping…");
        for _ in 0..6 {
            terminal.says("/", "pwd\r", "\n/\r\n");
        }
    }
    terminal.says("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let theirs = std::fs::read_to_string(server.home(USER).join("f")).unwrap();
    assert_eq!(theirs, "f");
    assert!(server.home(USER).join("d/g").exists());
}

/// Of several that wait for their turn none gets it.
#[test]
fn all_questions_are_given_up_at_once() {
    let names = ["a", "b", "c", "d"];
    let server = server_with(&names);
    let person = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(person.path().join(name), "other content").unwrap();
    }
    let mut terminal = Terminal::with_homeport(&server, person.path());
    std::fs::create_dir(person.path().join("more")).unwrap();
    for command in ["mput a b c d /", "mget a b c d ."] {
        terminal.says("/", &format!("{command}\r"), "[o]verwrite");
        terminal.types(CTRL_C);
        terminal.sees("stopping…");
        terminal.says("/", "pwd\r", "\n/\r\n");
    }
    terminal.says("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let seen = terminal.seen.lock().unwrap().clone();
    assert_eq!(seen.matches("[o]verwrite").count(), 2, "{seen}");
}

#[test]
fn a_question_of_a_command_ends_it() {
    let (server, person) = conflict();
    let key = server.key(USER);
    for (command, question) in QUESTIONS {
        let there = |name: &str| format!("sftp://{USER}@127.0.0.1:{}/{name}", server.port());
        let command = match command {
            "put f" => format!("put f '{}'", there("f")),
            "get f" => format!("get '{}' f", there("f")),
            _ => format!("rm -r '{}'", there("d")),
        };
        let line = homeport(&format!("-i '{}' {command}", key.display()));
        let mut terminal = Terminal::new(&server, person.path(), &line);
        terminal.sees(question);
        terminal.types(CTRL_C);
        let code = terminal.exit_code();
        assert!(matches!(code, Some(1 | 4)), "{command}: {code:?}");
    }
}

#[test]
fn a_password_that_is_not_given_leaves_the_terminal_as_it_was() {
    let (server, person) = conflict();
    let line = homeport(&format!("ls sftp://{USER}@127.0.0.1:{}/", server.port()));
    let script = person.path().join("script");
    std::fs::write(
        &script,
        format!("trap : INT\n{line}\necho \"[code $?]\"\nstty -a\n"),
    )
    .unwrap();
    let mut terminal = Terminal::new(&server, person.path(), &format!("sh '{}'", script.display()));
    terminal.sees("Password: ");
    terminal.types(CTRL_C);
    terminal.sees("[code 130]");
    terminal.sees(" icanon");
    terminal.sees(" echo ");
    terminal.exit_code();
}

#[test]
fn who_types_ahead_is_heard() {
    let (server, person) = conflict();
    let mut terminal = Terminal::with_homeport(&server, person.path());
    terminal.says("/", "pwd\rcd d\rpwd\rls\r", "\n/\r\n");
    terminal.sees("\n/d\r\n");
    terminal.sees("\ng\r\n");
    terminal.says("/d", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn a_batch_is_not_asked() {
    let (server, person) = conflict();
    let ssh = person.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    let there = format!("sftp://{USER}@127.0.0.1:{}/f", server.port());
    let run = |words: &str, person: &Path| {
        let mut terminal = Terminal::new(&server, person, words);
        let code = terminal.exit_code();
        let seen = terminal.seen.lock().unwrap().clone();
        (code, seen)
    };
    let line = homeport(&format!(
        "--batch -i '{}' put f '{there}'",
        server.key(USER).display()
    ));
    let (code, seen) = run(&line, person.path());
    assert!(
        code == Some(4) && seen.contains("--overwrite, --skip or --rename decides"),
        "{seen}"
    );
    std::fs::write(ssh.join("config"), "BatchMode yes\n").unwrap();
    let line = homeport(&format!("-F '{}' ls '{there}'", ssh.join("config").display()));
    let (code, seen) = run(&line.replacen("-F none", "", 1), person.path());
    assert!(
        code == Some(3) && seen.contains("there is no terminal to ask"),
        "{seen}"
    );
}
