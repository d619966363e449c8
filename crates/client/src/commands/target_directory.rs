//! Makes the directories into which a transfer goes, or finds those that are there.

use std::collections::HashMap;
use std::path::Path;

use sftp_wire::{Attributes, FileType};

use crate::link::{Link, RemoteError};
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
    let listed = match link.list(remote).await {
        Ok(listed) => listed,
        Err(RemoteError::ConnectionLost(lost)) => return Err(lost.into()),
        Err(_) => return Err(refused),
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
