//! The grammar of a line of the shell, made from the same clap arguments as the command line's: the verbs that work on
//! a server ([`Command`]) and the shell's own. Help and completion read it here, too.

use std::ffi::OsString;

use clap::{Arg, ArgAction, FromArgMatches as _, Subcommand};

use super::verb::ShellVerb;
use super::verbs;
use crate::commands::Command;
use crate::commands::candidates::Candidates;
use crate::commands::list::is_name_of;
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
/// Verbs that take `-h` and show sizes for people anyway, because that is what people type.
pub(super) const TAKE_HUMAN: [&str; 2] = ["ls", "df"];

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
            pub(super) fn into_own(self) -> Result<Box<dyn ShellVerb>, Command> {
                match self {
                    Self::Server(command) => Err(command),
                    Self::Remov(args) => Err(Command::Rm(args.into_rm())),
                    $(Self::$name(args) => Ok(Box::new(args)),)*
                }
            }

            /// What completion offers behind `earlier` words of the verb of this name. `None`: no verb has the name.
            pub(super) fn candidates(name: &str, earlier: usize) -> Option<&'static [Candidates]> {
                $(if is_name_of(name, stringify!($name)) {
                    return Some(<$args>::candidates(earlier));
                })*
                Command::candidates(if name == "remov" { "rm" } else { name }, earlier)
            }
        }
    };
}

shell_verbs! {
    Rmdir(verbs::rmdir::RmdirArgs),
    Cd(verbs::cd::CdArgs),
    Pwd(verbs::pwd::PwdArgs),
    #[command(visible_alias = "ldir")]
    Lls(verbs::lls::LlsArgs),
    Lcd(verbs::lcd::LcdArgs),
    Lpwd(verbs::lpwd::LpwdArgs),
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
    let name = verb.get_name();
    let others = OTHER_NAMES.iter().find(|(known, _)| *known == name);
    let takes_human = TAKE_HUMAN.contains(&name);
    if let Some((_, others)) = others {
        verb = verb.visible_aliases(*others);
    }
    if takes_human {
        verb = verb.arg(Arg::new("human").short('h').hide(true).action(ArgAction::SetTrue));
    }
    let help = Arg::new("help")
        .long("help")
        .help("Show this")
        .action(ArgAction::Help);
    verb.color(clap::ColorChoice::Never)
        .disable_version_flag(true)
        // In `df -h`, users mean human-readable sizes by `-h`.
        .disable_help_flag(true)
        .arg(help)
        // It shows how the verb is used from a command line.
        .after_help(None::<&str>)
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

/// Reads the words behind the name of a verb.
///
/// # Errors
/// What clap says of words that the verb does not take, and of `--help`.
pub(super) fn read(
    grammar: &clap::Command,
    verb: &clap::Command,
    words: &[Word],
) -> Result<ShellCommand, clap::Error> {
    let name = OsString::from(verb.get_name());
    let line = std::iter::once(name).chain(words.iter().map(from_word));
    let matches = grammar.clone().try_get_matches_from(line)?;
    ShellCommand::from_arg_matches(&matches)
}
