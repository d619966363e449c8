//! OpenSSH's small extensions, and home-directory.

use std::sync::Arc;

use sftp_wire::extension::{IdList, Limits, StringList, UsersGroupsById};
use sftp_wire::frame::{LARGEST_DATA, LARGEST_REQUEST};
use sftp_wire::{ExtendedReply as _, NamesReply, StatusCode};

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::sftp::handles::RawHandle;
use crate::sftp::outcome::{RequestInfo, RequestResult, ok};
use crate::sftp::session::{Sftp, path_of};
use crate::sftp::status::RequestRefusal;
use crate::storage::{Links, SetAttrs};

pub(super) fn hardlink(sftp: &mut Sftp, from: &[u8], to: &[u8], info: RequestInfo) -> RequestResult {
    let (from, to) = (path_of(from)?, path_of(to)?);
    let done = sftp.storage.hard_link(&from, &to, info.wait);
    sftp.report_refusal(done, &to)?;
    let target = from.absolute();
    sftp.emit(|who| Event::Linked {
        who,
        target,
        link: to,
    });
    ok(info.id)
}

pub(super) fn fsync(sftp: &mut Sftp, handle: &[u8], info: RequestInfo) -> RequestResult {
    let handle = RawHandle::from_wire(handle);
    // OpenSSH gives the same answer to a handle that is not a file.
    let file = sftp.handles.file(handle).ok_or(StatusCode::NoSuchFile)?;
    let file = Arc::clone(&file.file);
    sftp.not_in_callback(true, info.wait)?;
    match file.sync() {
        Ok(()) => ok(info.id),
        Err(error) => Err(sftp.file_refused(handle, error)),
    }
}

pub(super) fn lsetstat(sftp: &mut Sftp, path: &[u8], changes: &SetAttrs, info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    if changes.size.is_some() {
        // The size of a link cannot be set.
        return Err(StatusCode::BadMessage.into());
    }
    let done = sftp.storage.set_attrs(&path, changes, Links::NoFollow);
    sftp.report_refusal(done, &path)?;
    sftp.context.session.attributes_changed(&path, changes, None);
    ok(info.id)
}

pub(super) fn limits(sftp: &Sftp, info: RequestInfo) -> RequestResult {
    let limits = Limits {
        packet_length: u64::from(LARGEST_REQUEST),
        read_length: u64::from(LARGEST_DATA),
        write_length: u64::from(LARGEST_DATA),
        open_handles: sftp.handles.limit() as u64,
    };
    Ok(limits.to_bytes(info.id).into())
}

/// Executes expand-path: `~` and `~/x` are the home and a path in it, and so is `~NAME` for the user's own name.
pub(super) fn expand_path(sftp: &Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let expanded = match path.strip_prefix(b"~") {
        None => path,
        Some(rest) => {
            let end = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
            let (name, below) = rest.split_at(end);
            if !name.is_empty() && name != sftp.context.session.actor.user.as_str().as_bytes() {
                return Err(RequestRefusal::with_sentence(StatusCode::NoSuchFile, "no such user").into());
            }
            below
        }
    };
    let resolved = sftp.storage.real_path(&VirtualPath::parse(expanded)?)?;
    Ok(NamesReply::single(info.id, &resolved.absolute()).into())
}

pub(super) fn home_directory(sftp: &Sftp, user: &[u8], info: RequestInfo) -> RequestResult {
    if user.is_empty() || user == sftp.context.session.actor.user.as_str().as_bytes() {
        return Ok(NamesReply::single(info.id, b"/").into());
    }
    Err(StatusCode::Failure.into())
}

/// Executes users-groups-by-id: the server's own ids have the user's name, and other ids have no name.
pub(super) fn users_groups_by_id(
    sftp: &Sftp,
    uids: IdList<'_>,
    gids: IdList<'_>,
    info: RequestInfo,
) -> RequestResult {
    /// The most ids in each list: the reply must not be longer than a packet may be.
    const MOST: usize = LARGEST_REQUEST as usize / 2 - 64;
    let lister = &sftp.context.lister;
    let names = |ids: IdList<'_>, is_own: &dyn Fn(u32) -> bool| -> Result<StringList, RequestRefusal> {
        let mut names = StringList::default();
        for id in ids.iter() {
            names.push(if is_own(id) { lister.user.as_bytes() } else { b"" });
            if names.size() > MOST {
                return Err(StatusCode::BadMessage.into());
            }
        }
        Ok(names)
    };
    let reply = UsersGroupsById {
        users: names(uids, &|uid| uid == lister.own_ids.uid)?,
        groups: names(gids, &|gid| lister.own_ids.is_group(gid))?,
    };
    Ok(reply.to_bytes(info.id).into())
}
