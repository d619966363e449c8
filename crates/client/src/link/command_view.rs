//! Whether the server's commands see the files of its SFTP server. Behind a chroot, or on a NAS, they may find another
//! file under the same path, and its hash says nothing. Hashes of both ends are compared here for that reason.

use super::Link;
use super::error::ConnectionLost;
use super::file_head::{CommandView, md5_of, read_head};
use super::hash::{Extent, HashKind, HashQuestion, HashValue, NoHash};
use super::hash_routes::{HashAnswer, HashRoute};
use super::hashing::hash_by;
use super::neighbours::view_of_neighbours;

/// How many bytes of a file are read to find out whether a command sees the same file.
const COMPARED_HEAD: u64 = 256 << 10;
/// How large a file may be that is read back as a whole where commands cannot hash beginnings, in bytes.
const READ_BACK: u64 = 16 << 20;

/// Finds out whether the server's commands see the file that its SFTP server has under this path, by its beginning.
async fn command_view(link: &Link, path: &[u8]) -> Result<CommandView, ConnectionLost> {
    let head = read_head(link, path, COMPARED_HEAD).await?;
    let Some(head) = head.filter(|head| !head.is_empty()) else {
        return Ok(CommandView::OtherFile);
    };
    let expected = md5_of(&head);
    let length = head.len() as u64;
    // A server that has no head may still hash all of a small file.
    let [by_head, by_all] = [Extent::First(length), Extent::AllOf(length)].map(|extent| HashQuestion {
        path,
        handle: None,
        extent,
        expected: Some(length),
        kind: HashKind::Md5,
    });
    let by_head = hash_by(link, HashRoute::CommandHead, &by_head).await.ok();
    // A longer file has another hash than its beginning, so that says nothing.
    let by_all = match by_head {
        None if length < COMPARED_HEAD => hash_by(link, HashRoute::Command, &by_all).await.ok(),
        _ => None,
    };
    if link.channel.is_lost() {
        return Err(link.channel.lost());
    }
    Ok(match by_head.or(by_all) {
        None => CommandView::Unknown,
        seen if seen == expected => CommandView::SameFile(expected.filter(|_| length < COMPARED_HEAD)),
        Some(_) => CommandView::OtherFile,
    })
}

/// What all bytes of a file say about a hash. A large file is not read back: small ones near it say whether commands
/// see the same files, but not whether this one has changed since.
async fn without_its_beginning(
    link: &Link,
    path: &[u8],
    claimed: ClaimedHash,
) -> Result<Credibility, ConnectionLost> {
    let credibility = by_all_bytes(link, path, claimed).await?;
    if credibility != Credibility::Unchecked || claimed.counts_against() {
        return Ok(credibility);
    }
    Ok(match view_of_neighbours(link, path).await? {
        CommandView::SameFile(_) => Credibility::OfTheFile,
        CommandView::OtherFile => Credibility::Nothing,
        CommandView::Unknown => Credibility::Unchecked,
    })
}

/// What all bytes of a file say about a hash, if it is not large.
async fn by_all_bytes(link: &Link, path: &[u8], claimed: ClaimedHash) -> Result<Credibility, ConnectionLost> {
    let bytes = read_head(link, path, READ_BACK).await?;
    let is_large = bytes
        .as_ref()
        .is_some_and(|bytes| bytes.len() as u64 >= READ_BACK);
    if is_large {
        return Ok(Credibility::Unchecked);
    }
    let here = claimed.here.map(|here| here.value);
    Ok(match bytes.and_then(|bytes| md5_of(&bytes)) {
        Some(now) if now == claimed.value => Credibility::OfTheFile,
        Some(now) if Some(now) == here => Credibility::Outdated,
        _ => Credibility::Nothing,
    })
}

/// The hash of bytes of this machine, with which one of the server is compared.
#[derive(Debug, Clone, Copy)]
pub struct LocalHash {
    /// The hash.
    pub value: HashValue,
    /// Whether the SFTP server has just shown these bytes. If so, an equal hash by a command says that it sees the same
    /// file.
    pub is_of_shown_bytes: bool,
}

/// A hash that came by some route, and what it is compared with.
#[derive(Debug, Clone, Copy)]
pub struct ClaimedHash {
    /// The hash that the server has told.
    pub value: HashValue,
    /// The route by which the hash came.
    pub route: HashRoute,
    /// The hash of this machine's bytes, if they are compared.
    pub here: Option<LocalHash>,
}

