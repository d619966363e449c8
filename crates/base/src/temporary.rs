//! Temporary names for files that are complete before they get their own name: `NAME.0123456789abcdef.new`.
//!
//! The digits are random. A process number would not do: the processes of two containers that share a volume may have
//! the same one.

use std::fs::DirEntry;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const ENDING: &str = ".new";
/// The number of random digits in a name.
const DIGITS: usize = 16;
/// A file that is this old was left by a process that was killed: writing one takes moments.
const STALE: Duration = Duration::from_secs(3600);

/// Returns a name beside the file that no other process uses. Files that killed processes have left under such names
/// are removed.
pub fn beside(file: &Path) -> PathBuf {
    remove_stale(file);
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{}{ENDING}", random_digits()));
    name.into()
}

/// Returns 16 hexadecimal digits that differ each time, in every process.
pub fn random_digits() -> String {
    // The keys of each `RandomState` are different, and begin with randomness of the system.
    let random = RandomState::new().build_hasher().finish();
    format!("{random:0DIGITS$x}")
}

/// Removes what killed processes have left. A failure does no harm: the names are never used again.
fn remove_stale(file: &Path) {
    let directory = match file.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let (Some(name), Ok(entries)) = (file.file_name(), directory.read_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if is_temporary(entry.file_name().as_bytes(), name.as_bytes()) && is_stale(&entry) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Returns whether an entry's name is a temporary name of the file `of`.
fn is_temporary(entry: &[u8], of: &[u8]) -> bool {
    let digits = entry
        .strip_prefix(of)
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(ENDING.as_bytes()));
    digits.is_some_and(|digits| digits.len() == DIGITS && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Returns whether an entry is a regular file that nobody has written for long.
fn is_stale(entry: &DirEntry) -> bool {
    // This does not follow links.
    let Ok(meta) = entry.metadata() else {
        return false;
    };
    let age = meta.modified().ok().and_then(|at| at.elapsed().ok());
    meta.is_file() && age.is_some_and(|age| age >= STALE)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::fs::File;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn no_two_names_are_equal_and_each_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        let names: HashSet<PathBuf> = (0..100).map(|_| beside(&file)).collect();
        assert_eq!(names.len(), 100);
        for name in names {
            assert_eq!(name.parent(), Some(dir.path()));
            let name = name.file_name().unwrap().as_bytes();
            assert!(is_temporary(name, b"key"), "{name:?}");
            assert!(!is_temporary(name, b"ke"), "{name:?}");
        }
        for name in [
            "key",
            "key.new",
            "key.1.new",
            "key.0123456789abcdeX.new",
            "key.pub",
        ] {
            assert!(!is_temporary(name.as_bytes(), b"key"), "{name}");
        }
    }

    #[test]
    fn only_old_files_of_the_same_name_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let old = SystemTime::now() - 2 * STALE;
        let cases = [
            ("key.0123456789abcdef.new", true, false),
            ("key.0123456789abcde0.new", false, true),
            ("key.pub.0123456789abcdef.new", true, true),
            ("key.backup.new", true, true),
            ("key", true, true),
        ];
        for (name, is_old, _) in cases {
            let file = File::create(dir.path().join(name)).unwrap();
            if is_old {
                file.set_modified(old).unwrap();
            }
        }
        beside(&dir.path().join("key"));
        for (name, _, stays) in cases {
            assert_eq!(dir.path().join(name).exists(), stays, "{name}");
        }
    }
}
