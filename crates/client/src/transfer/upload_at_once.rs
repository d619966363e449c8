//! Sends a small file with all its requests together, so that it does not cost a round trip for each of them.

use sftp_wire::Request;

use super::attempt::{Attempt, FileState};
use super::cut::cut_back;
use super::digest::Digest;
use super::error::TransferError;
use super::final_remote_attributes::FinalRemoteAttributes;
use super::source_file::SourceFile;
use super::write_pump::{FirstRefusal, check_written, read_full};
use crate::link::{Block, Handle, done};

/// The open target of an upload.
pub(super) struct OpenTarget<'a> {
    /// The handle of the file on the server.
    pub(super) handle: Handle,
    /// The attributes that it gets at the end.
    pub(super) last: FinalRemoteAttributes<'a>,
}

/// Sends what lies behind `from`, sets the last attributes, and closes the file. Returns the digest of all of it.
pub(super) async fn send_at_once(
    attempt: Attempt<'_>,
    file: &FileState,
    source: &SourceFile,
    OpenTarget { handle, last }: &OpenTarget<'_>,
    HashedHead { from, mut head }: HashedHead,
) -> Result<Digest, TransferError> {
    let size = source.meta.len();
    let channel = &attempt.link.channel;
    let mut blocks = Vec::new();
    let mut at = from;
    while at < size {
        let room = u32::try_from(size - at)
            .unwrap_or(u32::MAX)
            .min(channel.limits.write);
        let mut block = Block::new(handle, at, room);
        let count =
            read_full(&source.file, block.data(), at).map_err(TransferError::local("read the file"))?;
        block.cut(count);
        head.update(block.data());
        if count == 0 {
            break;
        }
        at = at.saturating_add(u64::from(count));
        blocks.push(block);
    }
    attempt.context.pace.take(at.saturating_sub(from)).await;
    let (sender, mut completions) = tokio::sync::mpsc::unbounded_channel();
    for block in blocks {
        channel.write(block, &sender);
    }
    drop(sender);
    let set = last
        .attributes()
        .map(|attrs| channel.begin(&Request::Fsetstat { handle, attrs }));
    let closed = channel.begin(&Request::Close { handle });
    let mut refusal = FirstRefusal::default();
    while let Some(written) = completions.recv().await {
        let offset = written.offset;
        refusal.take(offset, check_written(attempt, written));
    }
    if let Err(failed) = refusal.into_result() {
        return Err(cut_back(attempt, file, failed).await);
    }
    let lost = |_| attempt.lost();
    if let Some(set) = set {
        last.check(done(set.await.map_err(lost)?)).await?;
    }
    done(closed.await.map_err(lost)?).map_err(TransferError::remote("close the file"))?;
    source.check(at, &attempt.context.settings)?;
    Ok(head)
}

/// The beginning of a file that both sides have.
pub(super) struct HashedHead {
    /// Its size, in bytes.
    pub(super) from: u64,
    /// Its digest.
    pub(super) head: Digest,
}
