//! `rmdir`: removes empty directories of the server.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;

use clap::Args;

use crate::commands::Session;
use crate::commands::candidates::Candidates;
use crate::globs;
use crate::shell::context::ShellContext;
use crate::shell::messages::{complain, quoted_name};
use crate::shell::verb::{LineOutcome, ShellVerb};

/// Remove empty directories of the server
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(in crate::shell) struct RmdirArgs {
    /// The directories, which must be empty.
    #[arg(required = true, value_name = "PATH")]
    pub(in crate::shell) words: Vec<OsString>,
}

impl ShellVerb for RmdirArgs {
    fn run(&self, shell: &mut ShellContext) -> LineOutcome {
        shell.stoppable(rmdir(&shell.session, &self.words)).into()
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::RemoteDirectories]
    }
}

async fn rmdir(session: &Session, words: &[OsString]) -> Result<(), String> {
    let link = session.remote.link().await.map_err(|failed| failed.to_string())?;
    let mut all = Ok(());
    for word in words {
        let found = globs::remote(&link, &session.directory(), word.as_bytes()).await;
        for name in found.map_err(|failed| failed.to_string())? {
            if let Err(failed) = link.rmdir(&session.resolve(&name)).await {
                let hint = match failed.is_failure() {
                    true => " (hint: is it empty? remov removes all that is in it)",
                    false => "",
                };
                let sentence = format!("cannot remove {}: {failed}{hint}", quoted_name(&name));
                // The last sentence is printed by the caller.
                if let Err(before) = std::mem::replace(&mut all, Err(sentence)) {
                    complain(&before);
                }
            }
        }
    }
    all
}
