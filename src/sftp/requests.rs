//! Executes SFTP requests on a home, one at a time: it takes bytes and returns an [`Outcome`]. It does not know
//! channels.
//!
//! With [`Wait::Never`] a request that may take long (a cold read, fsync, a large truncation or removal) is not begun:
//! the caller gets [`Outcome::AskAgain`], and executes it again on a thread that may wait.

pub(super) mod directories;
mod files;
pub(super) mod names;

use sftp_wire::{Packet, PacketType, Request};

use super::attrs;
use super::extensions;
use super::handles::RawHandle;
use super::outcome::{Outcome, RequestInfo, RequestResult};
use super::read::Read;
use super::session::Sftp;
use super::status::RequestRefusal;
use crate::storage::{IfExists, Links, Wait};

/// Executes one packet, which is given without its length field.
pub fn execute(sftp: &mut Sftp, packet: &[u8], wait: Wait) -> Outcome {
    let began = sftp.take_turn();
    let outcome = execute_untimed(sftp, packet, wait);
    if let Some(kind) = PacketType::of(packet) {
        sftp.note_time(kind, began, &outcome);
        sftp.changes = sftp.changes.wrapping_add(may_change(kind).into());
    }
    outcome
}

/// Returns whether a request of this type may change a file, or what a directory has.
fn may_change(kind: PacketType) -> bool {
    matches!(
        kind,
        PacketType::Open
            | PacketType::Write
            | PacketType::Setstat
            | PacketType::Fsetstat
            | PacketType::Remove
            | PacketType::Mkdir
            | PacketType::Rmdir
            | PacketType::Rename
            | PacketType::Symlink
            | PacketType::Extended
    )
}

fn execute_untimed(sftp: &mut Sftp, packet: &[u8], wait: Wait) -> Outcome {
    match Packet::decode(packet) {
        // The answer is 3, whatever version the client asks for.
        Packet::Init { .. } => Outcome::Reply(extensions::version()),
        Packet::Bad { id, code } => Outcome::Reply(RequestRefusal::from(code).reply(id)),
        Packet::Request { id, request } => Outcome::of(id, answer(sftp, request, RequestInfo { id, wait })),
    }
}

/// Executes a READ that was already decoded.
pub fn execute_read(sftp: &mut Sftp, read: Read, info: RequestInfo) -> Outcome {
    let began = sftp.take_turn();
    let outcome = Outcome::of(info.id, files::read(sftp, read, info));
    sftp.note_time(PacketType::Read, began, &outcome);
    outcome
}

/// Returns how many bytes the reply to a packet other than READ may take while it is in flight: see [`super::pending`].
/// A WRITE is not decoded for it.
pub(super) fn reply_bytes_needed(packet: &[u8]) -> usize {
    match PacketType::of(packet) {
        Some(PacketType::Readdir) => directories::NAMES_ROOM,
        Some(PacketType::Extended) => match Packet::decode(packet) {
            Packet::Request {
                request: Request::Extended(request),
                ..
            } => extensions::reply_bytes_needed(&request),
            Packet::Request { .. } | Packet::Init { .. } | Packet::Bad { .. } => 0,
        },
        // These have small replies. A READ that is well formed is no packet any more.
        Some(
            PacketType::Init
            | PacketType::Open
            | PacketType::Close
            | PacketType::Read
            | PacketType::Write
            | PacketType::Lstat
            | PacketType::Fstat
            | PacketType::Setstat
            | PacketType::Fsetstat
            | PacketType::Opendir
            | PacketType::Remove
            | PacketType::Mkdir
            | PacketType::Rmdir
            | PacketType::Realpath
            | PacketType::Stat
            | PacketType::Rename
            | PacketType::Readlink
            | PacketType::Symlink,
        ) => 0,
        // Packets that only servers send, and those of no known type, are refused.
        Some(
            PacketType::Version
            | PacketType::Status
            | PacketType::Handle
            | PacketType::Data
            | PacketType::Name
            | PacketType::Attrs
            | PacketType::ExtendedReply,
        )
        | None => 0,
    }
}

fn answer(sftp: &mut Sftp, request: Request<'_>, info: RequestInfo) -> RequestResult {
    match request {
        Request::Read {
            handle,
            offset,
            length,
        } => files::read(sftp, Read::new(handle, offset, length), info),
        Request::Write { handle, offset, data } => {
            files::write(sftp, RawHandle::from_wire(handle), offset, data, info)
        }
        Request::Open { path, flags, attrs } => files::open(sftp, path, attrs::how(flags, &attrs), info),
        Request::Close { handle } => files::close(sftp, RawHandle::from_wire(handle), info),
        Request::Stat { path } => names::stat(sftp, path, Links::Follow, info),
        Request::Lstat { path } => names::stat(sftp, path, Links::NoFollow, info),
        Request::Fstat { handle } => files::fstat(sftp, RawHandle::from_wire(handle), info),
        Request::Setstat { path, attrs } => names::setstat(sftp, path, &attrs::changes(&attrs), info),
        Request::Fsetstat { handle, attrs } => {
            let changes = attrs::changes(&attrs);
            files::fsetstat(sftp, RawHandle::from_wire(handle), &changes, info)
        }
        Request::Opendir { path } => directories::opendir(sftp, path, info),
        Request::Readdir { handle } => directories::readdir(sftp, RawHandle::from_wire(handle), info),
        Request::Remove { path } => names::remove(sftp, path, info),
        Request::Mkdir { path, attrs } => names::mkdir(sftp, path, &attrs::changes(&attrs), info),
        Request::Rmdir { path } => names::rmdir(sftp, path, info),
        Request::Realpath { path } => names::realpath(sftp, path, info),
        Request::Rename { from, to } => names::rename(sftp, from, to, IfExists::Refuse, info),
        Request::Readlink { path } => names::readlink(sftp, path, info),
        Request::Symlink { first, second } => names::symlink(sftp, first, second, info),
        Request::Extended(request) => extensions::answer(sftp, request, info),
    }
}
