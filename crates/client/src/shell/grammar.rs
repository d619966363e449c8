//! The grammar of a line of the shell, made from the same clap arguments as the command line's: the verbs that work on
//! a server ([`Command`]) and the shell's own. Help and completion read it here, too.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

use clap::{Arg, ArgAction, FromArgMatches as _, Subcommand};

use super::verb::ShellVerb;
use super::verbs;
use crate::commands::Command;
use crate::commands::candidates::Candidates;
use crate::commands::find::with_two_dashes;
use crate::commands::get::GetArgs;
use crate::commands::list::is_name_of;
use crate::commands::put::PutArgs;
use crate::globs::from_word;
use base::words::Word;

/// Other names that the shell knows for the verbs of a command line: those of habit and of older tools. On a command
/// line these words name hosts.
pub(super) const OTHER_NAMES: &[(&str, &[&str])] = &[
    ("ls", &["dir"]),
    ("get", &["download", "reget", "mget"]),
    ("put", &["upload", "reput", "mput"]),
    ("rm", &["delete"]),
    ("mv", &["rename"]),
];
/// Names of older tools, for which each of several words is a file, and none the place where they go.
const EACH_WORD_IS_A_FILE: [&str; 6] = ["download", "reget", "mget", "upload", "reput", "mput"];

