//! Files and directories of the server, one operation each. Paths are bytes. What a path means is decided by the
//! callers.

use bytes::Bytes;
use sftp_wire::{Attributes, ExtendedRequest, Extension, OpenFlags, Reply, Request};

use super::channel::Link;
use super::error::{RemoteError, done};

/// The most entries of one directory that are kept: a malicious server could list names without end.
const MAX_ENTRIES: usize = 4_000_000;
/// How many READDIRs are under way at once, so that a directory of a million entries does not cost one round trip for
/// each hundred.
const READDIRS: usize = 4;

/// An entry of a directory of the server.
pub type Name = sftp_wire::Name<Bytes>;
/// The handle of an open file of the server.
pub type Handle = Bytes;

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

impl Link {
    /// The attributes of a file. Links are followed.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost; so it is below.
    pub async fn stat(&self, path: &[u8]) -> Result<Attributes, RemoteError> {
        attributes(self.ask(&Request::Stat { path }).await?)
    }

    /// The attributes of a file, or of the link itself.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn lstat(&self, path: &[u8]) -> Result<Attributes, RemoteError> {
        attributes(self.ask(&Request::Lstat { path }).await?)
    }

    /// The attributes of an open file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn fstat(&self, handle: &[u8]) -> Result<Attributes, RemoteError> {
        attributes(self.ask(&Request::Fstat { handle }).await?)
    }

    /// The attributes of a file as [`Link::stat`] returns them, or `None` if it does not exist.
    ///
    /// # Errors
    /// When the server refuses for another reason.
    pub async fn look(&self, path: &[u8]) -> Result<Option<Attributes>, RemoteError> {
        match self.stat(path).await {
            Ok(attrs) => Ok(Some(attrs)),
            Err(failed) if failed.is_missing() => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// The absolute path, with links resolved.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
        Ok(single_name(self.ask(&Request::Realpath { path }).await?)?.to_vec())
    }

    /// The path to which a link points.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, RemoteError> {
        Ok(single_name(self.ask(&Request::Readlink { path }).await?)?.to_vec())
    }

    /// Opens an existing file for reading.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn open_read(&self, path: &[u8]) -> Result<Handle, RemoteError> {
        let (flags, attrs) = (OpenFlags::READ, Attributes::default());
        handle(self.ask(&Request::Open { path, flags, attrs }).await?)
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
        handle(self.ask(&Request::Open { path, flags, attrs }).await?)
    }

    /// Closes a file. An error may mean that what was written is lost.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn close_handle(&self, handle: &[u8]) -> Result<(), RemoteError> {
        done(self.ask(&Request::Close { handle }).await?)
    }

    /// Sets attributes of an open file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn set_handle(&self, handle: &[u8], attrs: &Attributes) -> Result<(), RemoteError> {
        let attrs = *attrs;
        done(self.ask(&Request::Fsetstat { handle, attrs }).await?)
    }

    /// Sets attributes of a file.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn set(&self, path: &[u8], attrs: &Attributes) -> Result<(), RemoteError> {
        let attrs = *attrs;
        done(self.ask(&Request::Setstat { path, attrs }).await?)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn mkdir(&self, path: &[u8]) -> Result<(), RemoteError> {
        let attrs = Attributes::default();
        done(self.ask(&Request::Mkdir { path, attrs }).await?)
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn remove(&self, path: &[u8]) -> Result<(), RemoteError> {
        done(self.ask(&Request::Remove { path }).await?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rmdir(&self, path: &[u8]) -> Result<(), RemoteError> {
        done(self.ask(&Request::Rmdir { path }).await?)
    }

    /// Renames a file. It replaces what has the new name if the server can do that.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), RemoteError> {
        let request = match self.offers(Extension::PosixRename) {
            true => Request::Extended(ExtendedRequest::PosixRename { from, to }),
            false => Request::Rename { from, to },
        };
        done(self.ask(&request).await?)
    }

    /// Lists a directory without `.` and `..`, in the server's order. The names are the server's: see
    /// [`is_single_name`](crate::names::is_single_name) before one becomes part of a local path.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn list(&self, path: &[u8]) -> Result<Vec<Name>, RemoteError> {
        let opened = self.ask(&Request::Opendir { path }).await?;
        let directory = handle(opened)?;
        let listed = self.read_directory(&directory).await;
        // The reply to CLOSE does not change the listing.
        drop(self.begin(&Request::Close { handle: &directory }));
        listed
    }

    async fn read_directory(&self, handle: &[u8]) -> Result<Vec<Name>, RemoteError> {
        let mut entries = Vec::new();
        let mut under_way = std::collections::VecDeque::new();
        loop {
            while under_way.len() < READDIRS {
                under_way.push_back(self.begin(&Request::Readdir { handle }));
            }
            let Some(next) = under_way.pop_front() else {
                return Ok(entries);
            };
            match next.await.map_err(|_| self.lost())? {
                Reply::Names(names) => {
                    let real = |name: &Name| !matches!(&name.name[..], b"." | b"..");
                    entries.extend(names.into_iter().filter(real));
                }
                other => {
                    let failed = RemoteError::from_reply(other, "names");
                    return if failed.is_end() { Ok(entries) } else { Err(failed) };
                }
            }
            if entries.len() > MAX_ENTRIES {
                return Err(RemoteError::UnexpectedReply("an end of the directory"));
            }
        }
    }
}
