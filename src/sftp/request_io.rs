//! Finds the file systems that a request works on, in a session with folders. All requests of a session without folders
//! work on the home, and cost nothing here.

use sftp_wire::{ExtendedRequest, Packet, Request};

use super::backlog::NextRequest;
use super::context::SymlinkOrder;
use super::handles::{HandleTable, RawHandle};
use super::session::Sftp;
use crate::domain::path::VirtualPath;
use crate::io::HomeIo;
use crate::storage::router::call_io::{CallIo, CallPath};

/// Returns the file systems that a request works on; `None` if it is the home's alone.
pub(super) fn of_request(sftp: &mut Sftp, next: &NextRequest<'_>) -> Option<CallIo> {
    if !sftp.io.has_folders() {
        return None;
    }
    match next {
        NextRequest::Read(_, read) => of_handle(sftp, read.handle),
        NextRequest::Packet(packet) => match Packet::decode(packet) {
            Packet::Request { request, .. } => of(sftp, &request),
            Packet::Init { .. } | Packet::Bad { .. } => None,
        },
    }
}

/// Whether a request works on the same file system as the call before it.
pub(super) fn is_for_same(sftp: &mut Sftp, next: &NextRequest<'_>, before: Option<&CallIo>) -> bool {
    match (before, of_request(sftp, next)) {
        (None, None) => true,
        (Some(before), Some(next)) => before.is_same_as(&next),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

/// Returns the access of an open file or directory to its file system; `None` if it is the home's.
pub(super) fn access(handles: &mut HandleTable, handle: RawHandle) -> Option<HomeIo> {
    if let Some(file) = handles.file(handle) {
        return Some(file.file.scheduler().clone());
    }
    handles.dir(handle)?.io.clone()
}

fn of_handle(sftp: &mut Sftp, handle: RawHandle) -> Option<CallIo> {
    let io = access(&mut sftp.handles, handle)?;
    sftp.io.of_handle(&io)
}

fn of_wire(sftp: &mut Sftp, handle: &[u8]) -> Option<CallIo> {
    of_handle(sftp, RawHandle::from_wire(handle))
}

/// Returns the file systems of a request that opens, lists or measures what a path stands for.
fn of_content(sftp: &Sftp, path: &[u8]) -> Option<CallIo> {
    let path = VirtualPath::parse(path).ok()?;
    sftp.io.of_call(&[CallPath::Content(&path)])
}

/// Returns the file systems of a request that reads or changes names.
fn of_names(sftp: &Sftp, paths: &[&[u8]]) -> Option<CallIo> {
    let parsed = paths.iter().map(|path| VirtualPath::parse(path));
    let parsed: Vec<VirtualPath> = parsed.collect::<Result<_, _>>().ok()?;
    let names: Vec<CallPath<'_>> = parsed.iter().map(CallPath::Name).collect();
    sftp.io.of_call(&names)
}

/// Returns the file systems of a copy between two open files.
fn of_copy(sftp: &mut Sftp, from: &[u8], to: &[u8]) -> Option<CallIo> {
    let home = sftp.io.home().clone();
    match (of_wire(sftp, from), of_wire(sftp, to)) {
        (None, None) => None,
        (Some(mut both), Some(other)) => {
            both.and(other);
            Some(both)
        }
        (Some(mut both), None) | (None, Some(mut both)) => {
            both.and_io(&home);
            Some(both)
        }
    }
}

fn of(sftp: &mut Sftp, request: &Request<'_>) -> Option<CallIo> {
    match request {
        Request::Read { handle, .. }
        | Request::Write { handle, .. }
        | Request::Close { handle }
        | Request::Fstat { handle }
        | Request::Fsetstat { handle, .. }
        | Request::Readdir { handle } => of_wire(sftp, handle),
        Request::Open { path, .. } | Request::Opendir { path } => of_content(sftp, path),
        Request::Stat { path }
        | Request::Lstat { path }
        | Request::Setstat { path, .. }
        | Request::Remove { path }
        | Request::Mkdir { path, .. }
        | Request::Rmdir { path }
        | Request::Realpath { path }
        | Request::Readlink { path } => of_names(sftp, &[path]),
        Request::Rename { from, to } => of_names(sftp, &[from, to]),
        Request::Symlink { first, second } => match sftp.context.quirks.symlink_order {
            SymlinkOrder::TargetFirst => of_names(sftp, &[second]),
            SymlinkOrder::LinkFirst => of_names(sftp, &[first]),
        },
        Request::Extended(request) => of_extended(sftp, request),
    }
}

fn of_extended(sftp: &mut Sftp, request: &ExtendedRequest<'_>) -> Option<CallIo> {
    match request {
        ExtendedRequest::PosixRename { from, to } | ExtendedRequest::Hardlink { from, to } => {
            of_names(sftp, &[from, to])
        }
        ExtendedRequest::Lsetstat { path, .. } => of_names(sftp, &[path]),
        ExtendedRequest::ExpandPath { path } => {
            // `~` and `~NAME` are the home.
            let below = match path.strip_prefix(b"~") {
                None => *path,
                Some(rest) => {
                    let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
                    rest.get(end..).unwrap_or_default()
                }
            };
            of_names(sftp, &[below])
        }
        ExtendedRequest::Statvfs { path }
        | ExtendedRequest::SpaceAvailable { path }
        | ExtendedRequest::Md5Hash { path, .. }
        | ExtendedRequest::CheckFileName { path, .. } => of_content(sftp, path),
        ExtendedRequest::Fstatvfs { handle }
        | ExtendedRequest::Fsync { handle }
        | ExtendedRequest::Md5HashHandle { handle, .. }
        | ExtendedRequest::CheckFile { file: handle, .. }
        | ExtendedRequest::CheckFileHandle { handle, .. }
        | ExtendedRequest::ContinueHash { handle, .. } => of_wire(sftp, handle),
        ExtendedRequest::CopyData { from, to, .. } => of_copy(sftp, from, to),
        ExtendedRequest::Limits
        | ExtendedRequest::HomeDirectory { .. }
        | ExtendedRequest::UsersGroupsById { .. }
        | ExtendedRequest::Unknown { .. } => None,
    }
}