/// Makes the enum of all verbs of the shell, and finds for each what its own file says.
macro_rules! shell_verbs {
    ($($(#[$attribute:meta])* $name:ident($args:ty),)*) => {
        /// What a line of the shell says.
        #[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
        pub(super) enum ShellCommand {
            /// A verb that works on a server.
            #[command(flatten)]
            Server(Command),
            #[command(visible_alias = "remove")]
            Remov(verbs::remov::RemovArgs),
            $($(#[$attribute])* $name($args),)*
        }

        impl ShellCommand {
            /// The verb of the shell's own, with its arguments. `Err`: a verb that works on a server.
            pub(super) fn into_own(self) -> Result<Box<dyn ShellVerb>, Box<Command>> {
                match self {
                    Self::Server(command) => Err(Box::new(command)),
                    Self::Remov(args) => Err(Box::new(Command::Rm(args.into_rm()))),
                    $(Self::$name(args) => Ok(Box::new(args)),)*
                }
            }

            /// What completion offers behind `earlier` words of the verb of this name. `None`: no verb has the name.
            pub(super) fn candidates(name: &str, earlier: usize) -> Option<&'static [Candidates]> {
                $(if is_name_of(name, stringify!($name)) {
                    return Some(<$args>::candidates(earlier));
                })*
                let name = match name {
                    "remov" => "rm",
                    "!" => return Some(verbs::local_command::LocalCommandArgs::candidates(earlier)),
                    name => name,
                };
                Command::candidates(name, earlier)
            }
        }
    };
}

shell_verbs! {
    Cd(verbs::cd::CdArgs),
    Pwd(verbs::pwd::PwdArgs),
    #[command(visible_alias = "ldir")]
    Lls(verbs::lls::LlsArgs),
    Lmkdir(verbs::lmkdir::LmkdirArgs),
    Lcd(verbs::lcd::LcdArgs),
    Lpwd(verbs::lpwd::LpwdArgs),
    #[command(name = "!")]
    LocalCommand(verbs::local_command::LocalCommandArgs),
    History(verbs::history::HistoryArgs),
    #[command(visible_alias = "?")]
    Help(verbs::help::HelpArgs),
    #[command(visible_aliases = ["quit", "bye"])]
    Exit(verbs::exit::ExitArgs),
}

/// What the shell understands: a subcommand for each verb, in the order in which `help` shows them.
pub(super) fn grammar() -> clap::Command {
    let base = clap::Command::new("homeport")
        .no_binary_name(true)
        .disable_help_subcommand(true);
    ShellCommand::augment_subcommands(base).mut_subcommands(in_a_line)
}

/// A verb as it is used in a line of the shell.
fn in_a_line(mut verb: clap::Command) -> clap::Command {
    let usage = verb.clone().render_usage().to_string();
    if usage.starts_with("Usage: homeport ") {
        // It is written for a command line.
        let usage = examples_in_a_line(verb.get_name(), &usage);
        let usage = usage.trim_start_matches("Usage: ").trim_end().to_owned();
        verb = verb.override_usage(usage);
    }
    let name = verb.get_name();
    let others = OTHER_NAMES.iter().find(|(known, _)| *known == name);
    if let Some((_, others)) = others {
        verb = verb.visible_aliases(*others);
    }
    // In `df -h`, users mean human-readable sizes by `-h`. Such verbs have their own `--help`.
    if !verb.get_arguments().any(|argument| argument.get_id() == "help") {
        let help = Arg::new("help")
            .long("help")
            .help("Show this")
            .action(ArgAction::Help);
        verb = verb.arg(help);
    }
    if verb.get_name() == "ls" {
        // On a command line, -F names a configuration file.
        verb = verb.mut_arg("classify", |classify| classify.short('F'));
    }
    let examples = verb.get_after_help().map(ToString::to_string);
    let examples = examples.map(|text| examples_in_a_line(verb.get_name(), &text));
    verb.color(clap::ColorChoice::Never)
        .disable_version_flag(true)
        .disable_help_flag(true)
        .after_help(examples.unwrap_or_default())
}

/// The examples or the usage of a command line as they are typed in the shell. No server is named here; `sync` and
/// `check` know a directory of the server by a colon. Examples with a pipe are left out, because they need a shell of
/// this machine.
fn examples_in_a_line(verb: &str, text: &str) -> String {
    let server = match verb {
        "sync" | "check" => ":",
        _ => "",
    };
    let lines = text.lines().filter(|line| !line.contains(" | "));
    let lines = lines.map(|line| {
        line.replace("homeport ", "")
            .replace("[USER@]", "")
            .replace("HOST: ", "")
            .replace("HOST:", server)
    });
    lines.map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// The name of a verb, and the others that are as good.
pub(super) fn names(verb: &clap::Command) -> Vec<&str> {
    verb.get_name_and_visible_aliases()
}

/// The verb that has this name, in capitals or not, as sftp(1) takes it.
pub(super) fn find<'a>(grammar: &'a clap::Command, name: &[u8]) -> Option<&'a clap::Command> {
    let is_it = |known: &&str| known.as_bytes().eq_ignore_ascii_case(name);
    grammar
        .get_subcommands()
        .find(|verb| names(verb).iter().any(is_it))
}

/// Whether each word behind this name of a verb is a file, and none the place where they go.
pub(super) fn each_word_is_a_file(name: &[u8]) -> bool {
    EACH_WORD_IS_A_FILE
        .iter()
        .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Reads the words behind the name of a verb.
///
/// # Errors
/// What clap says of words that the verb does not take, and of `--help`.
pub(super) fn read(
    grammar: &clap::Command,
    verb: &clap::Command,
    name: &Word,
    words: &[Word],
) -> Result<ShellCommand, clap::Error> {
    let first = std::iter::once(OsString::from(verb.get_name()));
    let matches = match verb.get_name() {
        "find" => {
            // Patterns are quoted by habit, and are patterns all the same. Paths stay escaped where they are quoted.
            let plain = |word: &Word| OsString::from_vec(word.bytes().to_vec());
            let is_pattern = |at: usize| {
                let before = at.checked_sub(1).and_then(|before| words.get(before));
                before.is_some_and(|option| {
                    matches!(option.bytes(), b"-name" | b"--name" | b"-iname" | b"--iname")
                })
            };
            let words = words.iter().enumerate().map(|(at, word)| match is_pattern(at) {
                true => plain(word),
                false => from_word(word),
            });
            grammar
                .clone()
                .try_get_matches_from(first.chain(with_two_dashes(words)))?
        }
        _ => grammar
            .clone()
            .try_get_matches_from(first.chain(words.iter().map(from_word)))?,
    };
    let mut command = ShellCommand::from_arg_matches(&matches)?;
    if each_word_is_a_file(name.bytes())
        && let ShellCommand::Server(Command::Get(GetArgs { transfer }) | Command::Put(PutArgs { transfer })) =
            &mut command
    {
        // The place where they go: the current directory.
        transfer.words.push(OsString::from("."));
    }
    Ok(command)
}
