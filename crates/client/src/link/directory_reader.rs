//! Reads a directory of the server batch by batch, for callers that must not keep all of it in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use sftp_wire::{Reply, Request};
use tokio::sync::oneshot;

use super::error::RemoteError;
use super::{Handle, Link, Name, handle};

/// How many READDIRs are under way at once.
const READDIRS: usize = 2;

/// A directory that is open. Dropping it closes the directory on the server.
pub struct DirectoryReader {
    link: Arc<Link>,
    handle: Handle,
    under_way: VecDeque<oneshot::Receiver<Reply<Bytes>>>,
}

impl DirectoryReader {
    /// Opens a directory.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost.
    pub async fn open(link: &Arc<Link>, path: &[u8]) -> Result<Self, RemoteError> {
        let handle = handle(link.channel.ask(&Request::Opendir { path }).await?)?;
        Ok(Self {
            link: Arc::clone(link),
            handle,
            under_way: VecDeque::new(),
        })
    }

    /// The next entries without `.` and `..`, in the server's order. `None`: the directory has ended.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost.
    pub async fn next(&mut self) -> Result<Option<Vec<Name>>, RemoteError> {
        while self.under_way.len() < READDIRS {
            let handle = &self.handle[..];
            self.under_way
                .push_back(self.link.channel.begin(&Request::Readdir { handle }));
        }
        let Some(next) = self.under_way.pop_front() else {
            return Ok(None);
        };
        match next.await.map_err(|_| self.link.channel.lost())? {
            Reply::Names(mut names) => {
                names.retain(|name| !matches!(&name.name[..], b"." | b".."));
                Ok(Some(names))
            }
            other => match RemoteError::from_reply(other, "names") {
                failed if failed.is_end() => Ok(None),
                failed => Err(failed),
            },
        }
    }
}

impl Drop for DirectoryReader {
    fn drop(&mut self) {
        self.link.forget_handle(&self.handle);
    }
}
