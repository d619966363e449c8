//! The connection to one server: an SFTP channel, and the operations on it.
//!
//! [`channel`] sends requests and returns replies, which [`inbox`] takes from the [`transport`] below; [`ssh`] and
//! [`program`] are transports. [`Link`] is one server's files and directories; [`hashing`] and [`space`] use it. A lost
//! link stays lost: [`remote`](crate::remote) connects again.

mod block;
mod channel;
mod command_hashing;
mod command_view;
mod continued_hash;
mod copy;
mod directory_reader;
mod error;
mod file_head;
mod hash;
mod hash_routes;
pub mod hashing;
mod inbox;
mod md5sum;
mod neighbours;
mod open;
mod open_file;
mod outbox;
mod program;
mod space;
mod special;
mod ssh;
mod trace;
mod transport;
mod watch;

pub use block::Block;
pub use channel::{ByteRange, InFlightPermit, Limits, SftpChannel};
pub use command_view::{
    ClaimedHash, Credibility, HashComparison, LocalHash, confirm_commands, credibility, judge,
};
pub use continued_hash::{ContinuedQuestion, continue_hash, continues_hashes};
pub use copy::copy;
pub use directory_reader::DirectoryReader;
pub use error::{Answered, ConnectionLost, OpenError, RemoteError, TransportError, done};
pub use hash::{Extent, HashKind, HashQuestion, HashValue, NoHash};
pub use hash_routes::{HashAnswer, HashRoute, HashRoutes};
pub use inbox::{CompletedRequest, Completion, DataSink};
pub use open::OpenLimits;
pub use open_file::{FileReader, OpenFile, ReadAhead};
pub use program::ProgramTransport;
pub use space::Space;
pub use special::{OwnerIds, OwnerNames, hardlink, symlink};
pub use ssh::{SharedChannel, SshHandler, SshTransport};
pub use transport::Transport;
pub use watch::ReplyLimits;

use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::{Attributes, ExtendedRequest, Extension, OpenFlags, Reply, Request};

use command_hashing::CommandHashing;
use watch::ReplyWatch;

/// The most entries of one directory that are kept: a malicious server could list names without end.
const MAX_ENTRIES: usize = 4_000_000;
/// The most bytes of the names of one directory that are kept, for the same reason.
const MAX_NAMES: usize = 1 << 30;
/// How many READDIRs are under way at once, so that a directory of a million entries does not cost one round trip for
/// each hundred.
const READDIRS: usize = 4;

/// An entry of a directory of the server.
pub type Name = sftp_wire::Name<Bytes>;
/// The handle of an open file of the server.
pub type Handle = Bytes;

/// One server: its files and directories, one operation each. Paths are bytes. What a path means is decided by the
/// callers.
pub struct Link {
    /// The channel, for callers that have many requests under way.
    pub channel: SftpChannel,
    /// The absolute path of the home directory, as the server reported it.
    pub home: Result<Vec<u8>, RemoteError>,
    transport: Box<dyn Transport>,
    /// Loses the connection when the server leaves requests without an answer.
    _watch: ReplyWatch,
    /// What this connection has learned about the routes by which the server may hash.
    pub hash_routes: HashRoutes,
    commands: CommandHashing,
    /// Held while it is found out whether commands see the files of the SFTP server.
    comparing_views: tokio::sync::Mutex<()>,
}

impl Link {
    /// Opens an SFTP channel on a connection that is signed in.
    ///
    /// # Errors
    /// When the server has no SFTP, speaks another version, goes away, or does not answer in time.
    pub async fn open(transport: Box<dyn Transport>, limits: OpenLimits) -> Result<Self, OpenError> {
        let mut link = Self {
            channel: open::open(&*transport, limits.answer).await?,
            _watch: ReplyWatch::start(Arc::clone(transport.inbox()), limits.replies),
            home: Err(RemoteError::UnexpectedReply("a home")),
            transport,
            hash_routes: HashRoutes::default(),
            commands: CommandHashing::default(),
            comparing_views: tokio::sync::Mutex::default(),
        };
        let asking = async { tokio::join!(open::limits_of(&link.channel), link.realpath(b".")) };
        let asked = tokio::time::timeout(limits.answer, asking).await;
        let (sizes, home) = asked.map_err(|_| OpenError::NoAnswer("the first requests", limits.answer))?;
        (link.channel.limits, link.home) = (sizes?, home);
        Ok(link)
    }

