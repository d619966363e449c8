//! Which files the server can reach at all, whatever its user may do: a Landlock rule set of the kernel.
//!
//! Whole directories are granted, so that a log that was rotated, a configuration that an editor has replaced, and a
//! key that a secret's volume shows by another link are still reached. What is granted is a directory and not its name:
//! a disk that is mounted over it later, or another directory in its place, is reached only after a restart, unless a
//! directory above it is granted, too. `base::advice` recognises such a path in errors.
//!
//! The rule set restricts the thread that puts it in force and all that it starts, so this happens before there are
//! threads. Linux 5.19 is needed (version 2 of Landlock): before that, no file could be renamed to another directory.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _,
};

use super::certificates::{NamedCertificates, OF_SYSTEM};
use crate::config::Config;
use crate::ssh::hostkeys;
use base::error::{Error, Result};

/// What may be done with the files in a directory, or with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum FileRights {
    /// They can be read and listed.
    Read,
    /// They can be read, changed, made, removed and renamed.
    Write,
}

/// A directory or a file that the server reaches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct FileGrant {
    path: PathBuf,
    rights: FileRights,
}

/// The most paths that a description names.
const MOST_DESCRIBED: usize = 12;

/// The kernel's directory of this process.
const PROCESS: &str = "/proc/self";

/// What the C library and the runtime read while the server runs. What does not exist is left out.
const SYSTEM: [(&str, FileRights); 19] = [
    // The mounts, and the names of descriptors.
    (PROCESS, FileRights::Read),
    // The cores that the server may use.
    ("/sys/devices/system/cpu", FileRights::Read),
    ("/sys/fs/cgroup", FileRights::Read),
    ("/dev/null", FileRights::Write),
    ("/dev/urandom", FileRights::Read),
    ("/dev/random", FileRights::Read),
    // Local time in listings.
    ("/etc/localtime", FileRights::Read),
    ("/usr/share/zoneinfo", FileRights::Read),
    // The user of `[server] user`, from files and through the C library's modules.
    ("/etc/passwd", FileRights::Read),
    ("/etc/group", FileRights::Read),
    ("/etc/nsswitch.conf", FileRights::Read),
    ("/etc/ld.so.cache", FileRights::Read),
    ("/lib", FileRights::Read),
    ("/lib64", FileRights::Read),
    ("/usr/lib", FileRights::Read),
    ("/usr/lib64", FileRights::Read),
    // The names of other machines.
    ("/etc/hosts", FileRights::Read),
    ("/etc/host.conf", FileRights::Read),
    ("/etc/resolv.conf", FileRights::Read),
];

/// What the server reaches, as it was granted.
pub(super) struct FileRules {
    /// What the configuration names.
    configured: Vec<FileGrant>,
    /// What every server needs.
    system: Vec<FileGrant>,
    /// Keeps the directory of this process in the kernel's memory: it would become another object otherwise.
    _process: Option<PathFd>,
}

impl FileRules {
    /// Collects what a server with this configuration reaches. It changes nothing.
    pub(super) fn of(config: &Config) -> Self {
        let certificates = OF_SYSTEM.map(|path| (path, FileRights::Read));
        let mut system: Vec<FileGrant> = SYSTEM
            .into_iter()
            .chain(certificates)
            .map(|(path, rights)| FileGrant {
                path: path.into(),
                rights,
            })
            .collect();
        // The program itself has the names that a backtrace shows.
        system.extend(std::env::current_exe().ok().map(|path| FileGrant {
            path,
            rights: FileRights::Read,
        }));
        Self {
            configured: configured(config, &NamedCertificates::from_environment()),
            system,
            _process: PathFd::new(PROCESS).ok(),
        }
    }

    /// Puts the rules in force for this thread and for all that it starts, permanently.
    ///
    /// # Errors
    /// Returns why the kernel does not do that. Nothing is in force then.
    pub(super) fn restrict(&self) -> Result<()> {
        let cannot = |error: landlock::RulesetError| {
            Error::new("the kernel cannot restrict which files the server reaches")
                .because(error)
                .hint("Linux 5.19 or later with Landlock is needed (lsm=landlock,... on the kernel's command line); \
                     in a container, its seccomp profile must allow it")
        };
        let wanted = AccessFs::from_all(ABI::V2);
        let mut rules = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(wanted)
            .and_then(|rules| {
                // Later versions have these rights, too.
                rules
                    .set_compatibility(CompatLevel::BestEffort)
                    .handle_access(AccessFs::Truncate | AccessFs::IoctlDev)
            })
            .and_then(Ruleset::create)
            .map_err(cannot)?;
        for grant in self.configured.iter().chain(&self.system) {
            // What does not exist cannot be granted.
            let Ok(path) = PathFd::new(&grant.path) else {
                continue;
            };
            let rule = PathBeneath::new(path, grant.rights.of(&grant.path));
            rules = rules.add_rule(rule).map_err(cannot)?;
        }
        rules.restrict_self().map(drop).map_err(cannot)
    }