impl ClaimedHash {
    /// Whether it is another hash than that of this machine's bytes.
    fn counts_against(&self) -> bool {
        self.here.is_some_and(|here| here.value != self.value)
    }
}

/// What a hash says about the file of the SFTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credibility {
    /// It is the hash of that file.
    OfTheFile,
    /// It is not, and the file of the SFTP server has the hash with which it is compared: the command has hashed what
    /// was there before, or another file.
    Outdated,
    /// It says nothing about that file.
    Nothing,
    /// It may be the hash of that file, but nothing has shown yet that commands see the files of the SFTP server, and
    /// the file is too large to be read back.
    Unchecked,
}

/// Remembers that the commands of a server see the files of its SFTP server.
pub fn confirm_commands(link: &Link) {
    link.hash_routes.confirm_commands();
}

/// What a hash says about the file of the SFTP server under this path. Commands may see other files: they are trusted
/// after a comparison of the beginning of one file, and a hash that counts against a file is checked by the beginning
/// of that very file. Where there is no `head`, as with rclone, all bytes of a file are read for both: such a server
/// may answer for what it has stored, while other bytes are still in its cache. For a file that is too large for that,
/// small ones near it are compared.
///
/// # Errors
/// When the connection is lost.
pub async fn credibility(
    link: &Link,
    path: &[u8],
    claimed: ClaimedHash,
) -> Result<Credibility, ConnectionLost> {
    let ClaimedHash { value, route, here } = claimed;
    let counts_against = claimed.counts_against();
    // There is no beginning of an empty file to compare.
    let is_empty = !counts_against && value.is_of_nothing();
    if !route.is_command() || is_empty {
        return Ok(Credibility::OfTheFile);
    }
    // One comparison at a time: the first one decides for most files.
    let _turn = link.comparing_views.lock().await;
    let routes = &link.hash_routes;
    if !counts_against && routes.are_commands_confirmed() {
        return Ok(Credibility::OfTheFile);
    }
    if !routes.is_usable(HashRoute::Command) {
        return Ok(Credibility::Nothing);
    }
    if !counts_against && here.is_some_and(|here| here.is_of_shown_bytes) {
        routes.confirm_commands();
        return Ok(Credibility::OfTheFile);
    }
    let credibility = match command_view(link, path).await? {
        CommandView::OtherFile => {
            routes.distrust_commands();
            Credibility::Nothing
        }
        CommandView::Unknown => without_its_beginning(link, path, claimed).await?,
        CommandView::SameFile(now)
            if counts_against && now.is_some() && now == here.map(|here| here.value) =>
        {
            Credibility::Outdated
        }
        CommandView::SameFile(_) => Credibility::OfTheFile,
    };
    if !counts_against {
        match credibility {
            Credibility::OfTheFile => routes.confirm_commands(),
            // The hash is right for what was sent, but SFTP shows other bytes.
            Credibility::Nothing | Credibility::Outdated => routes.distrust_commands(),
            Credibility::Unchecked => {}
        }
    }
    Ok(credibility)
}

/// What the hashes of both ends say.
pub enum HashComparison {
    /// Both ends hold the same bytes.
    Equal,
    /// The server's bytes differ, and this is their hash.
    Differs(HashValue),
    /// The hash of the server's bytes cannot be had.
    Unknown(NoHash),
    /// The hashes are equal, but nothing has shown yet that the server's commands see the files of its SFTP server.
    Unchecked,
}

/// Compares the answer to a question with the hash of this machine's bytes. A hash by a command counts only if the
/// server's commands are known to see the files of its SFTP server.
///
/// # Errors
/// When the connection is lost.
pub async fn judge(
    link: &Link,
    question: &HashQuestion<'_>,
    here: LocalHash,
    answer: HashAnswer,
) -> Result<HashComparison, ConnectionLost> {
    let (there, route) = match answer {
        HashAnswer::CannotBeHad(reason) => return Ok(HashComparison::Unknown(reason)),
        HashAnswer::Value(there, route) => (there, route),
    };
    let claimed = ClaimedHash {
        value: there,
        route,
        here: Some(here),
    };
    Ok(match credibility(link, question.path, claimed).await? {
        Credibility::Nothing => HashComparison::Unknown(NoHash::OtherFile),
        Credibility::Unchecked if here.value != there => HashComparison::Unknown(NoHash::OtherFile),
        Credibility::Unchecked => HashComparison::Unchecked,
        Credibility::OfTheFile if here.value != there => HashComparison::Differs(there),
        Credibility::OfTheFile | Credibility::Outdated => HashComparison::Equal,
    })
}
