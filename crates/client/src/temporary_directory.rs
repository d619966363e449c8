//! Temporary directories that only this user can enter. Each is removed when it is dropped, and also when the process ends
//! in a way that drops nothing: see [`ending`].

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::ending::{self, AtEnd, Cleanup};

/// How often removing is tried: a program that uses the directory may be making a file in it just then.
const ATTEMPTS: usize = 5;

/// A temporary directory, with all that is in it.
#[must_use]
pub struct TemporaryDirectory {
    path: PathBuf,
    is_kept: bool,
    at_end: AtEnd,
}

impl TemporaryDirectory {
    /// Makes a directory whose name begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(prefix: &str) -> io::Result<Self> {
        let (path, at_end) = ending::register(|| {
            let made = tempfile::Builder::new()
                .prefix(prefix)
                .permissions(Permissions::from_mode(0o700))
                .tempdir()?;
            let path = made.keep();
            let removed = path.clone();
            Ok((path, Box::new(move || remove(&removed)) as Cleanup))
        })?;
        Ok(Self {
            path,
            is_kept: false,
            at_end,
        })
    }

    /// The path of the directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the directory where it is if the process ends before this is dropped. `say` tells the user where it is.
    pub fn keep_at_end(&self, say: impl FnOnce() + Send + 'static) {
        self.at_end.replace(Box::new(say));
    }

    /// Leaves the directory where it is.
    pub fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        if !self.is_kept {
            remove(&self.path);
        }
    }
}

/// Removes a directory with all that is in it. If that fails, it stays, and only this user can enter it.
fn remove(path: &Path) {
    for _ in 0..ATTEMPTS {
        match std::fs::remove_dir_all(path) {
            Ok(()) => return,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_goes_when_it_is_dropped_unless_it_is_kept() {
        let directory = TemporaryDirectory::new("homeport-test-").unwrap();
        let path = directory.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(directory);
        assert!(!path.exists());
        let directory = TemporaryDirectory::new("homeport-test-").unwrap();
        let path = directory.path().to_owned();
        directory.keep();
        assert!(path.exists());
        remove(&path);
        assert!(!path.exists());
    }
}
