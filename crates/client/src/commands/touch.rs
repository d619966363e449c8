//! `touch`: makes empty files, and sets the times of those that exist to now.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use clap::Args;
use sftp_wire::{Attributes, Times};

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::session::Session;
use super::verb::Verb;
use crate::link::{Link, RemoteError};
use crate::transfer::RemoteWork;
use base::error::Result;

/// Make empty files on the server, or set the times of files to now
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  \
    homeport touch HOST:ready            make it, or set its time to now\n  \
    homeport touch -c HOST:'*.stamp'     only those that are there")]
pub struct TouchArgs {
    /// Do not make files that do not exist.
    #[arg(short = 'c', long)]
    pub no_create: bool,
    /// The files or patterns whose times are set.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for TouchArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(touch(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn touch(session: &Arc<Session>, args: &TouchArgs) -> Result<u8> {
    let mut names = NamedPaths::of(session, &args.words);
    let mut code = 0;
    while let Some(found) = names.next().await? {
        let path = &found.path[..];
        let result = match session.work(RemoteWork::Set(path, &now())).await {
            Err(failed) if failed.is_missing() && args.no_create => Ok(()),
            Err(failed) if failed.is_missing() => session
                .repeated(|link, _| async move { make(&link, path).await })
                .await
                .map_err(|failed| (failed, "cannot make the file")),
            Err(failed) => Err((failed, "cannot set its times")),
            Ok(_) => Ok(()),
        };
        if let Err((failed, what)) = result {
            code = code.max(names.fail(&found, failed, what)?);
        }
    }
    Ok(code)
}

/// The attributes of a file that is changed now.
fn now() -> Attributes {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
    Attributes {
        times: Some(Times {
            accessed: now,
            modified: now,
        }),
        ..Attributes::default()
    }
}

async fn make(link: &Link, path: &[u8]) -> std::result::Result<(), RemoteError> {
    let handle = link.open_write(path, false, None).await?;
    link.close_handle(&handle).await
}
