//! Reads a file of the server in order, on as many connections as it takes: after a break it goes on behind the last byte
//! that was taken, so that no byte is taken twice. A file that has changed meanwhile is an error.

use std::sync::Arc;

use async_trait::async_trait;
use sftp_wire::Attributes;

use super::last_lines::start_of_lines;
use super::session::Session;
use crate::link::{Answered as _, ConnectionLost, Link, OpenFile, ReadAhead, RemoteError};
use crate::transfer::WorkAttempts;
use base::error::{Error, Result};
use base::size::counted;

/// What takes the bytes of a file, in their order.
#[async_trait]
pub(super) trait ByteSink: Send {
    /// Takes the next bytes, and returns whether more are wanted.
    ///
    /// # Errors
    /// When they cannot be taken.
    async fn take(&mut self, bytes: Vec<u8>) -> Result<bool>;
}

/// Where a reader begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadStart {
    /// At the beginning of the file.
    Beginning,
    /// At the last lines, so many of them.
    Lines(u64),
}

/// Why a file was not read to its end.
pub(super) enum ReadFailure {
    /// There is no connection any more.
    Lost(ConnectionLost),
    /// Something is wrong with the file. Holds a sentence.
    File(String),
    /// The bytes cannot be taken.
    Sink(Error),
}

impl From<ConnectionLost> for ReadFailure {
    fn from(lost: ConnectionLost) -> Self {
        Self::Lost(lost)
    }
}

impl From<RemoteError> for ReadFailure {
    fn from(failed: RemoteError) -> Self {
        match failed {
            RemoteError::ConnectionLost(lost) => Self::Lost(lost),
            failed @ (RemoteError::Refused { .. } | RemoteError::UnexpectedReply(_)) => {
                Self::File(failed.to_string())
            }
        }
    }
}

/// A file that is open, and what the server says of it.
pub(super) struct OpenedFile {
    pub(super) file: OpenFile,
    /// `None`: the server does not say it.
    pub(super) attrs: Option<Attributes>,
}

impl OpenedFile {
    /// Opens a file whose bytes are shown.
    ///
    /// # Errors
    /// When it cannot be opened, or is a directory, or the connection is lost.
    pub(super) async fn open(link: &Arc<Link>, path: &[u8]) -> std::result::Result<Self, ReadFailure> {
        let (opened, is_directory) = match OpenFile::open(link, path).await {
            // Some servers open directories, and fail only when they are read.
            Ok(file) => {
                let attrs = file.attributes().await.unless_refused()?;
                let is_directory = attrs.and_then(|attrs| attrs.is_directory()) == Some(true);
                (Ok(Self { file, attrs }), is_directory)
            }
            Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
            Err(failed) => (Err(failed), link.is_directory(path).await?),
        };
        match is_directory {
            true => Err(ReadFailure::File("it is a directory".to_owned())),
            false => Ok(opened?),
        }
    }
}

/// A file that is read in order.
pub(super) struct ResumedRead<'a> {
    path: &'a [u8],
    start: ReadStart,
    ahead: ReadAhead,
    attempts: WorkAttempts,
    /// What was taken so far. `None`: nothing, and a file that has changed is read as it is now.
    taken: Option<TakenPart>,
}

/// The part of a file that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TakenPart {
    /// The offset behind the last byte.
    end: u64,
    /// The time of the file when it was opened. `None`: the server does not say it.
    modified: Option<u32>,
}

impl TakenPart {
    /// What is wrong with a file that is opened again, and is not the one of which this part was taken.
    fn check(self, attrs: Option<&Attributes>) -> std::result::Result<(), String> {
        let Self { end, modified } = self;
        let size = attrs.and_then(|attrs| attrs.size);
        let now = attrs.and_then(|attrs| attrs.times).map(|times| times.modified);
        let what = match (size, modified.zip(now)) {
            (Some(size), _) if size < end => format!("it has only {} now", counted(size, "byte")),
            (_, Some((then, now))) if then != now => "it was modified".to_owned(),
            _ => return Ok(()),
        };
        Err(format!(
            "the file has changed while the connection was lost: {what}, and it was read up to byte {end} before (hint: \
             run the same command again)"
        ))
    }
}

impl<'a> ResumedRead<'a> {
    /// Creates a reader that has not begun.
    pub(super) fn new(session: &Session, path: &'a [u8], start: ReadStart, ahead: ReadAhead) -> Self {
        Self {
            path,
            start,
            ahead,
            attempts: session.connection().attempts(),
            taken: None,
        }
    }

    /// Reads to the end of the file, or until the sink wants no more.
    ///
    /// # Errors
    /// When no connection can be made any more, the server refuses, the file has changed, or the bytes cannot be taken.
    pub(super) async fn run(mut self, sink: &mut dyn ByteSink) -> std::result::Result<(), ReadFailure> {
        loop {
            let link = self.attempts.link().await?;
            match self.attempt(&link, sink).await {
                Err(ReadFailure::Lost(lost)) => {
                    if !self.attempts.allow_another() {
                        return Err(lost.into());
                    }
                }
                ended => {
                    self.attempts.advanced();
                    return ended;
                }
            }
        }
    }

    /// Reads on one connection, as far as that carries.
    async fn attempt(
        &mut self,
        link: &Arc<Link>,
        sink: &mut dyn ByteSink,
    ) -> std::result::Result<(), ReadFailure> {
        let OpenedFile { file, attrs } = OpenedFile::open(link, self.path).await?;
        let (mut end, modified) = match self.taken {
            Some(taken) => {
                taken.check(attrs.as_ref()).map_err(ReadFailure::File)?;
                (taken.end, taken.modified)
            }
            None => {
                let start = match self.start {
                    ReadStart::Beginning => 0,
                    ReadStart::Lines(lines) => {
                        let start = start_of_lines(&file, lines).await?;
                        start.map_err(ReadFailure::File)?
                    }
                };
                (
                    start,
                    attrs.and_then(|attrs| attrs.times).map(|times| times.modified),
                )
            }
        };
        let mut reader = file.reader(end, self.ahead);
        while let Some(bytes) = reader.next().await? {
            end = end.saturating_add(bytes.len() as u64);
            if !sink.take(bytes).await.map_err(ReadFailure::Sink)? {
                return Ok(());
            }
            self.taken = Some(TakenPart { end, modified });
            self.attempts.advanced();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sftp_wire::Times;

    use super::*;

    #[test]
    fn a_file_that_has_changed_is_not_read_on() {
        let attrs = |size, modified| Attributes {
            size: Some(size),
            times: Some(Times {
                accessed: 0,
                modified,
            }),
            ..Attributes::default()
        };
        let taken = TakenPart {
            end: 100,
            modified: Some(7),
        };
        let check = |attrs: Option<Attributes>| taken.check(attrs.as_ref()).err();
        assert_eq!(check(Some(attrs(100, 7))), None);
        assert_eq!(check(Some(attrs(500, 7))), None);
        assert_eq!(check(None), None);
        for (size, modified, expected) in [
            (99, 7, "it has only 99 bytes now"),
            (500, 8, "it was modified"),
            (500, 6, "it was modified"),
        ] {
            let why = check(Some(attrs(size, modified))).unwrap();
            assert!(why.contains(expected) && why.contains("up to byte 100"), "{why}");
        }
    }
}
