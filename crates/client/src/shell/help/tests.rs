//! The meaning of lines, the messages about invalid ones, and help.

use std::ffi::OsString;

use super::*;
use crate::commands::Command;
use crate::commands::chmod::ChmodArgs;
use crate::commands::df::DfArgs;
use crate::commands::find::FindArgs;
use crate::commands::get::GetArgs;
use crate::commands::list::is_name_of;
use crate::commands::ls::LsArgs;
use crate::commands::mode_change::ModeChange;
use crate::commands::mv::MvArgs;
use crate::commands::put::PutArgs;
use crate::commands::rm::RmArgs;
use crate::commands::rmdir::RmdirArgs;
use crate::commands::transfer::TransferArgs;
use crate::shell::grammar::{OTHER_NAMES, ShellCommand, grammar};
use crate::shell::verbs::cd::CdArgs;
use crate::shell::verbs::exit::ExitArgs;
use crate::shell::verbs::help::HelpArgs;
use crate::shell::verbs::lls::LlsArgs;
use crate::shell::verbs::lmkdir::LmkdirArgs;
use crate::transfer::Verify;

#[test]
fn the_nearest_name_is_found() {
    for (typed, name) in [
        ("uplaod", Some("upload")),
        ("downlod", Some("download")),
        ("sl", Some("ls")),
        ("exi", Some("exit")),
        ("qiut", Some("quit")),
        ("mkdri", Some("mkdir")),
        ("mkdirr", Some("mkdir")),
        ("gett", Some("get")),
        ("Histroy", Some("history")),
        ("", None),
        ("somethingelse", None),
    ] {
        assert_eq!(nearest(&grammar(), typed.as_bytes()).as_deref(), name, "{typed}");
    }
}

#[test]
fn help_names_every_command() {
    // Wide enough for every line.
    let overview = overview(400).text;
    for verb in grammar().get_subcommands() {
        let line = overview
            .lines()
            .find(|line| line.starts_with(&names(verb).join(", ")));
        let about = verb.get_about().unwrap().to_string();
        assert!(
            line.is_some_and(|line| line.ends_with(&about)),
            "{}",
            verb.get_name()
        );
    }
    let message = of(Some("upload"));
    for part in [
        "Send files to the server",
        "Usage: put",
        "--overwrite",
        "Also called: upload",
        "Examples:\n  put backup.tar\n",
    ] {
        assert!(message.text.contains(part), "{part}: {}", message.text);
    }
    for part in ["HOST", " | "] {
        assert!(!message.text.contains(part), "{}", message.text);
    }
    let sync = of(Some("sync")).text;
    assert!(
        sync.contains("Examples:\n  sync DIR :DIR\n  sync :DIR DIR\n"),
        "{sync}"
    );
    assert_eq!(of(Some("nothing like it")).code, 2);
}

fn understood(line: &str) -> Result<ShellCommand, ShellMessage> {
    understand(&base::words::words(line.as_bytes()).unwrap())
}

