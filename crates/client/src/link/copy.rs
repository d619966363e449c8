//! Copies a file of the server to another name there: by copy-data where the server has it, else through this machine.

use std::sync::Arc;

use sftp_wire::{Attributes, ExtendedRequest, Extension, Reply, Request, StatusCode};
use tokio::sync::mpsc;

use super::Link;
use super::block::Block;
use super::error::{RemoteError, done};
use super::inbox::{CompletedRequest, Completion};
use super::open_file::{OpenFile, ReadAhead};

/// The most bytes of one copy-data request: the server answers nothing else until it is done.
const COPY_BYTES: u64 = 64 << 20;
/// The most WRITEs that are under way.
const WRITES: usize = 32;

/// Copies the bytes of a file to `to`, which is made or emptied. Returns the attributes of the source.
///
/// # Errors
/// When the server refuses, or the connection is lost. What was copied so far is then left there.
pub async fn copy(link: &Arc<Link>, from: &[u8], to: &[u8]) -> Result<Attributes, RemoteError> {
    let source = OpenFile::open(link, from).await?;
    let attrs = source.attributes().await?;
    let mode = attrs.permissions.map(|mode| mode & 0o777);
    // A read-only source must not make a target that cannot be written; its mode is set at the end.
    let writable = mode.map(|mode| mode | 0o600);
    let target = link.open_write(to, true, writable).await?;
    let copied = match link.channel.offers(Extension::CopyData) {
        true => match by_copy_data(link, source.handle(), &target, attrs.size).await {
            Err(failed) if failed.is_unsupported() => through_here(link, &source, &target).await,
            copied => copied,
        },
        false => through_here(link, &source, &target).await,
    };
    let kept = match (&copied, mode) {
        (Ok(()), Some(permissions)) if mode != writable => {
            let wanted = Attributes {
                permissions: Some(permissions),
                ..Attributes::default()
            };
            link.set_handle(&target, &wanted).await
        }
        _ => Ok(()),
    };
    let closed = link.close_handle(&target).await;
    copied.and(kept).and(closed).map(|()| attrs)
}

async fn by_copy_data(link: &Link, from: &[u8], to: &[u8], size: Option<u64>) -> Result<(), RemoteError> {
    let mut offset = 0;
    loop {
        // Behind the size that the file had, the rest is copied up to the end, which also copies files that say 0.
        let left = size.unwrap_or(0).saturating_sub(offset);
        let length = if left > COPY_BYTES { COPY_BYTES } else { 0 };
        let request = Request::Extended(ExtendedRequest::CopyData {
            from,
            from_offset: offset,
            length,
            to,
            to_offset: offset,
        });
        match done(link.channel.ask(&request).await?) {
            Ok(()) if length > 0 => offset = offset.saturating_add(length),
            Ok(()) => return Ok(()),
            // The file has become shorter meanwhile.
            Err(failed) if failed.is_end() => return Ok(()),
            Err(failed) => return Err(failed),
        }
    }
}

async fn through_here(link: &Link, source: &OpenFile, target: &[u8]) -> Result<(), RemoteError> {
    let mut reader = source.reader(0, ReadAhead::MANY);
    let (sender, mut written) = mpsc::unbounded_channel();
    let (mut offset, mut under_way) = (0_u64, 0_usize);
    while let Some(bytes) = reader.next().await? {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let most = u32::try_from(rest.len())
                .unwrap_or(u32::MAX)
                .min(link.channel.limits.write);
            let mut block = Block::new(target, offset, most);
            let (now, later) = rest.split_at(block.data().len().min(rest.len()));
            block.data().copy_from_slice(now);
            link.channel.write(block, &sender);
            offset = offset.saturating_add(now.len() as u64);
            rest = later;
            under_way += 1;
            if under_way >= WRITES {
                check(link, written.recv().await)?;
                under_way -= 1;
            }
        }
    }
    for _ in 0..under_way {
        check(link, written.recv().await)?;
    }
    Ok(())
}

fn check(link: &Link, completed: Option<CompletedRequest>) -> Result<(), RemoteError> {
    match completed.map(|completed| completed.ended) {
        Some(Completion::Reply(Reply::Status {
            code: StatusCode::Ok, ..
        })) => Ok(()),
        Some(Completion::Reply(reply)) => Err(RemoteError::from_reply(reply, "a status")),
        Some(Completion::Data(_)) => Err(RemoteError::UnexpectedReply("a status")),
        Some(Completion::ConnectionLost) | None => Err(link.channel.lost().into()),
    }
}
