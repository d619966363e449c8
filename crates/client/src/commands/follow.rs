//! `tail -f`: goes on with what is added to a file. A file that is cut is shown from its beginning, and one that takes
//! the place of the first is opened; a connection that is lost is made again.
//!
//! SFTP says no inode numbers. So the file that is open is looked at before and after its path: as long as both are the
//! same file, size and time of the path lie between.

use std::sync::Arc;
use std::time::Duration;

use sftp_wire::Attributes;

use super::cat::print_aside;
use super::last_lines::start_of_lines;
use super::refusal::not_answered;
use super::resumed_read::{OpenedFile, ReadFailure};
use super::session::{RemotePath, Session};
use crate::link::{Link, OpenFile, ReadAhead, RemoteError};
use base::error::Result;

/// How often the file is looked at.
const PAUSE: Duration = Duration::from_secs(1);

/// What has become of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileChange {
    /// It has at least the bytes that were shown.
    Grown,
    /// It is shorter than what was shown.
    Cut,
    /// Another file has its path.
    Replaced,
    /// Nothing has its path at the moment.
    Gone,
}

/// The size and time of a file at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Moment {
    size: u64,
    modified: u32,
}

impl From<Attributes> for Moment {
    fn from(attrs: Attributes) -> Self {
        Self {
            size: attrs.size.unwrap_or(0),
            modified: attrs.times.map_or(0, |times| times.modified),
        }
    }
}

/// Prints the last lines of a file, and what is added to it. It ends only by an error. Returns the exit code.
pub(super) async fn follow(session: &Session, found: &RemotePath, lines: u64) -> Result<u8> {
    let fail = |why: &dyn std::fmt::Display| {
        session.complain(&found.shown, why);
        Ok(1)
    };
    let FollowedFile {
        mut link,
        mut file,
        mut offset,
    } = match open(session, &found.path, Some(lines)).await? {
        Ok(opened) => opened,
        Err(why) => return fail(&why),
    };
    let mut was_gone = false;
    loop {
        match print_on(&file, &mut offset).await {
            Ok(printed) => printed?,
            Err(RemoteError::ConnectionLost(_)) => {
                match open(session, &found.path, None).await? {
                    Ok(opened) => (link, file) = (opened.link, opened.file),
                    Err(why) => return fail(&why),
                }
                continue;
            }
            Err(failed) => return fail(&failed),
        }
        tokio::time::sleep(PAUSE).await;
        match change(&link, &file, &found.path, offset).await {
            Ok(FileChange::Grown) => {}
            Ok(FileChange::Cut) => {
                session.complain(&found.shown, &"the file was cut; it is shown from its beginning");
                offset = 0;
            }
            Ok(FileChange::Gone) => {
                if !was_gone {
                    session.complain(&found.shown, &"the file is gone; waiting for another one");
                }
                was_gone = true;
                continue;
            }
            Ok(FileChange::Replaced) => {
                // What was added to the old file at the last moment.
                if let Ok(printed) = print_on(&file, &mut offset).await {
                    printed?;
                }
                match OpenFile::open(&link, &found.path).await {
                    Ok(opened) => {
                        session.complain(
                            &found.shown,
                            &"another file has taken its place, and is shown now",
                        );
                        (file, offset) = (opened, 0);
                    }
                    // It may come back, or the loss of the connection is noticed next.
                    Err(_) => continue,
                }
            }
            // The next read says what is wrong.
            Err(_) => {}
        }
        was_gone = false;
    }
}

/// Prints what the file has behind `offset`. The outer error is the server's, the inner one that of standard output.
async fn print_on(file: &OpenFile, offset: &mut u64) -> std::result::Result<Result<()>, RemoteError> {
    let mut reader = file.reader(*offset, ReadAhead::MANY);
    while let Some(bytes) = reader.next().await? {
        *offset = offset.saturating_add(bytes.len() as u64);
        if let Err(failed) = print_aside(bytes).await {
            return Ok(Err(failed));
        }
    }
    Ok(Ok(()))
}

/// The file that is shown.
struct FollowedFile {
    link: Arc<Link>,
    file: OpenFile,
    /// Where it is shown from.
    offset: u64,
}

/// Opens the file, on as many connections as it takes, and finds where its last lines begin if they are wanted. The inner
/// error says what is wrong with the file.
async fn open(
    session: &Session,
    path: &[u8],
    lines: Option<u64>,
) -> Result<std::result::Result<FollowedFile, String>> {
    let opening = session.repeated(|link, _| open_on(link, path, lines));
    match opening.await {
        Ok(opened) => Ok(opened),
        Err(RemoteError::ConnectionLost(lost)) => Err(not_answered(lost)),
        Err(failed) => Ok(Err(failed.to_string())),
    }
}

async fn open_on(
    link: Arc<Link>,
    path: &[u8],
    lines: Option<u64>,
) -> std::result::Result<std::result::Result<FollowedFile, String>, RemoteError> {
    let file = match OpenedFile::open(&link, path).await {
        Ok(opened) => opened.file,
        Err(ReadFailure::Lost(lost)) => return Err(lost.into()),
        Err(ReadFailure::File(why)) => return Ok(Err(why)),
        Err(ReadFailure::Sink(failed)) => return Ok(Err(failed.to_string())),
    };
    let offset = match lines {
        Some(lines) => start_of_lines(&file, lines).await?,
        None => Ok(0),
    };
    Ok(offset.map(|offset| FollowedFile { link, file, offset }))
}

/// Looks at the file and at its path.
async fn change(
    link: &Link,
    file: &OpenFile,
    path: &[u8],
    shown: u64,
) -> std::result::Result<FileChange, RemoteError> {
    let handle = file.handle();
    // The requests are sent in this order, and the server answers in it.
    let (before, there, after) =
        tokio::join!(biased; link.fstat(handle), link.look(path), link.fstat(handle));
    let (before, after) = (Moment::from(before?), Moment::from(after?));
    Ok(match there? {
        None => FileChange::Gone,
        Some(there) => compare(before, there.into(), after, shown),
    })
}

fn compare(before: Moment, there: Moment, after: Moment, shown: u64) -> FileChange {
    let between = before.size <= there.size
        && there.size <= after.size
        && before.modified <= there.modified
        && there.modified <= after.modified;
    match (between, after.size < before.size, after.size < shown) {
        // It was cut between the two looks.
        (_, true, _) | (true, _, true) => FileChange::Cut,
        (true, _, false) => FileChange::Grown,
        (false, false, _) => FileChange::Replaced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_become_of_a_file_shows_in_sizes_and_times() {
        let at = |size, modified| Moment { size, modified };
        for (before, there, after, shown, expected) in [
            (at(5, 1), at(5, 1), at(5, 1), 5, FileChange::Grown),
            (at(5, 1), at(7, 2), at(9, 2), 5, FileChange::Grown),
            (at(3, 2), at(3, 2), at(3, 2), 5, FileChange::Cut),
            (at(5, 1), at(0, 2), at(0, 2), 5, FileChange::Cut),
            (at(5, 1), at(0, 2), at(5, 1), 5, FileChange::Replaced),
            (at(5, 1), at(5, 2), at(5, 1), 5, FileChange::Replaced),
            (at(5, 2), at(9, 1), at(5, 2), 5, FileChange::Replaced),
        ] {
            assert_eq!(
                compare(before, there, after, shown),
                expected,
                "{before:?} {there:?} {after:?}"
            );
        }
    }
}
