//! `sum`: prints MD5 hashes of files on the server, computed there, in the lines of md5sum.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde_json::json;

use super::candidates::Candidates;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::link::{Md5, hashing};
use crate::output::{Style, about, print_bytes, print_json};
use base::digest;
use base::digest::Algorithm;
use base::error::{Error, Result};
use base::visible::{hex, printable};

/// Show the MD5 hashes of files on the server, computed there
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "From a command line:\n  homeport sum HOST:FILE…")]
pub struct SumArgs {
    /// The files or patterns to hash.
    #[arg(required = true, value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for SumArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(sum(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn sum(session: &Arc<Session>, args: &SumArgs) -> Result<u8> {
    let link = session.link().await?;
    let mut code = 0;
    for word in &args.words {
        for RemotePath { shown, path } in session.matching(&link, word).await? {
            match hashing::md5(&link, &path, None).await {
                Ok(Some(hash)) if session.output.style == Style::Json => {
                    print_json(&about(&path, json!({ "md5": hex(&hash) })))?;
                }
                Ok(Some(hash)) => print_bytes(&line(&hash, &shown))?,
                Ok(None) => {
                    return Err(
                        Error::new("this server cannot hash").hint("get the file, and use md5sum here")
                    );
                }
                Err(failed) => {
                    code = 1;
                    session.complain(&shown, &failed);
                }
            }
        }
    }
    Ok(code)
}

/// The line that md5sum prints for a hash.
fn line(hash: &Md5, name: &[u8]) -> Vec<u8> {
    let name = match io::stdout().is_terminal() {
        true => printable(name).into_bytes(),
        false => name.to_vec(),
    };
    digest::line(digest::Style::default(), Algorithm::Md5, hash, &name)
}
