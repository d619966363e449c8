//! The contents of the files that settings name and a reload reads again, so that it can say which of them have changed.
//!
//! Only digests are kept. What is in force is up to those who read the files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::config::Config;
use crate::ops::running::ChangedFile;
use base::regular;

/// The setting whose directory has host keys.
const HOST_KEYS: &str = "[server] host_keys";
/// The beginning of the names of host keys.
const HOST_KEY_NAME: &str = "ssh_host_";
/// The end of the names of public halves, which the server does not read.
const PUBLIC_HALF: &str = ".pub";
/// The most files of a directory that are read: far more than there are types of host keys, with their successors.
const MOST_HOST_KEYS: usize = 64;
/// The largest file that is read, in bytes: that of the largest list of revoked keys.
const LARGEST: u64 = 16 << 20;

/// The contents of the files that a configuration names. Some are secrets, so this is not shown.
pub(super) struct NamedFiles {
    /// The directory of the host keys.
    host_keys: PathBuf,
    /// The digest of each file; `None` for one that cannot be read.
    digests: BTreeMap<NamedFile, Option<Vec<u8>>>,
}

/// A file that a setting names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct NamedFile {
    setting: &'static str,
    path: PathBuf,
}

impl NamedFiles {
    /// Reads the files that a configuration names. It blocks on the disk. Those that cannot be read are left to the
    /// components that need them.
    pub(super) fn read(config: &Config) -> Self {
        let single = [
            ("[auth] user_ca_keys", &config.auth.user_ca_keys),
            ("[auth] revoked_keys", &config.auth.revoked_keys),
            ("[auth.external] secret_file", &config.auth.external.secret_file),
        ];
        let single = single.into_iter();
        let secrets = config
            .hooks
            .iter()
            .map(|hook| ("[[hooks]] secret_file", &hook.secret_file));
        let named = single
            .chain(secrets)
            .filter_map(|(setting, path)| Some((setting, path.clone()?)));
        let host_keys = host_keys_in(&config.server.host_keys)
            .into_iter()
            .map(|path| (HOST_KEYS, path));
        let digests = named.chain(host_keys).map(|(setting, path)| {
            let digest = regular::read_regular(&path, LARGEST).ok();
            let digest = digest.map(|bytes| Sha256::digest(&bytes).to_vec());
            (NamedFile { setting, path }, digest)
        });
        Self {
            digests: digests.collect(),
            host_keys: config.server.host_keys.clone(),
        }
    }

    /// Returns the files whose content differs from what it was. A file that a setting did not name before is not one of
    /// them, since the setting itself has changed.
    pub(super) fn changed_since(&self, before: &Self) -> Vec<ChangedFile> {
        let known: BTreeSet<&NamedFile> = self.digests.keys().chain(before.digests.keys()).collect();
        let has_changed = |file: &&NamedFile| {
            let file: &NamedFile = file;
            let (old, new) = (before.digests.get(file), self.digests.get(file));
            let is_same_setting = match file.setting {
                // Host keys come and go.
                HOST_KEYS => self.host_keys == before.host_keys,
                _ => old.is_some() && new.is_some(),
            };
            is_same_setting && old != new
        };
        let changed = known.into_iter().filter(has_changed);
        changed
            .map(|file| ChangedFile {
                setting: file.setting.to_owned(),
                path: file.path.clone(),
            })
            .collect()
    }
}

/// Returns the files with private host keys in a directory; none if it cannot be read.
fn host_keys_in(directory: &Path) -> Vec<PathBuf> {
    let is_key = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(HOST_KEY_NAME) && !name.ends_with(PUBLIC_HALF))
    };
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let keys = entries.map(|entry| entry.path()).filter(is_key);
    keys.take(MOST_HOST_KEYS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_whose_content_has_changed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| std::fs::write(path(name), text).unwrap();
        for name in [
            "ca",
            "revoked",
            "secret",
            "ssh_host_rsa_key",
            "ssh_host_rsa_key.pub",
        ] {
            write(name, "1");
        }
        let mut config = Config::default();
        config.server.host_keys = dir.path().to_owned();
        config.auth.user_ca_keys = Some(path("ca"));
        config.auth.revoked_keys = Some(path("revoked"));
        config.auth.external.secret_file = Some(path("secret"));
        let before = NamedFiles::read(&config);
        let check = |config: &Config, expected: &[(&str, &str)]| {
            let changed = NamedFiles::read(config).changed_since(&before);
            let changed: Vec<(String, PathBuf)> = changed
                .into_iter()
                .map(|file| (file.setting, file.path))
                .collect();
            let expected: Vec<(String, PathBuf)> = expected
                .iter()
                .map(|(setting, name)| ((*setting).to_owned(), path(name)))
                .collect();
            assert_eq!(changed, expected);
        };
        check(&config, &[]);
        write("revoked", "1");
        write("ssh_host_rsa_key.pub", "2");
        check(&config, &[]);
        write("revoked", "2");
        check(&config, &[("[auth] revoked_keys", "revoked")]);
        write("secret", "2");
        write("ssh_host_rsa_key", "2");
        write("ssh_host_ed25519_key", "1");
        let all = [
            ("[auth.external] secret_file", "secret"),
            ("[auth] revoked_keys", "revoked"),
            ("[server] host_keys", "ssh_host_ed25519_key"),
            ("[server] host_keys", "ssh_host_rsa_key"),
        ];
        check(&config, &all);
        std::fs::remove_file(path("ca")).unwrap();
        let changed = NamedFiles::read(&config).changed_since(&before);
        assert_eq!(changed.len(), 5, "{changed:?}");
        // Settings that name something else have changed themselves.
        config.auth.user_ca_keys = None;
        config.auth.revoked_keys = Some(path("secret"));
        config.server.host_keys = path("elsewhere");
        check(&config, &[("[auth.external] secret_file", "secret")]);
    }
}
