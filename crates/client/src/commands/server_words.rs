//! The words of a command line that name a server: `HOST:PATH` and URLs. All of one command name the same server.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;

use crate::connect::{PathArgument, Target};
use base::error::Error;

/// The exit code for a command line that is wrong.
pub const WRONG_USAGE: u8 = 2;

/// The command line is wrong. The program ends with exit code 2.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct UsageError(pub Error);

impl UsageError {
    /// Says what is wrong, and in the hint what would be right.
    pub fn new(message: impl Into<String>, hint: &str) -> Self {
        Self(Error::new(message).hint(hint))
    }
}

/// Whether a word without a colon may name a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BareHost {
    /// `HOST` stands for its home: the verb needs no path.
    Allowed,
    /// Each word must be `HOST:PATH` or a URL.
    Refused,
}

/// The path of a target as a word of a command. Without a path it is the home.
pub(super) fn path_word(target: &Target) -> OsString {
    OsString::from_vec(target.path.clone().unwrap_or_else(|| b".".to_vec()))
}

/// The words of a command that looks at the current directory if it is given none.
pub(super) fn words_or_current_directory(words: &[OsString]) -> Vec<&OsStr> {
    match words {
        [] => vec![OsStr::new(".")],
        _ => words.iter().map(OsString::as_os_str).collect(),
    }
}

/// Replaces the words by paths on the one server that all of them name, and returns the server.
///
/// # Errors
/// When a word names no server, or another one than the first.
pub(super) fn take_server(words: &mut Vec<OsString>, bare_host: BareHost) -> Result<Target, UsageError> {
    let mut server: Option<Target> = None;
    let mut paths = Vec::new();
    for text in words.iter() {
        let hint = "[USER@]HOST:PATH, or sftp://[USER@]HOST[:PORT]/PATH";
        let target = match PathArgument::parse(text) {
            Ok(PathArgument::Remote(target)) => target,
            Ok(PathArgument::Local(_)) if bare_host == BareHost::Allowed => match Target::parse(text) {
                Ok(target) => target,
                Err(error) => return Err(UsageError::new(error.to_string(), hint)),
            },
            Ok(PathArgument::Local(_)) => {
                let hint = "[USER@]HOST:PATH; put and get transfer files of this machine";
                return Err(UsageError::new(format!("{text:?} names no server"), hint));
            }
            Err(error) => return Err(UsageError::new(error.to_string(), hint)),
        };
        paths.push(path_word(&target));
        let bare = Target { path: None, ..target };
        match &server {
            None => server = Some(bare),
            Some(first) if *first == bare => {}
            Some(_) => {
                return Err(UsageError::new(
                    "the paths are on different servers",
                    "one command works with one server",
                ));
            }
        }
    }
    *words = paths;
    server.ok_or_else(|| UsageError::new("no server is named", "[USER@]HOST:PATH"))
}
