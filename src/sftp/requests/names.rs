//! Requests about names: look at, change, remove, make, rename, link, resolve.

use sftp_wire::NamesReply;

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::sftp::attrs;
use crate::sftp::context::SymlinkOrder;
use crate::sftp::outcome::{RequestInfo, RequestResult, ok};
use crate::sftp::session::{Sftp, path_of};
use crate::storage::{Links, Over, Renaming, SetAttrs};

/// Executes STAT and LSTAT.
pub(super) fn stat(sftp: &mut Sftp, path: &[u8], links: Links, info: RequestInfo) -> RequestResult {
    let meta = sftp.storage.stat(&path_of(path)?, links)?;
    Ok(attrs::reply(info.id, &meta).into())
}

/// Executes SETSTAT.
pub(super) fn setstat(sftp: &mut Sftp, path: &[u8], changes: &SetAttrs, info: RequestInfo) -> RequestResult {
    if *changes == SetAttrs::default() {
        // As in OpenSSH, which does not look at the name then.
        return ok(info.id);
    }
    sftp.not_in_callback(changes.size.is_some(), info.wait)?;
    let path = path_of(path)?;
    let done = sftp.storage.set_attrs(&path, changes, Links::Follow);
    sftp.tell_refused(done, &path)?;
    ok(info.id)
}

/// Executes READLINK.
pub(super) fn readlink(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let target = sftp.storage.read_link(&path);
    let target = sftp.tell_refused(target, &path)?;
    Ok(NamesReply::single(info.id, &target).into())
}

/// Executes REMOVE.
pub(super) fn remove(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    sftp.not_in_callback(sftp.is_large(&path, Links::NoFollow), info.wait)?;
    let done = sftp.storage.remove(&path, info.wait);
    sftp.tell_refused(done, &path)?;
    sftp.tell(|who| Event::Removed { who, path });
    ok(info.id)
}

/// Executes MKDIR.
pub(super) fn mkdir(sftp: &mut Sftp, path: &[u8], attrs: &SetAttrs, info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let mode = attrs.permissions.unwrap_or(0o777);
    let done = sftp.storage.mkdir(&path, mode, info.wait);
    sftp.tell_refused(done, &path)?;
    sftp.tell(|who| Event::DirectoryMade { who, path });
    ok(info.id)
}

/// Executes RMDIR.
pub(super) fn rmdir(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let done = sftp.storage.rmdir(&path, info.wait);
    sftp.tell_refused(done, &path)?;
    sftp.tell(|who| Event::DirectoryRemoved { who, path });
    ok(info.id)
}

/// Executes REALPATH.
pub(super) fn realpath(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    // Here alone the empty path is the current directory (rclone sends it).
    let resolved = sftp.storage.real_path(&VirtualPath::parse(path)?)?;
    Ok(NamesReply::single(info.id, &resolved.absolute()).into())
}

/// Executes SYMLINK.
pub(super) fn symlink(sftp: &mut Sftp, first: &[u8], second: &[u8], info: RequestInfo) -> RequestResult {
    let (target, link) = match sftp.context.quirks.symlink_order {
        SymlinkOrder::TargetFirst => (first, second),
        SymlinkOrder::LinkFirst => (second, first),
    };
    let link = path_of(link)?;
    // The target is stored as it is; this only finds what no target can be.
    path_of(target)?;
    let done = sftp.storage.symlink(target, &link, info.wait);
    sftp.tell_refused(done, &link)?;
    sftp.tell(|who| Event::Linked {
        who,
        target: target.to_vec(),
        link,
    });
    ok(info.id)
}

/// Executes RENAME and posix-rename@openssh.com.
pub(in crate::sftp) fn rename(
    sftp: &mut Sftp,
    from: &[u8],
    to: &[u8],
    over: Over,
    info: RequestInfo,
) -> RequestResult {
    let (from, to) = (path_of(from)?, path_of(to)?);
    let heavy = over == Over::Replace && sftp.is_large(&to, Links::NoFollow);
    sftp.not_in_callback(heavy, info.wait)?;
    let done = sftp.storage.rename(
        &from,
        &to,
        Renaming {
            over,
            wait: info.wait,
        },
    );
    sftp.tell_refused(done, &from)?;
    sftp.tell(|who| Event::Renamed { who, from, to });
    ok(info.id)
}
