//! What the configuration and the environment name of files: the directories that the server reaches, and what it may
//! do there.

use std::path::{Path, PathBuf};

use landlock::{ABI, Access as _, AccessFs, BitFlags};

use super::certificates::NamedCertificates;
use crate::config::Config;
use crate::ssh::hostkeys;

/// What may be done with the files in a directory, or with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileRights {
    /// They can be read and listed.
    Read,
    /// They can be read, changed, made, removed and renamed.
    Write,
}

/// A directory or a file that the server reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileGrant {
    pub(super) path: PathBuf,
    pub(super) rights: FileRights,
}

impl FileRights {
    /// Returns the kernel's rights for a path: only some of them exist for what is not a directory.
    pub(super) fn of(self, path: &Path) -> BitFlags<AccessFs> {
        let (read, write) = match path.is_dir() {
            true => (
                AccessFs::ReadFile | AccessFs::ReadDir,
                AccessFs::from_all(ABI::V2) | AccessFs::Truncate,
            ),
            false => (
                AccessFs::ReadFile.into(),
                AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate,
            ),
        };
        match self {
            FileRights::Read => read,
            // No program is run, and there are no devices in homes.
            FileRights::Write => write & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock),
        }
    }
}

/// Returns what the configuration and the environment name, with links resolved. A directory that does not exist is reached
/// as far as one above it is.
pub(super) fn configured(config: &Config, certificates: &NamedCertificates) -> Vec<FileGrant> {
    let mut grants = Vec::new();
    let mut grant = |path: &Path, rights| {
        // The kernel does not know names.
        if let Ok(path) = path.canonicalize() {
            grants.push(FileGrant { path, rights });
        }
    };
    grant(config.data_dir(), FileRights::Write);
    for place in config.storage.places() {
        grant(place, FileRights::Write);
    }
    if let Some(log) = &config.log.audit {
        for path in with_target(log) {
            grant(&directory_of(&path), FileRights::Write);
        }
    }
    for path in with_target(&config.file) {
        grant(&directory_of(&path), FileRights::Read);
    }
    let secrets = config.hooks.iter().filter_map(|hook| hook.secret_file.as_deref());
    // They are renewed in the directories of the links and in those of the files.
    let tls = config.web.tls.iter();
    let tls = tls.flat_map(|files| [files.certificate.as_path(), files.key.as_path()]);
    let named = [
        &config.auth.user_ca_keys,
        &config.auth.revoked_keys,
        &config.auth.external.secret_file,
    ];
    for file in secrets
        .chain(tls)
        .chain(named.into_iter().flatten().map(PathBuf::as_path))
    {
        for path in with_target(file) {
            grant(&directory_of(&path), FileRights::Read);
        }
    }
    for path in certificates.file.iter().flat_map(|file| with_target(file)) {
        grant(&directory_of(&path), FileRights::Read);
    }
    for path in certificates.directories.iter().chain(&certificates.linked()) {
        grant(path, FileRights::Read);
    }
    let keys = &config.server.host_keys;
    let files: Vec<PathBuf> = hostkeys::Kind::ALL
        .into_iter()
        .map(|kind| kind.file(keys))
        .filter(|file| file.exists())
        .collect();
    match files.is_empty() {
        false => grant(keys, FileRights::Read),
        // The server makes the keys of a new installation, and their directory.
        true => grant(existing(keys), FileRights::Write),
    }
    for target in files.iter().filter_map(|file| file.canonicalize().ok()) {
        grant(&directory_of(&target), FileRights::Read);
    }
    without_repetitions(grants)
}

/// Returns what the configuration names to be written, is not covered by these grants, and does not exist. It is reached
/// only by a server that finds it at its start.
pub(super) fn missing(config: &Config, grants: &[FileGrant]) -> Vec<PathBuf> {
    let is_covered = |path: &Path| {
        let found = existing(path).canonicalize();
        let covers = |grant: &FileGrant, found: &Path| {
            grant.rights == FileRights::Write && found.starts_with(&grant.path)
        };
        found.is_ok_and(|found| grants.iter().any(|grant| covers(grant, &found)))
    };
    let mut missing: Vec<PathBuf> = Vec::new();
    for path in std::iter::once(config.data_dir()).chain(config.storage.places()) {
        let lies_below = missing.iter().any(|above| path.starts_with(above));
        if !path.exists() && !lies_below && !is_covered(path) {
            missing.push(path.to_owned());
        }
    }
    missing
}

/// Returns a path, and where it leads if it is a link.
fn with_target(path: &Path) -> Vec<PathBuf> {
    let target = path.canonicalize().ok().filter(|target| target != path);
    // A link to a file that is not made yet leads somewhere, too.
    let target = target.or_else(|| Some(path.with_file_name(path.read_link().ok()?)));
    std::iter::once(path.to_owned()).chain(target).collect()
}

/// Returns the directory of a file; in the root directory, the file alone.
fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent.parent().is_some() => parent.to_owned(),
        _ => file.to_owned(),
    }
}

