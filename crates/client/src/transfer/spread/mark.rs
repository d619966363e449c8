//! A mark in a growing file, which shows whether two connections see the same file: behind a load balancer, each may end
//! at a server with files of its own, where an earlier run has left another file under the same name.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use sftp_wire::Request;

use crate::link::{Link, OpenFile, ReadAhead, RemoteError, done};

/// Random bytes at an offset of a file, which are overwritten later.
pub(super) struct Mark {
    /// The offset of its first byte.
    pub offset: u64,
    bytes: [u8; Mark::LENGTH as usize],
}

impl Mark {
    /// The size of a mark, in bytes.
    pub const LENGTH: u32 = 16;

    /// Makes a mark that no file has by chance.
    pub fn at(offset: u64) -> Self {
        let random = || u128::from(RandomState::new().hash_one(offset));
        Self {
            offset,
            bytes: ((random() << 64) | random()).to_be_bytes(),
        }
    }

    /// Writes the mark into an open file. The request is sent at once, and the answer can be waited for later.
    ///
    /// # Errors
    /// When the server refuses, or the connection is lost; so it is below.
    pub fn write<'a>(
        &self,
        link: &'a Link,
        handle: &[u8],
    ) -> impl Future<Output = Result<(), RemoteError>> + use<'a> {
        let (offset, data) = (self.offset, &self.bytes[..]);
        let answer = link.channel.begin(&Request::Write { handle, offset, data });
        async move { done(answer.await.map_err(|_| link.channel.lost())?) }
    }

    /// Whether the file with this path has the mark, as another connection sees it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn is_in(&self, link: &Arc<Link>, path: &[u8]) -> Result<bool, RemoteError> {
        let file = OpenFile::open(link, path).await?;
        let ahead = ReadAhead {
            piece: Self::LENGTH,
            pieces: 1,
        };
        let mut reader = file.reader(self.offset, ahead);
        let mut found = Vec::new();
        while found.len() < self.bytes.len()
            && let Some(bytes) = reader.next().await?
        {
            found.extend_from_slice(&bytes);
        }
        Ok(found.starts_with(&self.bytes))
    }
}
