//! Commands that transfer nothing: when the connection breaks they go on with another one, lose nothing and print nothing
//! twice; when there can be none, they say once how much is not done.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::{FromArgMatches as _, Subcommand as _};
use homeport::commands::{Command, CommandRunner as _, Runner, Session};
use homeport::output::{Output, Style};
use homeport::transfer::Direction;
use testkit::server::TestServer;

use crate::client::transfer::assert_same;
use crate::client::transfer::broken::behind_proxy;
use crate::client::transfer::lost::homeport_at;
use crate::client::transfer::proxy::Proxy;

/// The offsets at which the connection is cut, behind what was sent before the command.
const OFFSETS: [u64; 4] = [1, 150, 400, 1000];

/// How a break of the connection is tested for one command.
enum BreakTest {
    /// By the lines of this command. `@` stands for the number of the run, so that each finds its own files.
    Here(&'static [&'static str]),
    /// In another story, which says more.
    Elsewhere,
    /// Not at all: it runs a program of this machine.
    Interactive,
}

use BreakTest::{Elsewhere, Here, Interactive};

/// The test of each command.
const TESTS: &[(&str, BreakTest)] = &[
    ("get", Elsewhere),
    ("put", Elsewhere),
    ("sync", Elsewhere),
    ("check", Elsewhere),
    ("ls", Here(&["ls -lR t@", "ls -l f@ f?@", "ls t*"])),
    ("cat", Here(&["cat f@ f*"])),
    ("less", Interactive),
    ("edit", Interactive),
    ("tail", Here(&["tail -n 1 f@ f*"])),
    ("mkdir", Here(&["mkdir m@", "mkdir -p n@/a/b"])),
    ("rm", Here(&["rm f@", "rm -r -f t@"])),
    ("rmdir", Here(&["rmdir e@"])),
    ("mv", Here(&["mv f@ g@", "mv f@ t@ e@"])),
    ("cp", Here(&["cp f@ c@", "cp -r -p t@ c@"])),
    ("ln", Here(&["ln f@ h@", "ln -s f@ s@", "ln -sf f@ f2@"])),
    ("touch", Here(&["touch f@ k@ l@"])),
    ("chmod", Here(&["chmod 600 f@", "chmod -R u+x t@"])),
    ("stat", Here(&["stat f@ t@", "stat f*"])),
    ("find", Here(&["find t@", "find t* --name x"])),
    ("du", Here(&["du t@ f@"])),
    ("sum", Here(&["sum f@ f*"])),
    ("df", Here(&["df e@"])),
];

/// Makes the files of one run in a directory of the server.
fn make_files(home: &Path, number: usize) {
    for directory in [format!("t{number}/d"), format!("e{number}")] {
        std::fs::create_dir_all(home.join(directory)).unwrap();
    }
    for name in ["f@", "f2@", "t@/d/x", "t@/y"] {
        let name = name.replace('@', &number.to_string());
        std::fs::write(home.join(name), "one\ntwo\n").unwrap();
    }
}

#[test]
fn each_command_has_a_test_of_breaks() {
    let grammar = Command::augment_subcommands(clap::Command::new("homeport"));
    let verbs: Vec<&str> = grammar.get_subcommands().map(clap::Command::get_name).collect();
    let tested: Vec<&str> = TESTS.iter().map(|(name, _)| *name).collect();
    assert_eq!(verbs, tested);
    for (name, test) in TESTS {
        if let Here(lines) = test {
            let fits = |line: &&str| line.split(' ').next() == Some(*name);
            assert!(lines.iter().all(fits), "{name}");
        }
    }
}

fn parsed(line: &str) -> Command {
    let grammar = Command::augment_subcommands(clap::Command::new("homeport"));
    let words = ["homeport"].into_iter().chain(line.split(' '));
    let matches = grammar.try_get_matches_from(words).unwrap();
    Command::from_arg_matches(&matches).unwrap()
}

