//! The list of the verbs that work on a server, one line each. What a verb does stands in its own file.

use super::candidates::Candidates;
use super::verb::Verb;

/// Makes the enum of all verbs, and finds for each what its own file says.
macro_rules! verbs {
    ($($name:ident($args:ty),)*) => {
        /// One command to a server. The help of a variant is the doc comment of its arguments.
        #[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
        #[allow(missing_docs, reason = "the names of the verbs")]
        pub enum Command {
            $($name($args),)*
        }

        impl Command {
            /// The verb with its arguments.
            pub fn verb(&self) -> &dyn Verb {
                match self {
                    $(Self::$name(args) => args,)*
                }
            }

            /// The name of the verb.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }

            /// The verb with its arguments, to be changed.
            pub fn verb_mut(&mut self) -> &mut dyn Verb {
                match self {
                    $(Self::$name(args) => args,)*
                }
            }

            /// What completion offers behind `earlier` words of the verb of this name. `None`: no verb has the name.
            pub fn candidates(name: &str, earlier: usize) -> Option<&'static [Candidates]> {
                $(if is_name_of(name, stringify!($name)) {
                    return Some(<$args>::candidates(earlier));
                })*
                None
            }
        }
    };
}

/// Whether a verb's name is the one that clap makes of this variant: `two-words` of `TwoWords`.
pub(crate) fn is_name_of(name: &str, variant: &str) -> bool {
    let letters = |text: &str| text.replace('-', "").to_ascii_lowercase();
    letters(name) == letters(variant)
}

verbs! {
    Get(super::get::GetArgs),
    Put(super::put::PutArgs),
    Sync(super::sync::SyncArgs),
    Check(super::check::CheckArgs),
    Ls(super::ls::LsArgs),
    Cat(super::cat::CatArgs),
    Less(super::less::LessArgs),
    Edit(super::edit::EditArgs),
    Tail(super::tail::TailArgs),
    Mkdir(super::mkdir::MkdirArgs),
    Rm(super::rm::RmArgs),
    Rmdir(super::rmdir::RmdirArgs),
    Mv(super::mv::MvArgs),
    Cp(super::cp::CpArgs),
    Ln(super::ln::LnArgs),
    Touch(super::touch::TouchArgs),
    Chmod(super::chmod::ChmodArgs),
    Stat(super::stat::StatArgs),
    Find(super::find::FindArgs),
    Du(super::du::DuArgs),
    Sum(super::sum::SumArgs),
    Df(super::df::DfArgs),
}
