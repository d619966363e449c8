//! Which files a backup copies of a directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::ops::data_dir;
use crate::ops::installation::Installation;
use base::paths::resolve;
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

/// What is not copied with a directory: it is copied under a name of its own, is left out, or has no meaning elsewhere.
/// The configuration may spell one path in several ways, so all are compared with links resolved.
pub(super) struct Exclusions<'a> {
    installation: &'a Installation,
    /// The data directory.
    data: PathBuf,
    audit: Option<PathBuf>,
    otherwise: Vec<PathBuf>,
}

impl<'a> Exclusions<'a> {
    /// Creates the exclusions for the directories of an installation whose configuration names these paths.
    pub fn new(installation: &'a Installation, named: &[NamedPath]) -> Self {
        let mut otherwise: Vec<PathBuf> = installation
            .configured_paths()
            .filter(|path| !installation.storage.roots.contains(path))
            .chain([&installation.config_file])
            .chain(named.iter().map(|named| &named.path))
            .map(|path| resolve(path))
            .collect();
        let data = resolve(installation.data_dir());
        // A disk that hangs must not stop a backup, and roots are where disks are mounted: links in them are not resolved.
        let roots = installation.storage.roots.iter();
        otherwise.extend(
            roots.map(|root| match root.strip_prefix(installation.data_dir()) {
                Ok(inside) => data.join(inside),
                Err(_) => root.clone(),
            }),
        );
        Self {
            installation,
            data,
            audit: installation.audit.as_deref().map(resolve),
            otherwise,
        }
    }

    /// Returns the data directory, with links resolved.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Returns whether an entry is left out of the directory in which it lies. Links in `path` must be resolved.
    pub fn excludes(&self, path: &Path) -> bool {
        let in_data = path.parent() == Some(self.data.as_path());
        let is_log = self.audit.as_ref().is_some_and(|audit| {
            // With what logrotate has made of it.
            audit.parent() == path.parent() && name_of(path).starts_with(&name_of(audit))
        });
        is_log
            || path == self.data
            || self.otherwise.iter().any(|other| other == path)
            || (in_data && data_dir::is_bound_to_this_machine(self.installation, path))
    }
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
        let names = |installation: &Installation, named: &[NamedPath]| -> Vec<String> {
            let exclusions = Exclusions::new(installation, named);
            let is_elsewhere = |path: &Path| exclusions.excludes(path);
            let mut listing = Listing::new(Links::Refuse, &is_elsewhere);
            listing.add(exclusions.data()).unwrap();
            listing.files.into_iter().map(|file| file.inside).collect()
        };
        let expected = ["hooks/queue/1", "hooks/queue/2", "secrets.key", "srv/other"];
        assert_eq!(names(&installation, &named), expected);
        // The same paths, spelled by way of a link.
        let link = dir.path().join("way");
        std::os::unix::fs::symlink("data", &link).unwrap();
        let spelled = Installation {
            config_file: link.join("homeportd.toml"),
            storage: crate::storage::settings::StorageSettings {
                homes: link.join("srv/homes"),
                ..installation.storage.clone()
            },
            host_keys: link.join("keys"),
            audit: Some(link.join("log/audit.log")),
            ..installation.clone()
        };
        let named = [NamedPath {
            path: link.join("ca.pub"),
            ..named[0].clone()
        }];
        assert_eq!(names(&spelled, &named), expected);
        let by_link = Installation {
            store: crate::store::settings::StoreSettings {
                path: link.join("homeport.db"),
            },
            ..installation
        };
        assert_eq!(names(&by_link, &named), expected);
    }

    #[test]
    fn a_named_directory_is_copied_without_the_store_and_what_has_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        let installation = Installation {
            config_file: dir.path().join("homeportd.toml"),
            store: crate::store::settings::StoreSettings {
                path: dir.path().join("data/homeport.db"),
            },
            storage: crate::storage::settings::StorageSettings {
                homes: dir.path().join("data/homes"),
                ..Default::default()
            },
            host_keys: dir.path().to_owned(),
            ..Default::default()
        };
        for name in [
            "homeportd.toml",
            "data/homeport.db",
            "data/homes/alice/f",
            "ca.pub",
            "key",
            "more/key",
        ] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let named = [NamedPath {
            setting: "auth.ca".to_owned(),
            path: dir.path().join("ca.pub"),
        }];
        let exclusions = Exclusions::new(&installation, &named);
        let is_elsewhere = |path: &Path| exclusions.excludes(path);
        let mut listing = Listing::new(Links::Follow, &is_elsewhere);
        listing.add(&resolve(dir.path())).unwrap();
        let names: Vec<&str> = listing.files.iter().map(|file| &*file.inside).collect();
        assert_eq!(names, ["key", "more/key"]);
    }
}
