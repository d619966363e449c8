//! `sum`: prints MD5 hashes of files on the server, computed there, in the lines of md5sum.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde_json::json;

use super::candidates::Candidates;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::link::{
    ClaimedHash, ConnectionLost, Credibility, Extent, HashAnswer, HashKind, HashQuestion, HashValue, Link,
    NoHash, credibility, hashing,
};
use crate::output::{Stdout, Style, about, print_bytes, print_json};
use base::digest;
use base::digest::Algorithm;
use base::error::{Error, Result};

/// Show the MD5 hashes of files on the server, computed there
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  homeport sum HOST:backup.tar\n  homeport sum HOST:'*.iso' | md5sum -c")]
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
            let question = HashQuestion {
                path: &path,
                handle: None,
                extent: Extent::Whole,
                expected: None,
                kind: HashKind::Md5,
            };
            match hash_of_the_file(&link, &question).await {
                Ok(HashAnswer::Value(hash, _)) if session.output.style == Style::Json => {
                    print_json(about(&path, json!({ "md5": hash.to_string() })))?;
                }
                Ok(HashAnswer::Value(hash, _)) => print_bytes(&line(&hash, &shown))?,
                Ok(HashAnswer::CannotBeHad(NoHash::NoRoute)) => {
                    return Err(
                        Error::new("this server cannot hash").hint("get the file, and use md5sum here")
                    );
                }
                Ok(HashAnswer::CannotBeHad(NoHash::Refused(refused))) => {
                    code = 1;
                    session.complain(&shown, &refused);
                }
                Ok(HashAnswer::CannotBeHad(reason)) => {
                    code = 1;
                    session.complain(&shown, &reason);
                }
                Err(lost) => {
                    code = 1;
                    session.complain(&shown, &lost);
                }
            }
        }
    }
    Ok(code)
}

/// The hash of a file, unless the server's commands have hashed another one.
async fn hash_of_the_file(
    link: &Link,
    question: &HashQuestion<'_>,
) -> std::result::Result<HashAnswer, ConnectionLost> {
    let answer = hashing::hash(link, question).await?;
    let HashAnswer::Value(hash, route) = answer else {
        return Ok(answer);
    };
    let claimed = ClaimedHash {
        value: hash,
        route,
        here: None,
    };
    Ok(match credibility(link, question.path, claimed).await? {
        Credibility::Nothing => HashAnswer::CannotBeHad(NoHash::OtherFile),
        Credibility::OfTheFile | Credibility::Outdated => answer,
    })
}

/// The line that md5sum prints for a hash.
fn line(hash: &HashValue, name: &[u8]) -> Vec<u8> {
    let name = Stdout::of_this_process().name(name);
    digest::line(digest::Style::default(), Algorithm::Md5, hash.bytes(), &name)
}
