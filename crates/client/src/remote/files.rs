//! Files and directories of the server, one operation each. Paths are bytes.

use bytes::Bytes;

use super::failed::{Failed, done};
use crate::link::Link;
use crate::packets::{Attributes, Name, Reply, Request, flags};

/// Entries of one directory that are kept: a server could go on for ever.
const MAX_ENTRIES: usize = 4_000_000;
/// READDIRs under way at once: a directory of a million entries is not one round trip for each hundred.
const READDIRS: usize = 4;

/// An open file of the server's.
pub type Handle = Bytes;

fn attributes(reply: Reply) -> Result<Attributes, Failed> {
    match reply {
        Reply::Attrs(attrs) => Ok(attrs),
        other => Err(Failed::from_reply(other, "attributes")),
    }
}

fn handle(reply: Reply) -> Result<Handle, Failed> {
    match reply {
        // The draft's limit, section 6.3; what is longer would not fit into our packets.
        Reply::Handle(handle) if handle.len() <= 256 => Ok(handle),
        other => Err(Failed::from_reply(other, "a handle")),
    }
}

fn single_name(reply: Reply) -> Result<Bytes, Failed> {
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
        let attrs = &Attributes::default();
        let flags = flags::READ;
        handle(self.ask(&Request::Open { path, flags, attrs }).await?)
    }

    /// Opens a file for writing, and makes it if it is not there, with this mode.
    ///
    /// # Errors
    /// As the server says.
    pub async fn open_write(&self, path: &[u8], truncate: bool, mode: Option<u32>) -> Result<Handle, Failed> {
        let attrs = &Attributes {
            mode,
            ..Attributes::default()
        };
        let flags = flags::WRITE | flags::CREAT | if truncate { flags::TRUNC } else { 0 };
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
        done(self.ask(&Request::Fsetstat { handle, attrs }).await?)
    }

    /// Sets attributes.
    ///
    /// # Errors
    /// As the server says.
    pub async fn set(&self, path: &[u8], attrs: &Attributes) -> Result<(), Failed> {
        done(self.ask(&Request::Setstat { path, attrs }).await?)
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// As the server says.
    pub async fn mkdir(&self, path: &[u8]) -> Result<(), Failed> {
        let attrs = &Attributes::default();
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
        const POSIX_RENAME: &str = "posix-rename@openssh.com";
        if self.extension(POSIX_RENAME).is_none() {
            return done(self.ask(&Request::Rename { from, to }).await?);
        }
        let mut body = Vec::new();
        for path in [from, to] {
            string(&mut body, path);
        }
        done(self.extended(POSIX_RENAME, &body).await?)
    }

    /// An extension of the protocol; the body stands behind its name.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn extended(&self, name: &str, body: &[u8]) -> Result<Reply, Failed> {
        Ok(self.ask(&Request::Extended { name, body }).await?)
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

/// Appends a string as SSH has it (RFC 4251, section 5).
pub(super) fn string(body: &mut Vec<u8>, bytes: &[u8]) {
    body.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    body.extend_from_slice(bytes);
}
