//! The commands of the shell: their names, their words, and what they are for. The one table of them.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args, FromArgMatches};

use super::Command;
use super::help::{self, Told};
use super::here::{Here, LlsArgs, PlaceArgs, RmdirArgs, TopicArgs};
use crate::commands::args::{ChmodArgs, DfArgs, LsArgs, MkdirArgs, MvArgs, RmArgs, SumArgs, TransferArgs};
use crate::globs::from_word;
use base::words::Word;

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    /// Somebody else does it.
    Run(Command),
    /// The shell does it.
    Here(Here),
}

/// A command.
pub(super) struct Verb {
    /// Its name, and others that are as good.
    pub(super) names: &'static [&'static str],
    /// One line of help.
    pub(super) about: &'static str,
    /// Which it is.
    pub(super) kind: Kind,
}

/// Each command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of the commands")]
pub(super) enum Kind {
    Ls,
    Cd,
    Pwd,
    Lls,
    Lcd,
    Lpwd,
    Get,
    Put,
    Mkdir,
    Rmdir,
    Rm,
    Remov,
    Mv,
    Chmod,
    Sum,
    Df,
    History,
    Help,
    Exit,
}

/// In the order in which `help` shows them.
pub(super) const VERBS: &[Verb] = &[
    verb(
        Kind::Ls,
        &["ls", "dir"],
        "show what is in a directory of the server",
    ),
    verb(
        Kind::Cd,
        &["cd"],
        "go to a directory of the server: .. is up, - is back, nothing is home",
    ),
    verb(Kind::Pwd, &["pwd"], "show where you are on the server"),
    verb(
        Kind::Lls,
        &["lls", "ldir"],
        "show what is in a directory of this machine",
    ),
    verb(Kind::Lcd, &["lcd"], "go to a directory of this machine"),
    verb(Kind::Lpwd, &["lpwd"], "show where you are on this machine"),
    verb(
        Kind::Get,
        &["get", "download", "reget", "mget"],
        "fetch files from the server",
    ),
    verb(
        Kind::Put,
        &["put", "upload", "reput", "mput"],
        "send files to the server",
    ),
    verb(Kind::Mkdir, &["mkdir"], "make directories on the server"),
    verb(Kind::Rmdir, &["rmdir"], "remove empty directories of the server"),
    verb(Kind::Rm, &["rm", "delete"], "remove files of the server"),
    verb(
        Kind::Remov,
        &["remov", "remove"],
        "remove files and directories with all that is in them: rm -r",
    ),
    verb(
        Kind::Mv,
        &["mv", "rename"],
        "rename files of the server, or move them to a directory",
    ),
    verb(Kind::Chmod, &["chmod"], "set permissions of files of the server"),
    verb(Kind::Sum, &["sum"], "show the MD5 of files of the server"),
    verb(Kind::Df, &["df"], "show how much room there is on the server"),
    verb(Kind::History, &["history"], "show what was typed"),
    verb(
        Kind::Help,
        &["help", "?"],
        "show the commands, or how one is used",
    ),
    verb(Kind::Exit, &["exit", "quit", "bye"], "leave"),
];

const fn verb(kind: Kind, names: &'static [&'static str], about: &'static str) -> Verb {
    Verb { names, about, kind }
}

impl Verb {
    /// By one of its names, in capitals or not, as sftp has it.
    pub(super) fn by_name(name: &[u8]) -> Option<&'static Self> {
        let is_it = |known: &&str| known.as_bytes().eq_ignore_ascii_case(name);
        VERBS.iter().find(|verb| verb.names.iter().any(is_it))
    }

    /// As it is called in help.
    pub(super) fn name(&self) -> &'static str {
        self.names.first().copied().unwrap_or_default()
    }

    /// What it takes.
    pub(super) fn grammar(&self) -> clap::Command {
        let base = clap::Command::new(self.name())
            .no_binary_name(true)
            .color(clap::ColorChoice::Never)
            .disable_version_flag(true)
            // `-h` means "for humans" to those who type `df -h`; it is so anyway.
            .disable_help_flag(true)
            .arg(
                Arg::new("help")
                    .long("help")
                    .help("Show this")
                    .action(ArgAction::Help),
            );
        let human = Arg::new("human").short('h').hide(true).action(ArgAction::SetTrue);
        let grammar = match self.kind {
            Kind::Ls => LsArgs::augment_args(base).arg(human),
            Kind::Get | Kind::Put => TransferArgs::augment_args(base),
            Kind::Mkdir => MkdirArgs::augment_args(base),
            Kind::Rm | Kind::Remov => RmArgs::augment_args(base),
            Kind::Mv => MvArgs::augment_args(base),
            Kind::Chmod => ChmodArgs::augment_args(base),
            Kind::Sum => SumArgs::augment_args(base),
            Kind::Df => DfArgs::augment_args(base).arg(human),
            Kind::Cd | Kind::Lcd => PlaceArgs::augment_args(base),
            Kind::Lls => LlsArgs::augment_args(base),
            Kind::Rmdir => RmdirArgs::augment_args(base),
            Kind::Help => TopicArgs::augment_args(base),
            Kind::Pwd | Kind::Lpwd | Kind::History | Kind::Exit => base,
        };
        // Last: the arguments bring a description of their own.
        grammar.about(capitalized(self.about))
    }

    fn read(&self, words: Vec<OsString>) -> Result<Spoken, clap::Error> {
        let matches = &self.grammar().try_get_matches_from(words)?;
        Ok(match self.kind {
            Kind::Ls => Spoken::Run(Command::Ls(args(matches)?)),
            Kind::Get => Spoken::Run(Command::Get(args(matches)?)),
            Kind::Put => Spoken::Run(Command::Put(args(matches)?)),
            Kind::Mkdir => Spoken::Run(Command::Mkdir(args(matches)?)),
            Kind::Rm => Spoken::Run(Command::Rm(args(matches)?)),
            Kind::Remov => Spoken::Run(Command::Rm(RmArgs {
                recursive: true,
                ..args(matches)?
            })),
            Kind::Mv => Spoken::Run(Command::Mv(args(matches)?)),
            Kind::Chmod => Spoken::Run(Command::Chmod(args(matches)?)),
            Kind::Sum => Spoken::Run(Command::Sum(args(matches)?)),
            Kind::Df => Spoken::Run(Command::Df(args(matches)?)),
            Kind::Cd => Spoken::Here(Here::Cd(args::<PlaceArgs>(matches)?.word)),
            Kind::Pwd => Spoken::Here(Here::Pwd),
            Kind::Lls => Spoken::Here(Here::Lls(args::<LlsArgs>(matches)?.words)),
            Kind::Lcd => Spoken::Here(Here::Lcd(args::<PlaceArgs>(matches)?.word)),
            Kind::Lpwd => Spoken::Here(Here::Lpwd),
            Kind::Rmdir => Spoken::Here(Here::Rmdir(args::<RmdirArgs>(matches)?.words)),
            Kind::History => Spoken::Here(Here::History),
            Kind::Help => Spoken::Here(Here::Help(args::<TopicArgs>(matches)?.command)),
            Kind::Exit => Spoken::Here(Here::Exit),
        })
    }
}

