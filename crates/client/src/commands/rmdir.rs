//! `rmdir`: removes empty directories of the server.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::session::Session;
use super::verb::Verb;
use crate::transfer::RemoteWork;
use base::error::Result;

/// Remove empty directories of the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Example:\n  homeport rmdir HOST:old")]
pub struct RmdirArgs {
    /// The directories to remove, which must be empty.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for RmdirArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(rmdir(session, &self.words)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::RemoteDirectories]
    }
}

async fn rmdir(session: &Session, words: &[OsString]) -> Result<u8> {
    let mut names = NamedPaths::of(session, words);
    let mut code = 0;
    while let Some(found) = names.next().await? {
        let removing = RemoteWork::RemoveExistingDirectory(&found.path);
        match session.work(removing).await {
            Ok(_) => {}
            Err(failed) if failed.is_failure() => {
                code = 1;
                let hint = "(hint: is it empty? rm -r removes all that is in it)";
                session.complain(&found.shown, &format!("cannot remove it: {failed} {hint}"));
            }
            Err(failed) => code = code.max(names.fail(&found, failed, "cannot remove it")?),
        }
    }
    Ok(code)
}
