//! The words of each command, the same for a script's command line and for the shell.

use std::ffi::OsString;

use clap::Args;

use crate::plan::Policy;
use crate::transfer::{Settings, Verify};

/// What `get` and `put` are told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct TransferArgs {
    /// Directories too, with all that is in them.
    #[arg(short, long)]
    pub recursive: bool,
    /// Keep times and permissions.
    #[arg(short, long)]
    pub preserve: bool,
    /// Replace files that are there and differ.
    #[arg(long, conflicts_with_all = ["skip", "rename"])]
    pub overwrite: bool,
    /// Leave files that are there and differ.
    #[arg(long, conflicts_with = "rename")]
    pub skip: bool,
    /// Give what comes another name where a file is there and differs.
    #[arg(long)]
    pub rename: bool,
    /// Do not complete files that are there in part.
    #[arg(long)]
    pub no_resume: bool,
    /// Compare hashes of both ends afterwards.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    pub verify: Verify,
    /// What is transferred, and where to.
    #[arg(required = true, value_name = "FILE")]
    pub words: Vec<OsString>,
}

impl TransferArgs {
    /// For the engine.
    pub fn settings(&self) -> Settings {
        Settings {
            conflicts: match (self.overwrite, self.skip, self.rename) {
                (true, _, _) => Policy::Overwrite,
                (_, true, _) => Policy::Skip,
                (_, _, true) => Policy::Rename,
                _ => Policy::Ask,
            },
            resume: !self.no_resume,
            verify: self.verify,
            preserve: self.preserve,
        }
    }
}

/// What `ls` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct LsArgs {
    /// A line for each, with permissions, size and time.
    #[arg(short)]
    pub long: bool,
    /// Names that begin with a dot, too.
    #[arg(short)]
    pub all: bool,
    /// One name a line, also in a terminal.
    #[arg(short = '1')]
    pub single: bool,
    /// The newest first.
    #[arg(short = 't', conflicts_with = "by_size")]
    pub by_time: bool,
    /// The largest first.
    #[arg(short = 'S')]
    pub by_size: bool,
    /// The other way round.
    #[arg(short = 'r')]
    pub reverse: bool,
    /// Files, directories, patterns; nothing: the directory where one is.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}

/// What `mkdir` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct MkdirArgs {
    /// Make directories above it that are missing; no error if it is there.
    #[arg(short, long)]
    pub parents: bool,
    /// Directories to make.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

/// What `chmod` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct ChmodArgs {
    /// Permissions in octal digits, as in 644.
    #[arg(value_parser = octal)]
    pub mode: u32,
    /// Files, directories, patterns.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

fn octal(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "permissions are octal digits, as in 644 or 0755".to_owned())
}

/// What `rm` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct RmArgs {
    /// Directories too, with all that is in them.
    #[arg(short, long)]
    pub recursive: bool,
    /// Do not ask, and do not complain about what is not there.
    #[arg(short, long)]
    pub force: bool,
    /// Files, directories, patterns.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

/// What `mv` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct MvArgs {
    /// One name and its new one, or several and a directory.
    #[arg(required = true, num_args = 2.., value_name = "PATH")]
    pub words: Vec<OsString>,
}

/// What `sum` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct SumArgs {
    /// Files, patterns.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

/// What `df` is told.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub struct DfArgs {
    /// In bytes.
    #[arg(short, long)]
    pub bytes: bool,
    /// Where; nothing: where one is.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}
