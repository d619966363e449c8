//! Names of the server that are left out because a directory above them could not be made on this machine: they are
//! counted, and nothing else.

use sftp_wire::{Attributes, FileType};

use crate::link::Name;
use crate::names::{is_single_name, join};
use crate::unmade::UnmadeDirectories;

/// Counts the entries of a directory of the server. Returns the paths and attributes of those that are directories, whose
/// entries are to be counted, too. Links are not followed.
pub(super) fn leave_out(
    unmade: &mut UnmadeDirectories,
    directory: &[u8],
    listed: Vec<Name>,
) -> Vec<(Vec<u8>, Attributes)> {
    let mut directories = Vec::new();
    for entry in listed {
        if !is_single_name(&entry.name) || !unmade.is_worth_looking(directory) {
            continue;
        }
        let path = join(directory, &entry.name);
        unmade.leave_out(&path);
        if entry.attrs.file_type() == Some(FileType::Directory) {
            directories.push((path, entry.attrs));
        }
    }
    directories
}
