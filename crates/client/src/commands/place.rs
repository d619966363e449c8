//! Where a named file or directory goes: the rules of cp(1).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::names::{join, last};

/// Whether the path means the contents of a directory. As cp(1) has it, `DIR/.` is not copied as DIR, but into the
/// target.
pub fn is_inside(path: &[u8]) -> bool {
    let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
    let path = path.get(..end).unwrap_or_default();
    matches!(
        path.rsplit(|byte| *byte == b'/').next(),
        None | Some(b"" | b"." | b"..")
    )
}

/// The place of a file of this machine in a directory of the server.
pub fn into_remote(directory: &[u8], local: &Path) -> Vec<u8> {
    match local.file_name() {
        Some(name) if !is_inside(local.as_os_str().as_bytes()) => join(directory, name.as_bytes()),
        _ => directory.to_vec(),
    }
}

/// The place of a file of the server in a directory of this machine.
pub fn into_local(directory: &Path, remote: &[u8]) -> PathBuf {
    // A path without a name, such as `/`, goes into the directory itself.
    match last(remote) {
        b"" => directory.to_owned(),
        name => directory.join(OsStr::from_bytes(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_copied_under_its_name_and_its_contents_without_it() {
        for (path, up, down) in [
            ("a/b", "/t/b", "to/b"),
            ("a/b/", "/t/b", "to/b"),
            ("/a/b/.", "/t", "to"),
            ("a/b/./", "/t", "to"),
            (".", "/t", "to"),
            ("a/..", "/t", "to"),
            ("/", "/t", "to"),
            ("", "/t", "to"),
            (".a", "/t/.a", "to/.a"),
        ] {
            assert_eq!(into_remote(b"/t", Path::new(path)), up.as_bytes(), "{path}");
            assert_eq!(
                into_local(Path::new("to"), path.as_bytes()),
                Path::new(down),
                "{path}"
            );
        }
    }
}
