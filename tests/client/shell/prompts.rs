//! Ctrl-C at a prompt: the prompt ends, the terminal has its former modes, and nothing consumes what is typed next.

use std::path::Path;

use crate::client::shell::terminal::{homeport, open_shell, open_terminal};
use crate::client::shell::{USER, server_with};
use crate::client::terminal::CTRL_C;

/// Returns a server and a local home that have a file of the same name with different contents.
fn conflict() -> (testkit::server::TestServer, tempfile::TempDir) {
    let server = server_with(&["f", "d/g"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("f"), "other content").unwrap();
    (server, home)
}

/// Commands that prompt, each with a part of its prompt.
const PROMPTS: [(&str, &str); 3] = [
    ("put f", "[o]verwrite, [s]kip, [r]ename"),
    ("get f", "[o]verwrite, [s]kip, [r]ename"),
    ("rm -r d", "(yes/no)?"),
];

#[test]
fn ctrl_c_cancels_a_prompt_of_the_shell() {
    let (server, home) = conflict();
    let mut terminal = open_shell(&server, home.path());
    for (command, prompt) in PROMPTS {
        terminal.at_prompt("/", &format!("{command}\r"), prompt);
        terminal.type_keys(CTRL_C);
        terminal.wait_for_output("stopping…");
        for _ in 0..6 {
            terminal.at_prompt("/", "pwd\r", "\n/\r\n");
        }
    }
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let theirs = std::fs::read_to_string(server.home(USER).join("f")).unwrap();
    assert_eq!(theirs, "f");
    assert!(server.home(USER).join("d/g").exists());
}

/// Prompts that wait behind an open one are cancelled with it.
#[test]
fn ctrl_c_cancels_all_waiting_prompts() {
    let names = ["a", "b", "c", "d"];
    let server = server_with(&names);
    let home = tempfile::tempdir().unwrap();
    for name in names {
        std::fs::write(home.path().join(name), "other content").unwrap();
    }
    let mut terminal = open_shell(&server, home.path());
    std::fs::create_dir(home.path().join("more")).unwrap();
    for command in ["mput a b c d /", "mget a b c d ."] {
        terminal.at_prompt("/", &format!("{command}\r"), "[o]verwrite");
        terminal.type_keys(CTRL_C);
        terminal.wait_for_output("stopping…");
        terminal.at_prompt("/", "pwd\r", "\n/\r\n");
    }
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    let seen = terminal.output();
    assert_eq!(seen.matches("[o]verwrite").count(), 2, "{seen}");
}

#[test]
fn ctrl_c_at_a_prompt_ends_a_command() {
    let (server, home) = conflict();
    let key = server.key(USER);
    for (command, prompt) in PROMPTS {
        let remote = |name: &str| format!("sftp://{USER}@127.0.0.1:{}/{name}", server.port());
        let command = match command {
            "put f" => format!("put f '{}'", remote("f")),
            "get f" => format!("get '{}' f", remote("f")),
            _ => format!("rm -r '{}'", remote("d")),
        };
        let line = homeport(&format!("-i '{}' {command}", key.display()));
        let mut terminal = open_terminal(&server, home.path(), &line);
        terminal.wait_for_output(prompt);
        terminal.type_keys(CTRL_C);
        let code = terminal.exit_code();
        // That is how `script` reports a program that SIGINT has ended.
        assert_eq!(code, Some(130), "{command}");
    }
}

#[test]
fn ctrl_c_at_a_password_prompt_restores_the_terminal() {
    let (server, home) = conflict();
    let line = homeport(&format!("ls sftp://{USER}@127.0.0.1:{}/", server.port()));
    let script = home.path().join("script");
    std::fs::write(
        &script,
        format!("trap : INT\n{line}\necho \"[code $?]\"\nstty -a\n"),
    )
    .unwrap();
    let mut terminal = open_terminal(&server, home.path(), &format!("sh '{}'", script.display()));
    terminal.wait_for_output("Password: ");
    terminal.type_keys(CTRL_C);
    terminal.wait_for_output("[code 130]");
    terminal.wait_for_output(" icanon");
    terminal.wait_for_output(" echo ");
    terminal.exit_code();
}

#[test]
fn lines_typed_ahead_are_run() {
    let (server, home) = conflict();
    let mut terminal = open_shell(&server, home.path());
    terminal.at_prompt("/", "pwd\rcd d\rpwd\rls\r", "\n/\r\n");
    terminal.wait_for_output("\n/d\r\n");
    terminal.wait_for_output("\ng\r\n");
    terminal.at_prompt("/d", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
}

#[test]
fn batch_mode_never_prompts() {
    let (server, home) = conflict();
    let ssh = home.path().join(".ssh");
    std::fs::create_dir(&ssh).unwrap();
    let there = format!("sftp://{USER}@127.0.0.1:{}/f", server.port());
    let run = |words: &str, home: &Path| {
        let mut terminal = open_terminal(&server, home, words);
        let code = terminal.exit_code();
        let seen = terminal.output();
        (code, seen)
    };
    let line = homeport(&format!(
        "--batch -i '{}' put f '{there}'",
        server.key(USER).display()
    ));
    let (code, seen) = run(&line, home.path());
    assert!(
        code == Some(4) && in_one_line(&seen).contains("--overwrite, --skip, --rename or --update decides"),
        "{seen}"
    );
    std::fs::write(ssh.join("config"), "BatchMode yes\n").unwrap();
    let line = homeport(&format!("-F '{}' ls '{there}'", ssh.join("config").display()));
    let (code, seen) = run(&line.replacen("-F none", "", 1), home.path());
    assert!(
        code == Some(3) && in_one_line(&seen).contains("there is no terminal to ask"),
        "{seen}"
    );
}

/// Returns the text without the line breaks of a narrow terminal.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