/// Returns a directory, or the first one above it that exists.
fn existing(directory: &Path) -> &Path {
    let mut above = directory.ancestors();
    above.find(|path| path.exists()).unwrap_or(directory)
}

/// Drops what lies in another directory with the same rights, or more. The paths have no links.
fn without_repetitions(mut grants: Vec<FileGrant>) -> Vec<FileGrant> {
    grants.sort();
    grants.dedup();
    let covers = |other: &FileGrant, grant: &FileGrant| {
        other != grant && grant.path.starts_with(&other.path) && other.rights >= grant.rights
    };
    let all = grants.clone();
    grants.retain(|grant| !all.iter().any(|other| covers(other, grant)));
    grants
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns what a configuration grants, with paths relative to its directory.
    fn granted(dir: &Path, text: &str, certificates: &NamedCertificates) -> Vec<(String, FileRights)> {
        let file = dir.join("etc/homeportd.toml");
        std::fs::write(&file, text).unwrap();
        let config = crate::config::load(&file).unwrap();
        let names = configured(&config, certificates).into_iter().map(|grant| {
            let path = grant.path.strip_prefix(dir).unwrap().to_owned();
            (path.to_str().unwrap().to_owned(), grant.rights)
        });
        names.collect()
    }

    #[test]
    fn what_is_named_is_granted_and_nothing_twice() {
        use FileRights::{Read, Write};
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for name in [
            "etc/keys",
            "secret",
            "data/homes",
            "root",
            "big/logs",
            "elsewhere",
        ] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        let key = dir.join("secret/key");
        std::fs::write(&key, "").unwrap();
        symlink(&key, dir.join("etc/keys/ssh_host_ed25519_key")).unwrap();
        // Neither the root nor the log is where its name says, and the log does not exist yet.
        symlink(dir.join("root"), dir.join("link")).unwrap();
        symlink("big/logs", dir.join("logs")).unwrap();
        let text = "[server]\nhost_keys = \"keys\"\n[storage]\nhomes = \"../data/homes\"\nroots = [\"../link\", \"../none\"]\n\
                    [store]\npath = \"../data/homeport.db\"\n[log]\naudit = \"../logs/audit.log\"";
        let row = |name: &str, rights| (name.to_owned(), rights);
        let expected = [
            row("big/logs", Write),
            row("data", Write),
            row("etc", Read),
            row("root", Write),
            row("secret", Read),
        ];
        let none = NamedCertificates::default();
        assert_eq!(granted(&dir, text, &none), expected);

        // The server makes the first keys.
        std::fs::remove_file(dir.join("etc/keys/ssh_host_ed25519_key")).unwrap();
        let first = granted(&dir, text, &none);
        assert!(first.contains(&row("etc/keys", Write)), "{first:?}");
        std::fs::remove_dir(dir.join("etc/keys")).unwrap();
        let first = granted(&dir, text, &none);
        assert!(first.contains(&row("etc", Write)), "{first:?}");
    }

    #[test]
    fn certificates_that_the_environment_names_are_granted() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for name in ["etc", "ca", "bundle", "real"] {
            std::fs::create_dir(dir.join(name)).unwrap();
        }
        std::fs::write(dir.join("real/bundle.pem"), "").unwrap();
        symlink("../real/bundle.pem", dir.join("bundle/ca.pem")).unwrap();
        let named = NamedCertificates {
            file: Some(dir.join("bundle/ca.pem")),
            directories: vec![dir.join("ca"), dir.join("missing")],
        };
        let found = granted(&dir, "", &named);
        let has = |name: &str| found.contains(&(name.to_owned(), FileRights::Read));
        assert!(has("bundle") && has("real") && has("ca"), "{found:?}");
    }

    #[test]
    fn a_certificate_is_renewed_within_what_is_granted() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        for name in ["etc", "certbot/live/a", "certbot/archive/a", "mounted/..1"] {
            std::fs::create_dir_all(dir.join(name)).unwrap();
        }
        std::fs::write(dir.join("certbot/archive/a/fullchain1.pem"), "").unwrap();
        symlink(
            "../../archive/a/fullchain1.pem",
            dir.join("certbot/live/a/fullchain.pem"),
        )
        .unwrap();
        // Kubernetes replaces the directory that the middle link leads to.
        std::fs::write(dir.join("mounted/..1/tls.key"), "").unwrap();
        symlink("..1", dir.join("mounted/..data")).unwrap();
        symlink("..data/tls.key", dir.join("mounted/tls.key")).unwrap();
        let text =
            "[web.tls]\ncertificate = \"../certbot/live/a/fullchain.pem\"\nkey = \"../mounted/tls.key\"";
        let found = granted(&dir, text, &NamedCertificates::default());
        for name in ["certbot/live/a", "certbot/archive/a", "mounted"] {
            assert!(found.contains(&(name.to_owned(), FileRights::Read)), "{found:?}");
        }
    }

    #[test]
    fn nobody_is_granted_everything_because_of_one_file() {
        for (file, expected) in [("/homeportd.toml", "/homeportd.toml"), ("/etc/x.toml", "/etc")] {
            assert_eq!(directory_of(Path::new(file)), Path::new(expected));
        }
    }
}
