//! `sum`: prints MD5 hashes of files on the server, computed there, in the lines of md5sum.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::refusal::not_done;
use super::session::{RemotePath, Session};
use super::verb::Verb;
use crate::link::{
    Answered as _, ClaimedHash, ConnectionLost, Credibility, Extent, HashAnswer, HashKind, HashQuestion,
    HashValue, Link, NoHash, OpenFile, ReadAhead, RemoteError, confirm_commands, credibility, hashing,
};
use crate::output::{Stdout, Style, about, print_bytes, print_json};
use crate::transfer::RunConnection;
use crate::verbose;
use base::digest;
use base::digest::Algorithm;
use base::error::{Error, Result};
use base::visible::printable;

/// How many files are asked about at once.
const AT_ONCE: usize = 64;
/// The same for a server that hashes by commands: two of them run at once, with 500 names each.
const AT_ONCE_BY_COMMAND: usize = 1000;
/// From this size on, in bytes, a file is hashed by a command of its own.
const LARGE: u64 = 4 << 20;
/// How many large files are hashed at once: each keeps a CPU of the server busy, and sshd runs ten commands at most.
const LARGE_AT_ONCE: usize = 2;

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

/// What became of the question for one hash.
type Answer = std::result::Result<HashAnswer, ConnectionLost>;

async fn sum(session: &Arc<Session>, args: &SumArgs) -> Result<u8> {
    let found = NamedPaths::of(session, &args.words).all().await?;
    let connection = session.connection();
    let link = connection
        .link()
        .await
        .map_err(|failed| Error::new(failed.to_string()))?;
    let mut code = 0;
    let (mut asked, large) = (JoinSet::new(), Arc::new(Semaphore::new(LARGE_AT_ONCE)));
    // The answers that have overtaken those of earlier files.
    let mut early: BTreeMap<usize, Answer> = BTreeMap::new();
    let mut waiting = found.iter().enumerate();
    let at_once = match hashing::offers(&link, HashKind::Md5) {
        true => AT_ONCE,
        false => AT_ONCE_BY_COMMAND,
    };
    for (number, file) in found.iter().enumerate() {
        let answer = loop {
            while asked.len() + early.len() < at_once
                && let Some((number, RemotePath { path, .. })) = waiting.next()
            {
                let question = FileQuestion {
                    connection: Arc::clone(&connection),
                    path: path.clone(),
                    large: Arc::clone(&large),
                };
                asked.spawn(async move { (number, question.ask().await) });
            }
            if let Some(answer) = early.remove(&number) {
                break answer;
            }
            match asked.join_next().await {
                Some(Ok((number, answer))) => drop(early.insert(number, answer)),
                Some(Err(_)) | None => return Err(Error::new("the hashes cannot be asked for")),
            }
        };
        let answer = answer.map_err(|lost| not_done(lost, found.len() - number))?;
        code = code.max(show(session, file, answer)?);
    }
    Ok(code)
}

/// The question for the hash of one file.
struct FileQuestion {
    connection: Arc<RunConnection>,
    path: Vec<u8>,
    /// Limits how many large files are hashed at once.
    large: Arc<Semaphore>,
}

impl FileQuestion {
    /// Asks on as many connections as it takes.
    async fn ask(&self) -> Answer {
        let Self { path, large, .. } = self;
        let asking = self.connection.repeated(|link, _| async move {
            let answer = hash_of(&link, path, large).await;
            answer.map_err(RemoteError::from)
        });
        match asking.await {
            Ok(answer) => Ok(answer),
            Err(RemoteError::ConnectionLost(lost)) => Err(lost),
            Err(failed) => Ok(HashAnswer::CannotBeHad(NoHash::Refused(failed))),
        }
    }
}

/// The hash of a file, unless the server's commands have hashed another one.
async fn hash_of_the_file(
    link: &Arc<Link>,
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
        Credibility::Unchecked => match by_reading(link, question.path).await.unless_refused()? {
            Some(read) if read == Some(hash) => {
                confirm_commands(link);
                answer
            }
            Some(_) => HashAnswer::CannotBeHad(NoHash::OtherFile),
            None => HashAnswer::CannotBeHad(NoHash::Unchecked),
        },
        Credibility::OfTheFile | Credibility::Outdated => answer,
    })
}

/// The hash of all bytes that the SFTP server has of a file: where nothing else says whether its commands see that
/// file. After one file, they are known to.
async fn by_reading(link: &Arc<Link>, path: &[u8]) -> std::result::Result<Option<HashValue>, RemoteError> {
    verbose::say(verbose::STEPS, || {
        format!(
            "reading \"{}\", because md5sum may see another file there",
            printable(path)
        )
    });
    let file = OpenFile::open(link, path).await?;
    let mut reader = file.reader(0, ReadAhead::MANY);
    let mut hasher = HashKind::Md5.algorithm().hasher();
    while let Some(bytes) = reader.next().await? {
        hasher.update(&bytes);
    }
    Ok(HashValue::new(HashKind::Md5, &hasher.finalize()))
}

/// Asks for the hash of a file. Questions about small files that wait for the same command go into the next one
/// together.
async fn hash_of(link: &Arc<Link>, path: &[u8], large: &Semaphore) -> Answer {
    // The size says how long a command may take.
    let attrs = link.stat(path).await.unless_refused()?;
    let expected = attrs.and_then(|attrs| attrs.size);
    let _turn = match expected {
        Some(..LARGE) => None,
        _ => large.acquire().await.ok(),
    };
    let question = HashQuestion {
        path,
        handle: None,
        extent: Extent::Whole,
        expected,
        kind: HashKind::Md5,
    };
    hash_of_the_file(link, &question).await
}

/// Prints the hash of a file, or why it cannot be had. Returns the exit code.
fn show(session: &Session, file: &RemotePath, answer: HashAnswer) -> Result<u8> {
    let RemotePath { shown, path } = file;
    let why: String = match answer {
        HashAnswer::Value(hash, _) => {
            match session.output.style {
                Style::Json => print_json(&about(path, json!({ "md5": hash.to_string() })))?,
                Style::Words | Style::Quiet => print_bytes(&line(&hash, shown))?,
            }
            return Ok(0);
        }
        HashAnswer::CannotBeHad(NoHash::NoRoute) => {
            return Err(Error::new("this server cannot hash").hint("get the file, and use md5sum here"));
        }
        HashAnswer::CannotBeHad(NoHash::Refused(refused)) => refused.to_string(),
        HashAnswer::CannotBeHad(reason) => reason.to_string(),
    };
    session.complain(shown, &why);
    Ok(1)
}

/// The line that md5sum prints for a hash.
fn line(hash: &HashValue, name: &[u8]) -> Vec<u8> {
    let name = Stdout::of_this_process().name(name);
    digest::line(digest::Style::default(), Algorithm::Md5, hash.bytes(), &name)
}
