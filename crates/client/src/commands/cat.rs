//! `cat`: prints files of the server, in order, to standard output.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::link::{Answered as _, ConnectionLost, Link, OpenFile, ReadAhead};
use crate::output::print_bytes;
use base::error::{Error, Result};

/// Print files of the server to standard output
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  \
    homeport cat HOST:notes.txt\n  \
    homeport cat HOST:part1 HOST:part2 > whole\n  \
    homeport cat HOST:dump.sql.gz | gunzip | psql")]
pub struct CatArgs {
    /// The files or patterns to print.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for CatArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(cat(session, &self.words)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

/// Prints the files that words stand for. Returns the exit code.
pub(super) async fn cat(session: &Session, words: &[OsString]) -> Result<u8> {
    let link = session.link().await?;
    let mut code = 0;
    for word in words {
        for RemotePath { shown, path } in session.matching(&link, word).await? {
            if let Err(why) = print_file(&link, &path).await? {
                code = 1;
                session.complain(&shown, &why);
            }
        }
    }
    Ok(code)
}

/// Prints a file. The inner error is the server's.
async fn print_file(link: &Arc<Link>, path: &[u8]) -> Result<std::result::Result<(), String>> {
    let file = match open_for_reading(link, path).await {
        Ok(file) => file,
        Err(why) => return Ok(Err(why)),
    };
    print_from(&file, 0).await
}

/// Opens a file whose bytes are shown.
///
/// # Errors
/// A sentence, also where the path is a directory.
pub(super) async fn open_for_reading(link: &Arc<Link>, path: &[u8]) -> std::result::Result<OpenFile, String> {
    let words = |lost: ConnectionLost| lost.to_string();
    let (opened, is_directory) = match OpenFile::open(link, path).await {
        // Some servers open directories, and fail only when they are read.
        Ok(file) => {
            let attrs = file.attributes().await.unless_refused().map_err(words)?;
            let is_directory = attrs.and_then(|attrs| attrs.is_directory()) == Some(true);
            (Ok(file), is_directory)
        }
        Err(failed) => (Err(failed), link.is_directory(path).await.map_err(words)?),
    };
    match is_directory {
        true => Err("it is a directory".to_owned()),
        false => opened.map_err(|failed| failed.to_string()),
    }
}

/// Prints a file from an offset to its end. The inner error is the server's.
pub(super) async fn print_from(file: &OpenFile, offset: u64) -> Result<std::result::Result<(), String>> {
    let mut reader = file.reader(offset, ReadAhead::MANY);
    loop {
        match reader.next().await {
            Ok(Some(bytes)) => print_aside(bytes).await?,
            Ok(None) => return Ok(Ok(())),
            Err(failed) => return Ok(Err(failed.to_string())),
        }
    }
}

/// Writes bytes to standard output on another thread: its reader may be slow, and the connection is kept up meanwhile.
pub(super) async fn print_aside(bytes: Vec<u8>) -> Result<()> {
    let printed = tokio::task::spawn_blocking(move || print_bytes(&bytes)).await;
    printed.map_err(|error| Error::new("cannot write to standard output").because(error))?
}
