//! What a terminal shows: colours, the widths of help and of the progress display, the question about a conflict, and
//! the end of a loop after Ctrl-C.

use std::path::Path;

use crate::client::shell::terminal::{homeport, open_shell, open_terminal};
use crate::client::shell::{USER, server_with};
use crate::client::terminal::CTRL_C;
use testkit::server::TestServer;

/// Returns the client's command line with these words and the user's key.
fn client(server: &TestServer, words: &str) -> String {
    homeport(&format!("-i '{}' {words}", server.key(USER).display()))
}

fn remote(server: &TestServer, path: &str) -> String {
    format!("'sftp://{USER}@127.0.0.1:{}/{path}'", server.port())
}

/// Runs a script of the shell in a terminal, and returns what the terminal shows.
fn shown(server: &TestServer, home: &Path, script: &str) -> String {
    let file = home.join("script");
    std::fs::write(&file, script).unwrap();
    let mut terminal = open_terminal(server, home, &format!("bash '{}'", file.display()));
    terminal.exit_code();
    terminal.output()
}

#[test]
fn directories_are_marked_in_a_terminal() {
    let server = server_with(&["docs/", "file"]);
    let home = tempfile::tempdir().unwrap();
    let ls = client(&server, &format!("ls {}", remote(&server, "")));
    let script = format!("{ls}\nNO_COLOR=1 {ls}\nTERM=dumb {ls}\n{ls} | cat\n");
    let seen = shown(&server, home.path(), &script);
    let listings: Vec<&str> = seen.lines().filter(|line| line.contains("docs")).collect();
    assert_eq!(
        listings,
        [
            "\x1b[1;34mdocs\x1b[0m/  file",
            "docs/  file",
            "docs/  file",
            "docs"
        ],
        "{seen}"
    );
}

#[test]
fn help_fits_into_any_terminal() {
    let server = server_with(&[]);
    let home = tempfile::tempdir().unwrap();
    let there = remote(&server, "");
    let shell = client(&server, &there);
    std::fs::write(home.path().join("help"), "help\nhelp sync\nhelp mv\n").unwrap();
    for columns in [1, 20, 40, 80, 200] {
        let script = format!(
            "stty rows 24 cols {columns}\n{shell} < help\n{0} put --help > put-help\n{0} --help\n{0} sync --help\n\
             NO_COLOR=1 {0} mv --help\necho [$?]\n",
            homeport("")
        );
        let seen = shown(&server, home.path(), &script);
        assert!(seen.contains("[0]"), "{columns}: {seen}");
        let plain = seen
            .replace("\x1b[0m", "")
            .replace("\x1b[1m", "")
            .replace("\x1b[4m", "");
        let widest = plain.lines().map(|line| line.chars().count()).max().unwrap();
        // Below that the words of the help are longer than a line.
        if columns >= 40 {
            assert!(widest <= columns.min(130), "{columns}: {widest}: {seen}");
        }
    }
}

#[test]
fn the_question_about_a_conflict_is_asked_until_it_is_answered() {
    let server = server_with(&["a", "b", "c", "d"]);
    let home = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c", "d"] {
        std::fs::write(home.path().join(name), "content of here").unwrap();
    }
    let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let times = std::fs::FileTimes::new().set_modified(long_ago);
    let old = std::fs::File::options()
        .write(true)
        .open(home.path().join("b"))
        .unwrap();
    old.set_times(times).unwrap();
    let mut terminal = open_shell(&server, home.path());
    let stored = |name: &str| std::fs::read_to_string(server.home(USER).join(name)).unwrap();
    terminal.at_prompt("/", "put a\r", "15 B");
    terminal.wait_for_output("here");
    terminal.wait_for_output("1 B");
    terminal.wait_for_output("on the server");
    terminal.wait_for_output("for all? ");
    terminal.type_keys("what\r");
    terminal.wait_for_output("Please type one of these letters.");
    terminal.wait_for_output("for all? ");
    assert_eq!(stored("a"), "a");
    terminal.type_keys("o\r");
    // The one that is older stays, the newer one is sent; nothing else is asked.
    terminal.at_prompt("/", "put b c /\r", "for all? ");
    terminal.type_keys("N\r");
    terminal.at_prompt("/", "put d\r", "for all? ");
    terminal.type_keys("q\r");
    terminal.wait_for_output("stopped");
    terminal.at_prompt("/", "exit\r", "\n");
    assert_eq!(terminal.exit_code(), Some(0));
    assert_eq!(stored("a"), "content of here");
    assert_eq!(stored("b"), "b");
    assert_eq!(stored("d"), "d");
}

