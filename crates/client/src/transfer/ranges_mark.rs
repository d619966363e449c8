//! The mark of a `.part` file that grows by ranges over several connections: an extended attribute of the file.
//!
//! If such a run is killed, the file may have holes, and a file of the user may have the same name. The mark says that the
//! file is ours. A file system without extended attributes keeps no mark; then a file with holes is a conflict.

use std::fs::File;

use rustix::fs::{XattrFlags, fgetxattr, fremovexattr, fsetxattr};

/// The name of the extended attribute.
const NAME: &str = "user.homeport.ranges";

/// Marks the file, if its file system can.
pub(super) fn mark(file: &File) {
    let _ = fsetxattr(file, NAME, b"1", XattrFlags::empty());
}

/// Takes the mark off the file, which is whole up to its end.
pub(super) fn unmark(file: &File) {
    let _ = fremovexattr(file, NAME);
}

/// Whether the file has the mark.
pub(super) fn is_marked(file: &File) -> bool {
    let mut value = [0_u8; 1];
    fgetxattr(file, NAME, &mut value).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_set_and_taken_off() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(!is_marked(file.as_file()));
        mark(file.as_file());
        // Without extended attributes there is no mark, which is no fault.
        let can = fsetxattr(file.as_file(), "user.homeport.test", b"1", XattrFlags::empty()).is_ok();
        assert_eq!(is_marked(file.as_file()), can);
        unmark(file.as_file());
        assert!(!is_marked(file.as_file()));
    }
}
