//! Makes an operator's paths absolute, and resolves links as far as the path exists.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// Returns `path` relative to the directory `base`, without `.` and `..`. A `..` after a symbolic link leads where the
/// kernel would go.
pub fn absolute(base: &Path, path: &Path) -> PathBuf {
    let mut joined = base.to_path_buf();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                joined = joined.canonicalize().unwrap_or(joined);
                joined.pop();
            }
            Component::RootDir => joined = "/".into(),
            Component::Normal(name) => joined.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    joined
}

/// Returns the absolute form of a `path` that is relative to the current directory.
///
/// # Errors
/// Returns an error if the current directory cannot be read.
pub fn from_here(path: &Path) -> Result<PathBuf> {
    let here = std::env::current_dir()
        .map_err(|cause| Error::new("cannot read the current directory").because(cause))?;
    Ok(absolute(&here, path))
}

/// Returns the path with symbolic links resolved, as far as it exists; the rest stays as it is written.
pub fn resolve(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut existing = path;
    loop {
        if let Ok(mut resolved) = existing.canonicalize() {
            resolved.extend(missing.iter().rev());
            return resolved;
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else {
            return path.to_path_buf();
        };
        missing.push(name);
        existing = parent;
    }
}

/// Resolves many paths, and each directory that several of them have in common only once.
#[derive(Default)]
pub struct Resolver {
    parents: HashMap<PathBuf, PathBuf>,
}

impl Resolver {
    /// Resolves one path as [`resolve`] does.
    pub fn resolve(&mut self, path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return resolve(path);
        };
        if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return resolve(path);
        }
        if let Some(resolved) = self.parents.get(parent) {
            return resolved.join(name);
        }
        let resolved = resolve(parent);
        let path = resolved.join(name);
        self.parents.insert(parent.to_owned(), resolved);
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_meant_from_its_base() {
        let check = |path: &str, expected: &str| {
            assert_eq!(
                absolute(Path::new("/base/x"), Path::new(path)),
                Path::new(expected),
                "{path}"
            );
        };
        check("a/./b", "/base/x/a/b");
        check("../a", "/base/a");
        check("/srv/files/../x", "/srv/x");
        check("../../../..", "/");
    }

    #[test]
    fn links_are_resolved_as_far_as_the_path_exists() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let mut resolver = Resolver::default();
        for (path, expected) in [
            ("link/a/b", "real/a/b"),
            ("link", "real"),
            ("link/a", "real/a"),
            ("none/x", "none/x"),
        ] {
            assert_eq!(resolve(&root.join(path)), root.join(expected), "{path}");
            assert_eq!(resolver.resolve(&root.join(path)), root.join(expected), "{path}");
        }
        // A `..` after a link leaves the directory that the link points to.
        assert_eq!(absolute(&root, Path::new("link/..")), root);
    }
}