    /// Says goodbye to the server, and closes the connection.
    pub async fn close(&self) {
        self.transport.close().await;
    }

    /// The attributes of a file. Links are followed.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost; so it is below.
    pub async fn stat(&self, path: &[u8]) -> Result<Attributes, RemoteError> {
        attributes(self.channel.ask(&Request::Stat { path }).await?)
    }

    /// The attributes of a file, or of the link itself.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn lstat(&self, path: &[u8]) -> Result<Attributes, RemoteError> {
        attributes(self.channel.ask(&Request::Lstat { path }).await?)
    }

    /// The attributes of an open file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn fstat(&self, handle: &[u8]) -> Result<Attributes, RemoteError> {
        attributes(self.channel.ask(&Request::Fstat { handle }).await?)
    }

    /// The attributes of a file as [`Link::stat`] returns them, or `None` if it does not exist.
    ///
    /// # Errors
    /// When the server refuses for another reason.
    pub async fn look(&self, path: &[u8]) -> Result<Option<Attributes>, RemoteError> {
        self.stat(path).await.unless_missing()
    }

    /// Whether a path leads to a directory. One that the server does not show does not.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn is_directory(&self, path: &[u8]) -> Result<bool, ConnectionLost> {
        let attrs = self.stat(path).await.unless_refused()?;
        Ok(attrs.is_some_and(|attrs| attrs.is_directory() == Some(true)))
    }

    /// The absolute path, with links resolved.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
        Ok(single_name(self.channel.ask(&Request::Realpath { path }).await?)?.to_vec())
    }

    /// The path to which a link points.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
        self.begin_readlink(path).await
    }

    /// Asks for the path to which a link points, as [`Link::readlink`] does. The request is sent at once, and the
    /// answer can be waited for later.
    pub fn begin_readlink<'a>(
        &'a self,
        path: &[u8],
    ) -> impl Future<Output = Result<Vec<u8>, RemoteError>> + use<'a> {
        let answer = self.channel.begin(&Request::Readlink { path });
        async move {
            let answer = answer.await.map_err(|_| self.channel.lost())?;
            Ok(single_name(answer)?.to_vec())
        }
    }

    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open_read(&self, path: &[u8]) -> Result<Handle, RemoteError> {
        let (flags, attrs) = (OpenFlags::READ, Attributes::default());
        handle(self.channel.ask(&Request::Open { path, flags, attrs }).await?)
    }

    /// Opens a file for writing, and makes it with this mode if it does not exist.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open_write(
        &self,
        path: &[u8],
        truncate: bool,
        mode: Option<u32>,
    ) -> Result<Handle, RemoteError> {
        let attrs = Attributes {
            permissions: mode,
            ..Attributes::default()
        };
        let mut flags = OpenFlags::WRITE | OpenFlags::CREAT;
        if truncate {
            flags = flags.with(OpenFlags::TRUNC);
        }
        handle(self.channel.ask(&Request::Open { path, flags, attrs }).await?)
    }

    /// Opens an existing file for writing, and leaves its content.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open_existing(&self, path: &[u8]) -> Result<Handle, RemoteError> {
        let (flags, attrs) = (OpenFlags::WRITE, Attributes::default());
        handle(self.channel.ask(&Request::Open { path, flags, attrs }).await?)
    }

    /// Closes a file. An error may mean that what was written is lost.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn close_handle(&self, handle: &[u8]) -> Result<(), RemoteError> {
        done(self.channel.ask(&Request::Close { handle }).await?)
    }

    /// Closes a file or a directory without waiting for the reply, for a caller to whom it does not matter.
    pub fn forget_handle(&self, handle: &[u8]) {
        drop(self.channel.begin(&Request::Close { handle }));
    }

    /// Sets attributes of an open file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn set_handle(&self, handle: &[u8], attrs: &Attributes) -> Result<(), RemoteError> {
        let attrs = *attrs;
        done(self.channel.ask(&Request::Fsetstat { handle, attrs }).await?)
    }

    /// Sets attributes of a file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn set(&self, path: &[u8], attrs: &Attributes) -> Result<(), RemoteError> {
        let attrs = *attrs;
        done(self.channel.ask(&Request::Setstat { path, attrs }).await?)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn mkdir(&self, path: &[u8]) -> Result<(), RemoteError> {
        let attrs = Attributes::default();
        done(self.channel.ask(&Request::Mkdir { path, attrs }).await?)
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn remove(&self, path: &[u8]) -> Result<(), RemoteError> {
        done(self.channel.ask(&Request::Remove { path }).await?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rmdir(&self, path: &[u8]) -> Result<(), RemoteError> {
        done(self.channel.ask(&Request::Rmdir { path }).await?)
    }

    /// Renames a file. It replaces what has the new name if the server can do that.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), RemoteError> {
        let request = match self.channel.offers(Extension::PosixRename) {
            true => Request::Extended(ExtendedRequest::PosixRename { from, to }),
            false => Request::Rename { from, to },
        };
        done(self.channel.ask(&request).await?)
    }

    /// Renames a file. Nothing that has the new name is replaced.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rename_to_new(&self, from: &[u8], to: &[u8]) -> Result<(), RemoteError> {
        done(self.channel.ask(&Request::Rename { from, to }).await?)
    }

    /// Lists a directory without `.` and `..`, in the server's order. The names are the server's: see
    /// [`is_single_name`](crate::names::is_single_name) before one becomes part of a local path.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn list(&self, path: &[u8]) -> Result<Vec<Name>, RemoteError> {
        let listed = self.list_some(path, MAX_ENTRIES).await?;
        match listed.len() > MAX_ENTRIES {
            true => Err(RemoteError::UnexpectedReply("an end of the directory")),
            false => Ok(listed),
        }
    }

    /// Lists a directory as [`Link::list`] does, but ends after `most` entries and a few more.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn list_some(&self, path: &[u8], most: usize) -> Result<Vec<Name>, RemoteError> {
        let opened = self.channel.ask(&Request::Opendir { path }).await?;
        let directory = handle(opened)?;
        let listed = self.read_directory(&directory, most).await;
        // The reply to CLOSE does not change the listing.
        self.forget_handle(&directory);
        listed
    }

    async fn read_directory(&self, handle: &[u8], most: usize) -> Result<Vec<Name>, RemoteError> {
        let (mut entries, mut bytes) = (Vec::new(), 0_usize);
        let mut under_way = std::collections::VecDeque::new();
        loop {
            while under_way.len() < READDIRS {
                under_way.push_back(self.channel.begin(&Request::Readdir { handle }));
            }
            let Some(next) = under_way.pop_front() else {
                return Ok(entries);
            };
            match next.await.map_err(|_| self.channel.lost())? {
                Reply::Names(names) => {
                    let real = |name: &Name| !matches!(&name.name[..], b"." | b"..");
                    let lengths = names.iter().map(|name| name.name.len() + name.long.len());
                    bytes = bytes.saturating_add(lengths.sum());
                    entries.extend(names.into_iter().filter(real));
                }
                other => {
                    let failed = RemoteError::from_reply(other, "names");
                    return if failed.is_end() { Ok(entries) } else { Err(failed) };
                }
            }
            if bytes > MAX_NAMES {
                return Err(RemoteError::UnexpectedReply("an end of the directory"));
            }
            if entries.len() > most {
                return Ok(entries);
            }
        }
    }
}

fn attributes(reply: Reply<Bytes>) -> Result<Attributes, RemoteError> {
    match reply {
        Reply::Attrs(attrs) => Ok(attrs),
        other => Err(RemoteError::from_reply(other, "attributes")),
    }
}

fn handle(reply: Reply<Bytes>) -> Result<Handle, RemoteError> {
    match reply {
        // The limit of the draft, section 6.3. A longer handle would not fit into our packets.
        Reply::Handle(handle) if handle.len() <= 256 => Ok(handle),
        other => Err(RemoteError::from_reply(other, "a handle")),
    }
}

fn single_name(reply: Reply<Bytes>) -> Result<Bytes, RemoteError> {
    match reply {
        Reply::Names(names) => match names.into_iter().next() {
            Some(name) => Ok(name.name),
            None => Err(RemoteError::UnexpectedReply("a name")),
        },
        other => Err(RemoteError::from_reply(other, "a name")),
    }
}

#[cfg(test)]
mod tests;
