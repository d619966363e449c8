//! `mkdir`: makes directories on the server.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::session::Session;
use super::verb::Verb;
use crate::link::{Answered as _, Link};
use crate::names::parent;
use base::error::Result;
use base::visible::printable;

/// Create directories on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  homeport mkdir HOST:new\n  homeport mkdir -p HOST:a/b/c")]
pub struct MkdirArgs {
    /// Also create missing parent directories. A directory that exists already is not an error.
    #[arg(short, long)]
    pub parents: bool,
    /// The directories to create on the server.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for MkdirArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(mkdir(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::RemoteDirectories]
    }
}

async fn mkdir(session: &Arc<Session>, args: &MkdirArgs) -> Result<u8> {
    let link = session.link().await?;
    let mut code = 0;
    for word in &args.words {
        let path = session.path(word);
        let made = match args.parents {
            true => with_parents(&link, &path).await,
            false => make(&link, &path).await,
        };
        if let Err(failed) = made {
            code = 1;
            session.complain(&path, &failed);
        }
    }
    Ok(code)
}

/// Makes one directory. A server's "failure" says nothing, so a refusal is followed by a look at what is there.
async fn make(link: &Link, path: &[u8]) -> std::result::Result<(), String> {
    match link.mkdir(path).await {
        Ok(()) => Ok(()),
        Err(failed) => match link.lstat(path).await.unless_refused() {
            Ok(Some(_)) => Err("cannot make the directory: something with that name is there".to_owned()),
            Ok(None) => Err(format!("cannot make the directory: {failed}")),
            Err(lost) => Err(lost.to_string()),
        },
    }
}

async fn with_parents(link: &Link, path: &[u8]) -> std::result::Result<(), String> {
    let mut missing = vec![path.to_vec()];
    while let Some(next) = missing.last().cloned() {
        let is_directory = link.is_directory(&next).await.map_err(|lost| lost.to_string())?;
        let above = parent(&next).to_vec();
        if is_directory {
            missing.pop();
            break;
        }
        if above.is_empty() || above == b"/" {
            break;
        }
        missing.push(above);
    }
    for above in missing.iter().rev() {
        make(link, above).await.map_err(|why| match above == path {
            true => why,
            false => format!("\"{}\": {why}", printable(above)),
        })?;
    }
    Ok(())
}