    /// Describes what the configuration has granted, for the log and for `check`.
    pub(super) fn describe(&self) -> String {
        let of = |rights: FileRights| {
            let granted = self.configured.iter().filter(|grant| grant.rights == rights);
            let names: Vec<String> = granted.map(|grant| format!("{:?}", grant.path)).collect();
            match names.split_at_checked(MOST_DESCRIBED) {
                _ if names.is_empty() => "nothing".to_owned(),
                Some((shown, more)) if !more.is_empty() => {
                    format!("{} and {} more", shown.join(", "), more.len())
                }
                _ => names.join(", "),
            }
        };
        format!(
            "{} to write, and {} to read",
            of(FileRights::Write),
            of(FileRights::Read)
        )
    }
}

impl FileRights {
    /// Returns the kernel's rights for a path: only some of them exist for what is not a directory.
    fn of(self, path: &Path) -> BitFlags<AccessFs> {
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
fn configured(config: &Config, certificates: &NamedCertificates) -> Vec<FileGrant> {
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
    let named = [
        &config.auth.user_ca_keys,
        &config.auth.revoked_keys,
        &config.auth.external.secret_file,
    ];
    for file in secrets.chain(named.into_iter().flatten().map(PathBuf::as_path)) {
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
    fn nobody_is_granted_everything_because_of_one_file() {
        for (file, expected) in [("/homeportd.toml", "/homeportd.toml"), ("/etc/x.toml", "/etc")] {
            assert_eq!(directory_of(Path::new(file)), Path::new(expected));
        }
    }

    #[test]
    fn what_is_not_granted_is_not_reached() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(path("etc")).unwrap();
        std::fs::create_dir_all(path("data")).unwrap();
        std::fs::write(path("outside"), "").unwrap();
        let text = "[server]\nhost_keys = \"../data/keys\"\n[storage]\nhomes = \"../data/homes\"\n[store]\npath = \"../data/homeport.db\"";
        std::fs::write(path("etc/homeportd.toml"), text).unwrap();
        let rules = FileRules::of(&crate::config::load(&path("etc/homeportd.toml")).unwrap());
        // The thread alone is restricted, and ends.
        let tried = std::thread::scope(|scope| {
            let tried = scope.spawn(|| {
                rules.restrict()?;
                // An editor replaces the configuration, and a log is rotated.
                std::fs::read(path("etc/homeportd.toml")).unwrap();
                std::fs::write(path("data/log"), "1").unwrap();
                std::fs::create_dir(path("data/old")).unwrap();
                std::fs::rename(path("data/log"), path("data/old/log")).unwrap();
                std::fs::write(path("data/log"), "2").unwrap();
                std::fs::read("/proc/self/mountinfo").unwrap();
                std::fs::write("/dev/null", "x").unwrap();
                let denied = |result: std::io::Result<()>| {
                    assert_eq!(result.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
                };
                denied(std::fs::read(path("outside")).map(drop));
                denied(std::fs::write(path("outside"), "x"));
                denied(std::fs::write(path("etc/homeportd.toml"), "x"));
                denied(std::fs::write(path("etc/new"), "x"));
                denied(std::fs::remove_file(path("outside")));
                denied(std::fs::read_dir("/").map(drop));
                denied(std::fs::rename(path("data/log"), path("log")));
                assert!(base::advice::outside_of_sandbox(&path("outside")).is_some());
                assert!(base::advice::outside_of_sandbox(dir.path()).is_some());
                assert!(base::advice::outside_of_sandbox(&path("not there")).is_some());
                assert!(base::advice::outside_of_sandbox(&path("data/log")).is_none());
                assert!(base::advice::outside_of_sandbox(&path("data")).is_none());
                Ok::<(), Error>(())
            });
            tried.join().unwrap()
        });
        tried.unwrap();
        assert!(base::advice::outside_of_sandbox(&path("outside")).is_none());
    }
}
