//! What SFTP can say of a file of this machine, and the mode of a file while it grows.

use std::os::unix::fs::MetadataExt as _;

use sftp_wire::{Attributes, Times};

/// Read and write access for the owner. A file has it while it grows, so that a read-only file can be resumed.
const GROWING_ACCESS: u32 = 0o600;

/// What the owner of a directory needs to change something in it.
const OPEN_DIRECTORY: u32 = 0o700;

/// The mode of a file that grows, and is to have the mode `wanted` in the end.
pub fn growing_mode(wanted: u32) -> u32 {
    wanted | GROWING_ACCESS
}

/// The mode of a file that has grown, and now has the mode `current`: without the access that `wanted` does not give.
pub fn permanent_mode(current: u32, wanted: u32) -> u32 {
    current & !(GROWING_ACCESS & !wanted)
}

/// The mode with which the owner of a directory can change what is in it. `None`: it is one already.
pub fn opened_mode(mode: u32) -> Option<u32> {
    (mode & OPEN_DIRECTORY != OPEN_DIRECTORY).then_some(mode | OPEN_DIRECTORY)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_grows_can_be_written_and_loses_only_what_was_added() {
        for (wanted, umask, grown) in [
            (0o444, 0o022, 0o444),
            (0o444, 0o077, 0o400),
            (0o200, 0o022, 0o200),
            (0o644, 0o027, 0o640),
            (0o000, 0o022, 0o000),
            (0o777, 0o022, 0o755),
        ] {
            let growing = growing_mode(wanted) & !umask;
            assert_eq!(growing & 0o600, 0o600, "{wanted:o}");
            assert_eq!(permanent_mode(growing, wanted), grown, "{wanted:o}");
        }
    }
}
