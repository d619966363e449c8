//! Which files the server can reach at all, whatever its user may do: a Landlock rule set of the kernel.
//!
//! Whole directories are granted, so that a log that was rotated, a configuration that an editor has replaced, and a
//! key that a secret's volume shows by another link are still reached. What is granted is a directory and not its name:
//! a disk that is mounted over it later, or another directory in its place, is reached only after a restart, unless a
//! directory above it is granted, too. `base::advice` recognises such a path in errors.
//!
//! The rule set restricts the thread that puts it in force and all that it starts, so this happens before there are
//! threads. Linux 5.19 is needed (version 2 of Landlock): before that, no file could be renamed to another directory.

use std::path::PathBuf;

use landlock::{
    ABI, Access as _, AccessFs, CompatLevel, Compatible as _, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _,
};

use super::certificates::{NamedCertificates, OF_SYSTEM};
use super::grants::{FileGrant, FileRights, configured, missing};
use crate::config::Config;
use base::error::{Error, Result};

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
    /// What the configuration names to be written, and does not exist, so that it is not granted.
    missing: Vec<PathBuf>,
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
        let configured = configured(config, &NamedCertificates::from_environment());
        Self {
            missing: missing(config, &configured),
            configured,
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

    /// Describes what the configuration has granted, and what it would grant if it existed, for the log and for `check`.
    pub(super) fn describe(&self) -> String {
        let of = |rights: FileRights| {
            let granted = self.configured.iter().filter(|grant| grant.rights == rights);
            let granted = granted.map(|grant| format!("{:?}", grant.path));
            let missing = self.missing.iter().filter(|_| rights == FileRights::Write);
            let missing = missing.map(|path| format!("{path:?} (missing; a start that finds it reaches it)"));
            let names: Vec<String> = granted.chain(missing).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn what_does_not_exist_yet_is_described_as_missing() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("etc/keys")).unwrap();
        // With a key of its own, the server makes nothing beside the configuration.
        std::fs::write(root.join("etc/keys/ssh_host_ed25519_key"), "").unwrap();
        let file = root.join("etc/homeportd.toml");
        let text = "[server]\nhost_keys = \"keys\"\n[storage]\nhomes = \"../data/homes\"\nroots = [\"../archive\"]\n\
                    [store]\npath = \"../data/homeport.db\"";
        std::fs::write(&file, text).unwrap();
        let described = || FileRules::of(&crate::config::load(&file).unwrap()).describe();
        let missing = |name: &str| {
            format!(
                "{:?} (missing; a start that finds it reaches it)",
                root.join(name)
            )
        };
        let expected = format!("{}, {} to write, ", missing("data"), missing("archive"));
        assert!(described().starts_with(&expected), "{}", described());
        // What lies in a directory that is granted is reached when it is made.
        std::fs::create_dir(root.join("data")).unwrap();
        let expected = format!("{:?}, {} to write, ", root.join("data"), missing("archive"));
        assert!(described().starts_with(&expected), "{}", described());
    }
}
