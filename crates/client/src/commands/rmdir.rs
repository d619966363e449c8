//! `rmdir`: removes empty directories of the server.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::session::Session;
use super::verb::Verb;
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
    let link = session.link().await?;
    let mut code = 0;
    for word in words {
        for found in session.matching(&link, word).await? {
            if let Err(failed) = link.rmdir(&found.path).await {
                code = 1;
                let hint = match failed.is_failure() {
                    true => " (hint: is it empty? rm -r removes all that is in it)",
                    false => "",
                };
                session.complain(&found.shown, &format!("cannot remove it: {failed}{hint}"));
            }
        }
    }
    Ok(code)
}
