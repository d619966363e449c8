//! `lcd`: changes the directory on this machine.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::globs;
use crate::shell::context::ShellContext;
use crate::shell::messages::{quoted_name, reason};
use crate::shell::verb::{LineOutcome, ShellVerb};
use base::glob::unescape;

/// Change the directory on this machine
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct LcdArgs {
    /// The new directory; the default is the home.
    #[arg(value_name = "DIRECTORY")]
    pub(in crate::shell) word: Option<OsString>,
}

impl ShellVerb for LcdArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        let word = self.word.as_ref().map_or(&b"~"[..], |word| word.as_bytes());
        let done = match &globs::local(word)[..] {
            [one] => std::env::set_current_dir(one).map_err(|error| {
                let shown = quoted_name(one.as_os_str().as_bytes());
                format!("cannot go to {shown} on this machine: {}", reason(&error))
            }),
            several => Err(format!(
                "cannot go to {} on this machine: it stands for {} names",
                quoted_name(&unescape(word)),
                several.len()
            )),
        };
        done.into()
    }

    fn candidates(earlier: usize) -> &'static [Candidates] {
        match earlier {
            0 => &[Candidates::LocalDirectories],
            _ => &[],
        }
    }
}