/// Whichever request or reply is lost, each command does the same as without a break.
#[tokio::test(flavor = "multi_thread")]
async fn each_command_is_repeated_after_a_break() {
    let (server, proxy, mut client) = behind_proxy(&[]).await;
    let remote = Arc::get_mut(&mut client.remote).unwrap();
    remote.set_pauses([1, 50, 100, 200, 400].map(Duration::from_millis));
    let output = Output {
        style: Style::Quiet,
        ..Output::default()
    };
    let session = Session::new(Arc::clone(&client.remote), output, b"/".to_vec());
    let lines = TESTS.iter().filter_map(|(_, test)| match test {
        Here(lines) => Some(*lines),
        Elsewhere | Interactive => None,
    });
    let mut number = 0;
    for line in lines.flatten() {
        for direction in [Direction::Up, Direction::Down] {
            for offset in OFFSETS {
                number += 1;
                // Patterns find the files of one run only.
                let home = server.home("alice").join(format!("run{number}"));
                std::fs::create_dir_all(&home).unwrap();
                make_files(&home, number);
                session.begin();
                session.set_directory(format!("/run{number}").into_bytes());
                proxy.cut_after(direction, offset);
                let command = parsed(&line.replace('@', &number.to_string()));
                let code = Runner.run(&session, command).await;
                assert_eq!(code, 0, "{line:?}, {direction:?}, {offset}");
                let cuts = std::mem::take(&mut *proxy.direction_state(direction).cuts.lock().unwrap());
                assert!(cuts.is_empty() || offset > 1, "{line:?}, {direction:?}");
            }
        }
    }
}

/// Runs a command whose connection is cut at these offsets of what the server sends.
async fn cut_at(server: &TestServer, offsets: &[u64], words: &[&str]) -> (String, String) {
    let proxy = Proxy::to(server.port()).await;
    let state = proxy.direction_state(Direction::Down);
    state.cuts.lock().unwrap().extend(offsets);
    let ended = homeport_at(proxy.port, &server.key("alice"), words).await;
    let ended = ended.expect_code(0);
    assert!(
        state.cuts.lock().unwrap().is_empty(),
        "{words:?}: all cuts were made"
    );
    (ended.out, ended.err)
}

/// A tree is read to its end, each name once.
#[tokio::test(flavor = "multi_thread")]
async fn a_tree_is_read_on_after_breaks() {
    let server = TestServer::start(&["alice"]);
    let home = server.home("alice");
    for number in 0..300 {
        let directory = home.join(format!("tree/{number}"));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("file"), "text").unwrap();
    }
    // One directory that takes several replies.
    for number in 0..1500 {
        std::fs::write(
            home.join(format!("tree/7/{number}-with-a-name-of-some-length")),
            "",
        )
        .unwrap();
    }
    let tree = "alice@127.0.0.1:/tree";
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    for words in [&["find", tree][..], &["du", tree], &["ls", "-R", tree]] {
        let whole = homeport_at(server.port(), &server.key("alice"), words).await;
        let whole = whole.expect_code(0);
        let (out, err) = cut_at(&server, &[48 << 10, 96 << 10], words).await;
        assert_eq!(sorted(&out), sorted(&whole.out), "{words:?}: {err}");
        assert_eq!(err.matches("connected again").count(), 2, "{words:?}: {err}");
    }
    cut_at(&server, &[48 << 10], &["chmod", "-R", "g-r", tree]).await;
    let copy = "alice@127.0.0.1:/copy";
    cut_at(&server, &[48 << 10], &["cp", "-r", tree, copy]).await;
    let paths = |top: &str| {
        let found = walkdir(&home.join(top));
        assert!(found.len() > 2000, "{top}");
        found
    };
    assert_eq!(paths("tree"), paths("copy"));
}

