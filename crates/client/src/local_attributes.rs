//! What SFTP can say of a file of this machine.

use std::os::unix::fs::MetadataExt as _;

use sftp_wire::{Attributes, Times};

/// Permissions and times of a file of this machine. Times that do not fit into the 32 bits of the protocol are left
/// out.
pub fn local_attributes(meta: &std::fs::Metadata) -> Attributes {
    let seconds = |time: i64| u32::try_from(time).ok();
    let times = |modified: u32| Times {
        accessed: seconds(meta.atime()).unwrap_or(modified),
        modified,
    };
    Attributes {
        permissions: Some(meta.mode() & 0o777),
        times: seconds(meta.mtime()).map(times),
        ..Attributes::default()
    }
}
