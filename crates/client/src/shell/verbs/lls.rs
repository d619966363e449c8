//! `lls`: lists directories of this machine with its own `ls`, as sftp(1) does.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::commands::candidates::Candidates;
use crate::globs;
use crate::shell::context::ShellContext;
use crate::shell::messages::{complain, reason};
use crate::shell::verb::{LineOutcome, ShellVerb};

/// List directories of this machine
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct LlsArgs {
    /// Options and paths, as the ls of this machine takes them.
    #[arg(value_name = "PATH", allow_hyphen_values = true, trailing_var_arg = true)]
    pub(in crate::shell) words: Vec<OsString>,
}

impl ShellVerb for LlsArgs {
    fn run(&self, _shell: &mut ShellContext) -> LineOutcome {
        let mut names_only = false;
        let mut expanded: Vec<PathBuf> = Vec::new();
        for word in &self.words {
            let is_option = !names_only && word.as_bytes().starts_with(b"-");
            names_only |= word == "--";
            match is_option {
                true => expanded.push(word.into()),
                false => expanded.extend(globs::local(word.as_bytes()).into_iter().map(not_an_option)),
            }
        }
        let code = match std::process::Command::new("ls").args(expanded).status() {
            Ok(status) => status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
            Err(error) => {
                complain(&format!("cannot run the ls of this machine: {}", reason(&error)));
                1
            }
        };
        LineOutcome::Code(code)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Local]
    }
}

/// The same file under a name that does not look like an option.
fn not_an_option(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().first() {
        Some(b'-') => Path::new(".").join(path),
        _ => path,
    }
}
