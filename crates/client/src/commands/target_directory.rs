//! Makes the directories into which a transfer goes, or finds those that are there.

use std::collections::HashMap;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use sftp_wire::{Attributes, FileType};

use crate::link::{Answered as _, Link, RemoteError};
use crate::local_attributes::opened_mode;
use crate::plan::ExistingEntry;

/// Makes a directory on the server, or lists the one that is there. Returns what is known about each name in it.
pub(super) async fn remote_directory(
    link: &Link,
    remote: &[u8],
) -> Result<HashMap<Vec<u8>, Option<ExistingEntry>>, RemoteError> {
    let refused = match link.mkdir(remote).await {
        Ok(()) => return Ok(HashMap::new()),
        Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
        Err(refused) => refused,
    };
    // The directory may exist. If it does not, the error of MKDIR says more than that of the listing.
    let Some(listed) = link.list(remote).await.unless_refused()? else {
        return Err(refused);
    };
    let there = |attrs: &Attributes| match (attrs.file_type(), attrs.size) {
        (Some(FileType::Regular), Some(size)) => Some(ExistingEntry::File(size)),
        (Some(FileType::Directory), _) => Some(ExistingEntry::Directory),
        // A link has to be followed first.
        _ => None,
    };
    Ok(listed
        .iter()
        .map(|entry| (entry.name.to_vec(), there(&entry.attrs)))
        .collect())
}

/// Makes a directory on this machine, unless it is there.
pub(super) fn make_local(directory: &Path) -> std::io::Result<()> {
    match std::fs::create_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Lets the owner change what is in a directory of this machine, if its permissions deny that. A directory that cannot
/// be opened is named by the file that fails in it.
pub(super) fn open_local(directory: &Path) {
    let Ok(meta) = std::fs::metadata(directory) else {
        return;
    };
    if let Some(open) = opened_mode(meta.mode() & 0o7777) {
        let _ = std::fs::set_permissions(directory, Permissions::from_mode(open));
    }
}

/// Lets the owner change what is in a directory of the server that gets these attributes at the end, if they deny that:
/// an earlier run may have set them.
///
/// # Errors
/// When the connection is lost.
pub(super) async fn open_remote(
    link: &Link,
    directory: &[u8],
    attrs: &Attributes,
) -> Result<(), RemoteError> {
    let Some(mode) = attrs.permissions.and_then(opened_mode) else {
        return Ok(());
    };
    let open = Attributes {
        permissions: Some(mode),
        ..Attributes::default()
    };
    link.set(directory, &open).await.unless_refused()?;
    Ok(())
}
