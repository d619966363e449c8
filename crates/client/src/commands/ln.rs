//! `ln`: makes links on the server, symbolic ones with `-s`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::refusal::{not_answered, unless_lost};
use super::server_words::{BareHost, UsageError, path_word, take_server};
use super::session::Session;
use super::verb::Verb;
use crate::connect::{PathArgument, Target};
use crate::link::{Answered as _, ConnectionLost};
use crate::names::{join, last};
use crate::transfer::RemoteWork;
use base::error::{Error, Result};
use base::glob::{escape, unescape};
use base::visible::printable;

/// Make a link on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(after_help = "Examples:\n  \
    homeport ln HOST:data HOST:same        a second name of the same file\n  \
    homeport ln -s releases/7 HOST:current a link that holds this path, as it is typed\n  \
    homeport ln -sf releases/8 HOST:current")]
pub struct LnArgs {
    /// Make a symbolic link. Its target is stored as it is typed, and need not exist.
    #[arg(short, long)]
    pub symbolic: bool,
    /// Remove a file or link that has the name already.
    #[arg(short, long)]
    pub force: bool,
    /// The target, and the name of the link. An existing directory gets a link with the name of the target.
    #[arg(required = true, num_args = 2, value_names = ["TARGET", "LINK"])]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for LnArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(ln(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        let [target, name] = &self.words[..] else {
            return Err(UsageError::new(
                "a target and a name are needed",
                "homeport ln TARGET HOST:LINK",
            ));
        };
        if !self.symbolic {
            return take_server(&mut self.words, BareHost::Refused);
        }
        let mut only_name = vec![name.clone()];
        let server = take_server(&mut only_name, BareHost::Refused)?;
        // A target on the same server is meant as its path; everything else is the text of the link.
        let text = match PathArgument::parse(target) {
            Ok(PathArgument::Remote(remote))
                if (Target {
                    path: None,
                    ..remote.clone()
                }) == server =>
            {
                path_word(&remote)
            }
            _ => OsString::from_vec(escape(target.as_bytes())),
        };
        self.words = std::iter::once(text).chain(only_name).collect();
        Ok(server)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

async fn ln(session: &Arc<Session>, args: &LnArgs) -> Result<u8> {
    let [target, name] = &args.words[..] else {
        return Err(Error::new("ln needs a target and a name"));
    };
    let text = unescape(target.as_bytes());
    let mut path = session.path(name);
    // With -f a link to a directory is replaced, which is what people mean by it.
    let there = match args.force {
        true => session.lstat(&path).await,
        false => session.stat(&path).await,
    };
    let there = there.unless_refused().map_err(not_answered)?;
    if there.is_some_and(|attrs| attrs.is_directory() == Some(true)) {
        path = join(&path, last(&text));
    }
    let made = make(session, args, target, &path).await.map_err(not_answered)?;
    if let Err(why) = made {
        session.complain(&path, &why);
        return Ok(1);
    }
    Ok(0)
}

/// Makes the link. The inner error says what is wrong.
async fn make(
    session: &Session,
    args: &LnArgs,
    target: &OsStr,
    path: &[u8],
) -> std::result::Result<std::result::Result<(), String>, ConnectionLost> {
    if args.force {
        match session.lstat(path).await.unless_refused()? {
            Some(attrs) if attrs.is_directory() == Some(true) => {
                return Ok(Err("it is a directory".to_owned()));
            }
            Some(_) => {
                if let Err(failed) = unless_lost(session.work(RemoteWork::Remove(path)).await)? {
                    return Ok(Err(format!("cannot replace it: {failed}")));
                }
            }
            // There is nothing to replace, or the server says why when the link is made.
            None => {}
        }
    }
    let text = unescape(target.as_bytes());
    let made = match args.symbolic {
        true => session.work(RemoteWork::Symlink(&text, path)).await,
        false => {
            let from = session.path(target);
            session.work(RemoteWork::HardLink(&from, path)).await
        }
    };
    let Err(failed) = unless_lost(made)? else {
        return Ok(Ok(()));
    };
    if failed.is_failure() && session.lstat(path).await.unless_refused()?.is_some() {
        let why = "cannot make the link: something with that name is there";
        return Ok(Err(why.to_owned()));
    }
    let shown = printable(&text);
    Ok(Err(format!("cannot make a link to \"{shown}\": {failed}")))
}
