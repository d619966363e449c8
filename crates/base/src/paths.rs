//! Paths as an operator writes them: made absolute, and with links resolved as far as the path exists.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};

/// `path` as it is meant from the directory `base`, without `.` and `..`. A `..` behind a symbolic link goes where the
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

/// `path` as it is meant on a command line: from the current directory.
///
/// # Errors
/// When the current directory cannot be read.
pub fn from_here(path: &Path) -> Result<PathBuf> {
    let here =
        std::env::current_dir().map_err(|cause| Error::new("cannot tell where we are").because(cause))?;
    Ok(absolute(&here, path))
}

/// The path without symbolic links, as far as it exists; what does not exist stays as it is written.
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

/// Resolves many paths; a directory that several of them lie in is resolved once.
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
        // A `..` behind a link leaves what the link points to.
        assert_eq!(absolute(&root, Path::new("link/..")), root);
    }
}
