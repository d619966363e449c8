//! The requests about names: attributes, removing, creating, renaming, linking and resolving.

use sftp_wire::NamesReply;

use crate::domain::event::{Event, SizeChange};
use crate::domain::path::VirtualPath;
use crate::session::name_changes::{self, NewName};
use crate::sftp::attrs;
use crate::sftp::context::SymlinkOrder;
use crate::sftp::outcome::{RequestInfo, RequestResult, ok};
use crate::sftp::session::{Sftp, path_of};
use crate::storage::{IfExists, Links, SetAttrs};

/// Replies with the attributes of a name: STAT follows a link, LSTAT does not.
pub(super) fn stat(sftp: &mut Sftp, path: &[u8], links: Links, info: RequestInfo) -> RequestResult {
    let meta = sftp.storage.stat(&path_of(path)?, links)?;
    Ok(attrs::reply(info.id, &meta).into())
}

/// Changes the attributes of a name, and follows a link.
pub(super) fn setstat(sftp: &mut Sftp, path: &[u8], changes: &SetAttrs, info: RequestInfo) -> RequestResult {
    if *changes == SetAttrs::default() {
        // As with OpenSSH, which does not look at the name then.
        return ok(info.id);
    }
    sftp.not_in_callback(changes.size.is_some(), info.wait)?;
    let path = path_of(path)?;
    let old = changes
        .size
        .and_then(|_| sftp.storage.stat(&path, Links::Follow).ok());
    let done = sftp.storage.set_attrs(&path, changes, Links::Follow);
    sftp.report_refusal(done, &path)?;
    let sizes = changes.size.map(|new| SizeChange {
        old: old.map(|meta| meta.size),
        new,
    });
    if let Some(meta) = old {
        sftp.context.session.events.uploads().changed(meta.inode);
    }
    sftp.context.session.attributes_changed(&path, changes, sizes);
    ok(info.id)
}

/// Replies with the target of a symbolic link.
pub(super) fn readlink(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let target = sftp.storage.read_link(&path);
    let target = sftp.report_refusal(target, &path)?;
    Ok(NamesReply::single(info.id, &target).into())
}

/// Removes a file, a link or a special file, but not a directory.
pub(super) fn remove(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let done = name_changes::remove(&sftp.context.session, &*sftp.storage, &path, info.wait);
    sftp.report_refusal(done, &path)?;
    ok(info.id)
}

/// Creates a directory with the mode that the client asks for.
pub(super) fn mkdir(sftp: &mut Sftp, path: &[u8], attrs: &SetAttrs, info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let mode = attrs.permissions.unwrap_or(0o777);
    let done = name_changes::mkdir(&sftp.context.session, &*sftp.storage, &path, mode, info.wait);
    sftp.report_refusal(done, &path)?;
    ok(info.id)
}

/// Removes an empty directory, as rmdir(2) does.
pub(super) fn rmdir(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    let path = path_of(path)?;
    let done = name_changes::rmdir(&sftp.context.session, &*sftp.storage, &path, info.wait);
    sftp.report_refusal(done, &path)?;
    ok(info.id)
}

/// Replies with the canonical form of a path, with links resolved as far as it exists.
pub(super) fn realpath(sftp: &mut Sftp, path: &[u8], info: RequestInfo) -> RequestResult {
    // Only here, the empty path is the current directory (rclone sends it).
    let resolved = sftp.storage.real_path(&VirtualPath::parse(path)?)?;
    Ok(NamesReply::single(info.id, &resolved.absolute()).into())
}

/// Creates a symbolic link. Clients differ in the order of the two arguments.
pub(super) fn symlink(sftp: &mut Sftp, first: &[u8], second: &[u8], info: RequestInfo) -> RequestResult {
    let (target, link) = match sftp.context.quirks.symlink_order {
        SymlinkOrder::TargetFirst => (first, second),
        SymlinkOrder::LinkFirst => (second, first),
    };
    let link = path_of(link)?;
    // The target is stored as it is; this only finds what cannot be a target.
    path_of(target)?;
    let done = sftp.storage.symlink(target, &link, info.wait);
    sftp.report_refusal(done, &link)?;
    sftp.emit(|who| Event::Linked {
        who,
        target: target.to_vec(),
        link,
    });
    ok(info.id)
}

/// Renames a file or directory: RENAME and posix-rename@openssh.com.
pub(in crate::sftp) fn rename(
    sftp: &mut Sftp,
    from: &[u8],
    to: &[u8],
    if_exists: IfExists,
    info: RequestInfo,
) -> RequestResult {
    let names = NewName {
        from: path_of(from)?,
        to: path_of(to)?,
        if_exists,
    };
    let done = name_changes::rename(&sftp.context.session, &*sftp.storage, &names, info.wait);
    sftp.report_refusal(done, &names.from)?;
    ok(info.id)
}