#[test]
fn the_time_at_a_question_is_not_in_the_summary() {
    let server = server_with(&["a"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a"), "content of here").unwrap();
    let mut terminal = open_shell(&server, home.path());
    let began = std::time::Instant::now();
    terminal.at_prompt("/", "put a\r", "for all? ");
    let pause = std::time::Duration::from_secs(3);
    std::thread::sleep(pause);
    terminal.type_keys("o\r");
    terminal.wait_for_output("1 file, 15 B in ");
    let all = began.elapsed();
    terminal.at_prompt("/", "exit\r", "\n");
    terminal.exit_code();
    let seen = terminal.output();
    let (_, time) = seen.split_once("1 file, 15 B in ").unwrap();
    let (secs, _) = time.split_once(" s").unwrap();
    let secs: f64 = secs.parse().unwrap();
    // It is rounded to a tenth.
    assert!(secs < (all - pause).as_secs_f64() + 0.1, "{all:?}: {seen}");
}

#[test]
fn ctrl_c_ends_a_loop_of_a_shell() {
    let server = server_with(&["a"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a"), "content of here").unwrap();
    let put = client(&server, &format!("put a {}", remote(&server, "a")));
    let script = format!("for i in 1 2 3; do {put}; echo \"[next $?]\"; done\n");
    let file = home.path().join("script");
    std::fs::write(&file, script).unwrap();
    let mut terminal = open_terminal(&server, home.path(), &format!("bash '{}'", file.display()));
    terminal.wait_for_output("for all? ");
    terminal.type_keys(CTRL_C);
    terminal.exit_code();
    let seen = terminal.output();
    assert!(!seen.contains("[next"), "{seen}");
}

/// In a terminal, `sync --delete` asks before anything is deleted.
#[test]
fn deleting_is_asked_about() {
    for (answer, code, stays) in [("n", 1, true), ("y", 0, false)] {
        let server = server_with(&["tree/kept", "tree/gone"]);
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join("tree")).unwrap();
        std::fs::write(home.path().join("tree/kept"), "tree/kept").unwrap();
        let sync = client(
            &server,
            &format!("sync --delete tree {}", remote(&server, "tree")),
        );
        let mut terminal = open_terminal(&server, home.path(), &sync);
        terminal.wait_for_output("Delete 1 name that the source does not have: gone");
        assert!(server.home(USER).join("tree/gone").exists());
        terminal.type_keys(&format!("{answer}\r"));
        assert_eq!(terminal.exit_code(), Some(code));
        assert_eq!(server.home(USER).join("tree/gone").exists(), stays);
        assert!(server.home(USER).join("tree/kept").exists());
    }
}

/// Messages wrap between words in a terminal, whatever its width is, and are one line in a pipe.
#[test]
fn long_messages_wrap_in_a_terminal_only() {
    let server = server_with(&[]);
    let home = tempfile::tempdir().unwrap();
    let put = homeport("put 'a file of here' 'another one \u{1b}[2J'");
    let message =
        "homeport: \"another one \\u{1b}[2J\" names no server (hint: homeport put FILE… [USER@]HOST:PATH)";
    for columns in [1, 20, 40, 300] {
        let seen = shown(
            &server,
            home.path(),
            &format!("stty cols {columns}\n{put}\necho \"[$?]\"\n{put} 2>&1 | cat\n"),
        );
        let (wrapped, piped) = seen.split_once("[2]\r\n").unwrap_or_else(|| panic!("{seen}"));
        assert_eq!(piped.trim_end(), message, "{columns}");
        let widest = wrapped.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(columns), "{columns}: {wrapped}");
        let letters = |text: &str| text.split_whitespace().collect::<String>();
        assert_eq!(letters(wrapped), letters(message), "{columns}");
    }
}

/// The row of a file that is sent takes more lines after the terminal has become narrower, and all of them are erased.
#[test]
fn the_progress_row_follows_the_width_of_the_terminal() {
    let server = server_with(&[]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("large"), vec![7; 4 << 20]).unwrap();
    let put = client(
        &server,
        &format!("put --limit-rate 64K large {}", remote(&server, "")),
    );
    let file = home.path().join("script");
    std::fs::write(&file, format!("stty rows 24 cols 80\ntty > tty\nexec {put}\n")).unwrap();
    let mut terminal = open_terminal(&server, home.path(), &format!("sh '{}'", file.display()));
    terminal.wait_for_output("\x1b[1A\r\x1b[J");
    let tty = std::fs::read_to_string(home.path().join("tty")).unwrap();
    let resized = std::process::Command::new("stty")
        .args(["-F", tty.trim(), "cols", "20"])
        .status();
    assert!(resized.unwrap().success());
    // Between 61 and 79 columns were taken, which are four lines of 20.
    terminal.wait_for_output("\x1b[4A\r\x1b[J");
    terminal.wait_for_output("\x1b[1A\r\x1b[J");
    terminal.type_keys(CTRL_C);
    terminal.exit_code();
}

/// A question wraps as messages do, and the answer stands behind it.
#[test]
fn questions_wrap_too() {
    let server = server_with(&["a"]);
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("a"), "content of here").unwrap();
    let put = client(&server, &format!("put a {}", remote(&server, "a")));
    let file = home.path().join("script");
    std::fs::write(&file, format!("stty cols 20\nexec {put}\n")).unwrap();
    let mut terminal = open_terminal(&server, home.path(), &format!("sh '{}'", file.display()));
    terminal.wait_for_output("[o]verwrite, [s]kip,\r\n  [r]ename, only\r\n");
    terminal.wait_for_output("\r\n  all? ");
    terminal.type_keys("o\r");
    assert_eq!(terminal.exit_code(), Some(0), "{}", terminal.output());
    let stored = std::fs::read_to_string(server.home(USER).join("a")).unwrap();
    assert_eq!(stored, "content of here");
}