/// The paths below a directory, in order.
fn walkdir(top: &Path) -> Vec<String> {
    let (mut found, mut waiting) = (Vec::new(), vec![top.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(top).unwrap().display().to_string());
            if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    found.sort();
    found
}

/// No byte is printed twice, and none is missing.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_printed_on_after_breaks() {
    let server = TestServer::start(&["alice"]);
    let text: String = (0..400_000).map(|number| format!("line {number}\n")).collect();
    std::fs::write(server.home("alice").join("f"), &text).unwrap();
    let file = "alice@127.0.0.1:/f";
    let cuts = [1 << 20, 2 << 20, 3 << 20];
    let (out, _) = cut_at(&server, &cuts, &["cat", file]).await;
    assert_same(out.as_bytes(), text.as_bytes(), "cat");
    // The last lines are read twice: once to find where they begin, and once to be printed.
    let cuts = [320 << 10, 400 << 10];
    let (out, _) = cut_at(&server, &cuts, &["tail", "-n", "20000", file]).await;
    let lines: String = text.split_inclusive('\n').skip(380_000).collect();
    assert_same(out.as_bytes(), lines.as_bytes(), "tail");
}

/// What was printed must not be followed by the bytes of another file.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_while_the_connection_is_lost_is_not_printed_on() {
    let server = TestServer::start(&["alice"]);
    let path = server.home("alice").join("f");
    let content = "some text\n".repeat(1 << 20);
    let cut_short = |path: &Path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(1000).unwrap();
    };
    let modify = |path: &Path| {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        file.set_modified(then).unwrap();
    };
    for (change, why) in [
        (&cut_short as &dyn Fn(&Path), "it has only 1000 bytes now"),
        (&modify as &dyn Fn(&Path), "it was modified"),
    ] {
        std::fs::write(&path, &content).unwrap();
        let proxy = Proxy::to(server.port()).await;
        proxy.pause_at(Direction::Down, 3 << 20);
        proxy.cut_after(Direction::Down, 3 << 20);
        let key = server.key("alice");
        let changing = async {
            proxy.wait_for_pause(Direction::Down).await;
            change(&path);
            proxy.resume(Direction::Down);
        };
        let words = ["cat", "alice@127.0.0.1:/f"];
        let (ended, ()) = tokio::join!(homeport_at(proxy.port, &key, &words), changing);
        ended
            .expect_code(1)
            .expect_stderr(&["the file has changed while the connection was lost", why]);
    }
}

/// A connection that is lost for good is one message, which counts the names.
#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_not_done_are_told_once() {
    let server = TestServer::start(&["alice"]);
    let names: Vec<String> = (0..151)
        .map(|number| format!("alice@127.0.0.1:/f{number}"))
        .collect();
    for verb in [
        &["touch"][..],
        &["stat"],
        &["rm", "-f"],
        &["chmod", "600"],
        &["cat"],
        &["mkdir"],
    ] {
        let proxy = Proxy::to(server.port()).await;
        // That is more than a sign-in takes, and less than the requests for all names.
        proxy.pause_at(Direction::Up, 10 << 10);
        proxy.cut_after(Direction::Up, 10 << 10);
        let losing = async {
            proxy.wait_for_pause(Direction::Up).await;
            proxy.refuse_others().await;
            proxy.resume(Direction::Up);
        };
        let names = names.iter().map(String::as_str);
        let words: Vec<&str> = verb
            .iter()
            .copied()
            .chain(["--retry-for", "1s"])
            .chain(names)
            .collect();
        let key = server.key("alice");
        let (ended, ()) = tokio::join!(homeport_at(proxy.port, &key, &words), losing);
        let ended = ended.expect_code(1);
        let told = ended.err.matches(" names are not done").count();
        assert_eq!(told, 1, "{verb:?}: {}", ended.err);
        let lost = ended.err.matches("the connection to the server was lost").count();
        assert!(lost <= 2, "{verb:?}: {}", ended.err);
    }
}
