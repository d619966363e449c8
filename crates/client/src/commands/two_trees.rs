//! The two directories of `sync` and `check`, one of which is on the server.
//!
//! On a command line it is written `HOST:PATH`. In a shell, and behind [`take_server`], its word begins with a colon.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::server_words::{UsageError, path_word};
use super::session::Session;
use crate::connect::{PathArgument, Target};
use crate::globs;
use crate::sync::Trees;
use crate::transfer::Direction;
use base::error::{Error, Result};
use base::glob::escape;

/// How the two directories are written.
const HINT: &str = "one of the two directories is HOST:DIR";

/// Takes the server out of two words that were typed on a command line.
///
/// # Errors
/// When not exactly one of them names a server.
pub(super) fn take_server(words: &mut [OsString]) -> std::result::Result<Target, UsageError> {
    if words.len() != 2 {
        return Err(UsageError::new("two directories are needed", HINT));
    }
    let mut server = None;
    for word in words.iter_mut() {
        match PathArgument::parse(word) {
            Ok(PathArgument::Remote(target)) => {
                *word = OsString::from_vec([b":", path_word(&target).as_bytes()].concat());
                let target = Target { path: None, ..target };
                if server.replace(target).is_some() {
                    return Err(UsageError::new("both directories are on a server", HINT));
                }
            }
            // The user's shell has expanded patterns already, so the word is a plain name.
            Ok(PathArgument::Local(path)) => {
                let path = path.as_os_str().as_bytes();
                let path = if path.starts_with(b":") {
                    [b"./", path].concat()
                } else {
                    path.to_vec()
                };
                *word = OsString::from_vec(escape(&path));
            }
            Err(error) => return Err(UsageError::new(error.to_string(), HINT)),
        }
    }
    server.ok_or_else(|| UsageError::new("no server is named", HINT))
}

/// The two directories that the words mean.
///
/// # Errors
/// When not exactly one of them is on the server, or a pattern stands for several.
pub(super) fn trees(session: &Session, words: &[OsString]) -> Result<Trees> {
    let [source, target] = words else {
        return Err(Error::new("two directories are needed").hint(HINT));
    };
    let on_server = |word: &OsString| word.as_bytes().strip_prefix(b":").map(|path| path.to_vec());
    let (direction, local, remote) = match (on_server(source), on_server(target)) {
        (None, Some(remote)) => (Direction::Up, source, remote),
        (Some(remote), None) => (Direction::Down, target, remote),
        _ => {
            return Err(Error::new("one of the two directories must be on the server")
                .hint("in a shell, :DIR is a directory of the server"));
        }
    };
    let remote = if remote.is_empty() { b".".to_vec() } else { remote };
    match <[_; 1]>::try_from(globs::local(local.as_bytes())) {
        Ok([local]) => Ok(Trees {
            direction,
            local,
            remote: session.path(OsStr::from_bytes(&remote)),
        }),
        Err(_) => Err(Error::new("the pattern stands for several directories").hint("name one of them")),
    }
}
