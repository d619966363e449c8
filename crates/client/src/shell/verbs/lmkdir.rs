//! `lmkdir`: makes directories on this machine.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::names::below_home;
use crate::shell::context::ShellContext;
use crate::shell::messages::{complain, quoted_name, reason};
use crate::shell::verb::{LineOutcome, ShellVerb};
use base::glob::unescape;

/// Create directories on this machine
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct LmkdirArgs {
    /// Also create missing parent directories. A directory that exists already is not an error.
    #[arg(short, long)]
    pub(in crate::shell) parents: bool,
    /// The directories to create on this machine.
    #[arg(required = true, value_name = "PATH")]
    pub(in crate::shell) words: Vec<OsString>,
}

impl ShellVerb for LmkdirArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        let mut code = 0;
        for word in &self.words {
            let path = path_of(word.as_bytes());
            let made = std::fs::DirBuilder::new().recursive(self.parents).create(&path);
            if let Err(error) = made {
                code = 1;
                let shown = quoted_name(path.as_os_str().as_bytes());
                complain(&format!(
                    "cannot make {shown} on this machine: {}",
                    reason(&error)
                ));
            }
        }
        LineOutcome::Code(code)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::LocalDirectories]
    }
}

/// The one path that a word means, whether it exists or not.
fn path_of(word: &[u8]) -> PathBuf {
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    match (below_home(word), std::env::home_dir()) {
        (Some(below), Some(home)) => home.join(path(unescape(below))),
        _ => path(unescape(word)),
    }
}
