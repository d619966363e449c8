//! Files and directories of the server, one operation each. Paths are bytes.

use bytes::Bytes;
use sftp_wire::{Attributes, ExtendedRequest, Extension, OpenFlags, Reply, Request};

use super::failed::{Failed, done};
use crate::link::Link;

/// Entries of one directory that are kept: a server could go on for ever.
const MAX_ENTRIES: usize = 4_000_000;
/// READDIRs under way at once: a directory of a million entries is not one round trip for each hundred.
const READDIRS: usize = 4;

/// An entry of a directory of the server.
pub type Name = sftp_wire::Name<Bytes>;
/// An open file of the server's.
pub type Handle = Bytes;

fn attributes(reply: Reply<Bytes>) -> Result<Attributes, Failed> {
    match reply {
        Reply::Attrs(attrs) => Ok(attrs),
        other => Err(Failed::from_reply(other, "attributes")),
    }
}

fn handle(reply: Reply<Bytes>) -> Result<Handle, Failed> {
    match reply {
        // The draft's limit, section 6.3; what is longer would not fit into our packets.
        Reply::Handle(handle) if handle.len() <= 256 => Ok(handle),
        other => Err(Failed::from_reply(other, "a handle")),
    }
}

fn single_name(reply: Reply<Bytes>) -> Result<Bytes, Failed> {
    match reply {
        Reply::Names(names) => match names.into_iter().next() {
            Some(name) => Ok(name.name),
            None => Err(Failed::Nonsense("a name")),
        },
        other => Err(Failed::from_reply(other, "a name")),
    }
}

impl Link {
    /// What is known of a file; links are followed.
    ///
    /// # Errors
    /// As the server says, here and below.
    pub async fn stat(&self, path: &[u8]) -> Result<Attributes, Failed> {
        attributes(self.ask(&Request::Stat { path }).await?)
    }

    /// What is known of a file, or of the link itself.
    ///
    /// # Errors
    /// As the server says.
    pub async fn lstat(&self, path: &[u8]) -> Result<Attributes, Failed> {
        attributes(self.ask(&Request::Lstat { path }).await?)
    }

    /// What is known of an open file.
    ///
    /// # Errors
    /// As the server says.
    pub async fn fstat(&self, handle: &[u8]) -> Result<Attributes, Failed> {
        attributes(self.ask(&Request::Fstat { handle }).await?)
    }

    /// The same as [`Link::stat`], but `None` where nothing is.
    ///
    /// # Errors
    /// Any other refusal.
    pub async fn look(&self, path: &[u8]) -> Result<Option<Attributes>, Failed> {
        match self.stat(path).await {
            Ok(attrs) => Ok(Some(attrs)),
            Err(failed) if failed.is_missing() => Ok(None),
            Err(failed) => Err(failed),
        }
    }

    /// The absolute path, links resolved.
    ///
    /// # Errors
    /// As the server says.
    pub async fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(single_name(self.ask(&Request::Realpath { path }).await?)?.to_vec())
    }

    /// Where a link points to.
    ///
    /// # Errors
    /// As the server says.
    pub async fn readlink(&self, path: &[u8]) -> Result<Vec<u8>, Failed> {
        Ok(single_name(self.ask(&Request::Readlink { path }).await?)?.to_vec())
    }

    /// Opens a file that is there for reading.
    ///
    /// # Errors
    /// As the server says.
    pub async fn open_read(&self, path: &[u8]) -> Result<Handle, Failed> {
        let (flags, attrs) = (OpenFlags::READ, Attributes::default());
        handle(self.ask(&Request::Open { path, flags, attrs }).await?)
    }

    /// Opens a file for writing, and makes it if it is not there, with this mode.
    ///
    /// # Errors
    /// As the server says.
    pub async fn open_write(&self, path: &[u8], truncate: bool, mode: Option<u32>) -> Result<Handle, Failed> {
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

    /// Closes a file: an error may mean that what was written is lost.
    ///
    /// # Errors
    /// As the server says.
    pub async fn close_handle(&self, handle: &[u8]) -> Result<(), Failed> {
        done(self.ask(&Request::Close { handle }).await?)
    }

    /// Sets attributes of an open file.
    ///
    /// # Errors
    /// As the server says.
    pub async fn set_handle(&self, handle: &[u8], attrs: &Attributes) -> Result<(), Failed> {
        let attrs = *attrs;
        done(self.ask(&Request::Fsetstat { handle, attrs }).await?)
    }

    /// Sets attributes.
    ///
    /// # Errors
    /// As the server says.
    pub async fn set(&self, path: &[u8], attrs: &Attributes) -> Result<(), Failed> {
        let attrs = *attrs;
        done(self.ask(&Request::Setstat { path, attrs }).await?)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As the server says.
    pub async fn mkdir(&self, path: &[u8]) -> Result<(), Failed> {
        let attrs = Attributes::default();
        done(self.ask(&Request::Mkdir { path, attrs }).await?)
    }

    /// Removes a file or a link.
    ///
    /// # Errors
    /// As the server says.
    pub async fn remove(&self, path: &[u8]) -> Result<(), Failed> {
        done(self.ask(&Request::Remove { path }).await?)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// As the server says.
    pub async fn rmdir(&self, path: &[u8]) -> Result<(), Failed> {
        done(self.ask(&Request::Rmdir { path }).await?)
    }

    /// Renames, over what has the new name if the server can.
    ///
    /// # Errors
    /// As the server says.
    pub async fn rename(&self, from: &[u8], to: &[u8]) -> Result<(), Failed> {
        let request = match self.offers(Extension::PosixRename) {
            true => Request::Extended(ExtendedRequest::PosixRename { from, to }),
            false => Request::Rename { from, to },
        };
        done(self.ask(&request).await?)
    }

    /// All entries of a directory but `.` and `..`, in the server's order. Names are the server's: see
    /// [`is_single_name`](crate::names::is_single_name) before one becomes part of a local path.
    ///
    /// # Errors
    /// As the server says.
    pub async fn list(&self, path: &[u8]) -> Result<Vec<Name>, Failed> {
        let opened = self.ask(&Request::Opendir { path }).await?;
        let directory = handle(opened)?;
        let listed = self.read_directory(&directory).await;
        // The answer to this changes nothing about the listing.
        drop(self.begin(&Request::Close { handle: &directory }));
        listed
    }

    async fn read_directory(&self, handle: &[u8]) -> Result<Vec<Name>, Failed> {
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
                    let failed = Failed::from_reply(other, "names");
                    return if failed.is_end() { Ok(entries) } else { Err(failed) };
                }
            }
            if entries.len() > MAX_ENTRIES {
                return Err(Failed::Nonsense("an end of the directory"));
            }
        }
    }
}
