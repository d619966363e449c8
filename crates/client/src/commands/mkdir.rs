//! `mkdir`: makes directories on the server.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::refusal::{not_done, unless_lost};
use super::session::Session;
use super::verb::Verb;
use crate::link::{Answered as _, ConnectionLost};
use crate::names::parent;
use crate::transfer::RemoteWork;
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
    let mut code = 0;
    for (number, word) in args.words.iter().enumerate() {
        let path = session.path(word);
        let made = match args.parents {
            true => with_parents(session, &path).await,
            false => make(session, &path).await,
        };
        if let Err(failed) = made.map_err(|lost| not_done(lost, args.words.len() - number))? {
            code = 1;
            session.complain(&path, &failed);
        }
    }
    Ok(code)
}

/// Makes one directory. A server's "failure" says nothing, so a refusal is followed by a look at what is there. The inner
/// error says what is wrong with the name.
async fn make(
    session: &Session,
    path: &[u8],
) -> std::result::Result<std::result::Result<(), String>, ConnectionLost> {
    let Err(failed) = unless_lost(session.work(RemoteWork::MakeNew(path)).await)? else {
        return Ok(Ok(()));
    };
    let there = session.lstat(path).await.unless_refused()?;
    Ok(Err(match there {
        Some(_) => "cannot make the directory: something with that name is there".to_owned(),
        None => format!("cannot make the directory: {failed}"),
    }))
}

async fn with_parents(
    session: &Session,
    path: &[u8],
) -> std::result::Result<std::result::Result<(), String>, ConnectionLost> {
    let mut missing = vec![path.to_vec()];
    while let Some(next) = missing.last().cloned() {
        let is_directory = session.is_directory(&next).await.unless_refused()?;
        let above = parent(&next).to_vec();
        if is_directory == Some(true) {
            missing.pop();
            break;
        }
        if above.is_empty() || above == b"/" {
            break;
        }
        missing.push(above);
    }
    for above in missing.iter().rev() {
        if let Err(why) = make(session, above).await? {
            return Ok(Err(match above == path {
                true => why,
                false => format!("\"{}\": {why}", printable(above)),
            }));
        }
    }
    Ok(Ok(()))
}