fn args<T: FromArgMatches>(matches: &clap::ArgMatches) -> Result<T, clap::Error> {
    T::from_arg_matches(matches)
}

fn capitalized(about: &str) -> String {
    let mut chars = about.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

/// Understands the words of a line, of which there is at least one.
///
/// # Errors
/// With what to tell the person: help that was asked for, or what is wrong.
pub(super) fn understand(words: &[Word]) -> Result<Spoken, Told> {
    let Some((name, rest)) = words.split_first() else {
        return Err(help::overview());
    };
    let verb = Verb::by_name(name.bytes()).ok_or_else(|| help::unknown(name.bytes()))?;
    let words = rest.iter().map(from_word).collect();
    verb.read(words).map_err(|error| help::sentence(verb, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Verify;

    fn understood(line: &str) -> Result<Spoken, Told> {
        understand(&base::words::words(line.as_bytes()).unwrap())
    }

    fn os(words: &[&str]) -> Vec<OsString> {
        words.iter().map(OsString::from).collect()
    }

    #[test]
    fn every_name_is_one_command_and_has_help() {
        let mut names: Vec<&str> = VERBS.iter().flat_map(|verb| verb.names).copied().collect();
        for name in &names {
            assert!(Verb::by_name(name.as_bytes()).is_some());
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        for verb in VERBS {
            // Asserts that the grammar makes sense, too.
            let help = verb.grammar().render_long_help().to_string();
            assert!(help.contains(&format!("Usage: {}", verb.name())), "{help}");
            verb.grammar().debug_assert();
        }
    }

    #[test]
    fn lines_become_commands() {
        let transfer = |words: &[&str]| TransferArgs {
            words: os(words),
            ..TransferArgs::default()
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
            ("get *.txt", Command::Get(transfer(&["*.txt"]))),
            ("DOWNLOAD a\\ b", Command::Get(transfer(&["a b"]))),
            ("upload a 'b[1]'", Command::Put(transfer(&["a", "b\\[1]"]))),
            (
                "put -rp --overwrite --verify never a",
                Command::Put(TransferArgs {
                    recursive: true,
                    preserve: true,
                    overwrite: true,
                    verify: Verify::Never,
                    ..transfer(&["a"])
                }),
            ),
            ("get -- -x", Command::Get(transfer(&["-x"]))),
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
            ("df -h", Command::Df(DfArgs::default())),
            (
                "chmod 0755 a",
                Command::Chmod(ChmodArgs {
                    mode: 0o755,
                    words: os(&["a"]),
                }),
            ),
        ] {
            assert_eq!(understood(line).unwrap(), Spoken::Run(command), "{line}");
        }
        for (line, here) in [
            ("cd", Here::Cd(None)),
            ("cd ..", Here::Cd(Some("..".into()))),
            ("cd -", Here::Cd(Some("-".into()))),
            ("lls -la x", Here::Lls(os(&["-la", "x"]))),
            ("rmdir a b", Here::Rmdir(os(&["a", "b"]))),
            ("?", Here::Help(None)),
            ("help get", Here::Help(Some("get".into()))),
            ("bye", Here::Exit),
        ] {
            assert_eq!(understood(line).unwrap(), Spoken::Here(here), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_a_sentence() {
        for (line, code, sentence) in [
            (
                "get",
                2,
                "get: the following required arguments were not provided: <FILE>... (hint: help get)",
            ),
            (
                "reput -q x",
                2,
                "put: unexpected argument '-q' found (hint: help put)",
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
            ("xyzzy", 2, "there is no command \"xyzzy\" (hint: help)"),
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
            let told = understood(line).unwrap_err();
            assert_eq!((told.code, told.text.as_str()), (code, sentence), "{line}");
        }
        let told = understood("get --help").unwrap_err();
        assert_eq!(told.code, 0);
        assert!(told.text.contains("Usage: get"), "{}", told.text);
    }
}