fn os(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn every_name_is_one_command_and_has_help() {
    let grammar = grammar();
    let mut all: Vec<&str> = grammar.get_subcommands().flat_map(names).collect();
    for name in &all {
        assert!(grammar::find(&grammar, name.as_bytes()).is_some());
    }
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
    for verb in grammar.get_subcommands() {
        let help = verb.clone().render_long_help().to_string();
        assert!(help.contains(&format!("Usage: {}", verb.get_name())), "{help}");
        assert!(verb.get_about().is_some(), "{help}");
        let candidates = ShellCommand::candidates(verb.get_name(), 0);
        assert!(candidates.is_some(), "{help} has no completion");
    }
    assert!(is_name_of("two-words", "TwoWords") && !is_name_of("words", "TwoWords"));
    for name in OTHER_NAMES.iter().map(|(name, _)| name) {
        assert!(grammar.find_subcommand(name).is_some(), "{name}");
    }
    let first: Vec<&str> = grammar
        .get_subcommands()
        .take(3)
        .map(clap::Command::get_name)
        .collect();
    assert_eq!(first, ["get", "put", "sync"], "in the order of the list");
    // The grammar passes the checks of clap itself.
    grammar.debug_assert();
}

#[test]
fn lines_become_commands_for_the_server() {
    let transfer = |words: &[&str]| TransferArgs {
        words: os(words),
        ..TransferArgs::default()
    };
    let get = |words: &[&str]| GetArgs {
        transfer: transfer(words),
    };
    let put = |words: &[&str]| PutArgs {
        transfer: transfer(words),
    };
    for (line, command) in [
        ("ls", Command::Ls(LsArgs::default())),
        (
            "dir -l '*'",
            Command::Ls(LsArgs {
                long: true,
                words: os(&["\\*"]),
                ..LsArgs::default()
            }),
        ),
        ("get *.txt", Command::Get(get(&["*.txt"]))),
        ("DOWNLOAD a\\ b", Command::Get(get(&["a b", "."]))),
        ("upload a 'b[1]'", Command::Put(put(&["a", "b\\[1]", "."]))),
        ("mput a b", Command::Put(put(&["a", "b", "."]))),
        ("reget a b", Command::Get(get(&["a", "b", "."]))),
        ("put a b", Command::Put(put(&["a", "b"]))),
        (
            "put -rp --overwrite --verify never a",
            Command::Put(PutArgs {
                transfer: TransferArgs {
                    recursive: true,
                    preserve: true,
                    overwrite: true,
                    verify: Verify::Never,
                    ..transfer(&["a"])
                },
            }),
        ),
        ("get -- -x", Command::Get(get(&["-x"]))),
        (
            "remov old",
            Command::Rm(RmArgs {
                recursive: true,
                words: os(&["old"]),
                ..RmArgs::default()
            }),
        ),
        (
            "rename a b",
            Command::Mv(MvArgs {
                words: os(&["a", "b"]),
            }),
        ),
        (
            "df -h",
            Command::Df(DfArgs {
                human: true,
                ..DfArgs::default()
            }),
        ),
        (
            "find 'a*' -name '*.t?t' -print0",
            Command::Find(FindArgs {
                name: Some("*.t?t".into()),
                null: true,
                words: os(&["a\\*"]),
                ..FindArgs::default()
            }),
        ),
        (
            "chmod -R -w a",
            Command::Chmod(ChmodArgs {
                recursive: true,
                mode: "-w".parse().unwrap(),
                words: os(&["a"]),
            }),
        ),
        (
            "rmdir a b",
            Command::Rmdir(RmdirArgs {
                words: os(&["a", "b"]),
            }),
        ),
        (
            "chmod 0755 a",
            Command::Chmod(ChmodArgs {
                recursive: false,
                mode: ModeChange::Octal(0o755),
                words: os(&["a"]),
            }),
        ),
    ] {
        let own_or_server = understood(line).unwrap().into_own();
        assert_eq!(own_or_server.err().map(|found| *found), Some(command), "{line}");
    }
}

#[test]
fn lines_become_commands_of_the_shell() {
    let cd = |word: Option<&str>| {
        ShellCommand::Cd(CdArgs {
            word: word.map(OsString::from),
        })
    };
    let help = |topic: Option<&str>| {
        ShellCommand::Help(HelpArgs {
            command: topic.map(str::to_owned),
        })
    };
    for (line, own) in [
        ("cd", cd(None)),
        ("cd ..", cd(Some(".."))),
        ("cd -", cd(Some("-"))),
        (
            "lls -la x",
            ShellCommand::Lls(LlsArgs {
                words: os(&["-la", "x"]),
            }),
        ),
        (
            "lmkdir -p a b",
            ShellCommand::Lmkdir(LmkdirArgs {
                parents: true,
                words: os(&["a", "b"]),
            }),
        ),
        ("?", help(None)),
        ("help get", help(Some("get"))),
        ("bye", ShellCommand::Exit(ExitArgs {})),
    ] {
        assert_eq!(understood(line).unwrap(), own, "{line}");
    }
}

#[test]
fn errors_are_one_sentence() {
    for (line, code, sentence) in [
        (
            "get",
            2,
            "get: the following required arguments were not provided: <FILE>... (hint: help get)",
        ),
        (
            "reput -q x",
            2,
            "put: unexpected argument '-q' found (hint: help put; write ./ before a name that begins with -)",
        ),
        (
            "put --skip --rename x",
            2,
            "put: the argument '--skip' cannot be used with '--rename' (hint: help put)",
        ),
        ("pwd x", 2, "pwd: unexpected argument 'x' found (hint: help pwd)"),
        (
            "uplod x",
            2,
            "there is no command \"uplod\"; did you mean \"upload\"? (hint: help)",
        ),
        (
            "removve x",
            2,
            "there is no command \"removve\"; did you mean \"remove\"? (hint: help)",
        ),
        (
            "lss x",
            2,
            "there is no command \"lss\"; did you mean \"ls\"? (hint: help)",
        ),
        (
            "llss x",
            2,
            "there is no command \"llss\"; did you mean \"lls\"? (hint: help)",
        ),
        ("xyzzy", 2, "there is no command \"xyzzy\" (hint: help)"),
        (
            "symlink a b",
            2,
            "there is no command \"symlink\" (hint: ln -s makes symbolic links)",
        ),
        (
            "put -f x",
            2,
            "put: unexpected argument '-f' found (hint: what has arrived is always verified by its hash)",
        ),
        (
            "'\u{1b}[2J'",
            2,
            "there is no command \"\\u{1b}[2J\" (hint: help)",
        ),
        (
            "mv a",
            2,
            "mv: 2 values required by '<PATH> <PATH>...'; only 1 was provided (hint: help mv)",
        ),
    ] {
        let message = understood(line).unwrap_err();
        assert_eq!((message.code, message.text.as_str()), (code, sentence), "{line}");
    }
    let message = understood("get --help").unwrap_err();
    assert_eq!(message.code, 0);
    assert!(message.text.contains("Usage: get"), "{}", message.text);
}

/// The line of usage names the place where files go, in the words of the shell.
#[test]
fn usage_is_that_of_a_line() {
    for (verb, usage) in [
        ("get", "Usage: get [OPTIONS] FILE... [DESTINATION]\n"),
        ("put", "Usage: put [OPTIONS] FILE... [DESTINATION]\n"),
        ("mv", "Usage: mv [OPTIONS] PATH... TARGET\n"),
        ("cp", "Usage: cp [OPTIONS] PATH... TARGET\n"),
        (
            "sync",
            "Usage: sync [OPTIONS] DIR :DIR\n       sync [OPTIONS] :DIR DIR\n",
        ),
        (
            "check",
            "Usage: check [OPTIONS] DIR :DIR\n       check [OPTIONS] :DIR DIR\n",
        ),
        ("cat", "Usage: cat"),
    ] {
        let text = understood(&format!("{verb} --help")).unwrap_err().text;
        assert!(text.contains(usage), "{text}");
    }
}
