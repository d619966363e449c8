//! Which files a backup copies of a directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::ops::data_dir;
use crate::ops::installation::Installation;
use base::regular::Links;

/// The depth to which directories are copied. A server's own have two levels.
const DEEPEST: usize = 16;

/// A path that the configuration names, and that a backup contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPath {
    /// The section and the name of the setting, such as `server.host_keys`.
    pub setting: String,
    /// The absolute path.
    pub path: PathBuf,
}

/// The regular files in a directory and in those below, except for hidden ones. Directories that are links are not
/// entered.
pub(super) struct Listing<'a> {
    /// Whether a link to a file counts as the file.
    links: Links,
    /// Returns whether an entry is left out.
    is_elsewhere: &'a dyn Fn(&Path) -> bool,
    /// The files that were found, in the order of their names.
    pub files: Vec<ListedFile>,
}

/// A file that is to be copied.
pub(super) struct ListedFile {
    pub path: PathBuf,
    /// The path in the directory that was listed.
    pub inside: String,
}

impl<'a> Listing<'a> {
    /// Creates an empty listing.
    pub fn new(links: Links, is_elsewhere: &'a dyn Fn(&Path) -> bool) -> Self {
        Self {
            links,
            is_elsewhere,
            files: Vec::new(),
        }
    }

    /// Adds the files of a directory. Files and directories may go away meanwhile.
    ///
    /// # Errors
    /// Returns an error if a directory cannot be read.
    pub fn add(&mut self, directory: &Path) -> io::Result<()> {
        self.add_below(directory, "", DEEPEST)
    }

    fn add_below(&mut self, directory: &Path, prefix: &str, levels: usize) -> io::Result<()> {
        let mut names = Vec::new();
        for entry in directory.read_dir()? {
            names.push(entry?.file_name());
        }
        // The same files make the same manifest.
        names.sort();
        for name in names {
            let path = directory.join(&name);
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else {
                continue;
            };
            if (self.is_elsewhere)(&path) || name == "lost+found" {
                continue;
            }
            let inside = format!("{prefix}{name}");
            match self.add_entry(path, inside, levels) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                added => added?,
            }
        }
        Ok(())
    }

    fn add_entry(&mut self, path: PathBuf, inside: String, levels: usize) -> io::Result<()> {
        let itself = path.symlink_metadata()?;
        let is_file = itself.is_file()
            || (self.links == Links::Follow && itself.is_symlink() && path.metadata()?.is_file());
        if is_file {
            self.files.push(ListedFile { path, inside });
        } else if itself.is_dir() && levels > 0 {
            self.add_below(&path, &format!("{inside}/"), levels - 1)?;
        }
        Ok(())
    }
}

/// Returns whether an entry of the data directory is not copied with it: it is copied otherwise, is left out, or has no
/// meaning elsewhere.
pub(super) fn is_not_data(installation: &Installation, named: &[NamedPath], path: &Path) -> bool {
    let in_data = path.parent() == Some(installation.data_dir());
    let is_log = installation.audit.as_ref().is_some_and(|audit| {
        // With what logrotate has made of it.
        audit.parent() == path.parent() && name_of(path).starts_with(&name_of(audit))
    });
    let mut otherwise = installation
        .configured_paths()
        .chain([&installation.config_file])
        .chain(named.iter().map(|named| &named.path));
    is_log
        || otherwise.any(|other| other == path)
        || (in_data && data_dir::is_bound_to_this_machine(installation, path))
}

/// Returns the last component of a path.
pub(super) fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_directory_is_copied_without_what_belongs_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let installation = Installation {
            config_file: data.join("homeportd.toml"),
            store: crate::store::settings::StoreSettings {
                path: data.join("homeport.db"),
            },
            storage: crate::storage::settings::StorageSettings {
                homes: data.join("srv/homes"),
                roots: vec![data.join("root")],
                ..Default::default()
            },
            host_keys: data.join("keys"),
            audit: Some(data.join("log/audit.log")),
            ..Default::default()
        };
        for name in [
            "homeport.db",
            "homeport.db-wal",
            "lock",
            "reserve",
            "control.12.sock",
            "moves/1",
            "homeportd.toml",
            "keys/ssh_host_ed25519_key",
            "root/alice/f",
            "srv/homes/bob/f",
            "log/audit.log",
            "log/audit.log.1.gz",
            ".hidden",
            "lost+found/x",
            "ca.pub",
            "secrets.key",
            "hooks/queue/1",
            "hooks/queue/2",
            "srv/other",
        ] {
            let path = data.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", data.join("link")).unwrap();
        let named = [NamedPath {
            setting: "auth.ca".to_owned(),
            path: data.join("ca.pub"),
        }];
        let is_elsewhere = |path: &Path| is_not_data(&installation, &named, path);
        let mut listing = Listing::new(Links::Refuse, &is_elsewhere);
        listing.add(&data).unwrap();
        let names: Vec<&str> = listing.files.iter().map(|file| &*file.inside).collect();
        assert_eq!(
            names,
            ["hooks/queue/1", "hooks/queue/2", "secrets.key", "srv/other"]
        );
    }
}
