//! Checks what lies on the disk, as the user that the server will be: the data directory and foreign files in it, the
//! directories of homes, the audit log, and the free space.

use std::io::{Error as IoError, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat, statvfs};

use crate::config::Config;
use crate::hooks::table::HookTable;
use crate::ops::check::report::Report;
use crate::ops::data_dir;
use crate::ops::installation::Installation;
use crate::store::reserve;
use crate::store::sql::SqlStore;
use crate::telemetry;
use base::advice;
use base::error::Error;
use base::regular;

/// The free space in bytes below which the store may not be able to write a change: its log grows by 4 MiB before it is
/// checkpointed.
const LOW_SPACE: u64 = 8 << 20;

/// The bytes that opening the store writes: the index of its log, 32 KiB, and the file's first pages.
const TO_OPEN: u64 = 64 << 10;

/// The most homes that a message names.
const MAX_NAMED: usize = 5;

/// Checks everything that lies on the disk.
pub fn places(config: &Config, report: &mut Report) {
    data_directory(config, report);
    homes(config, report);
    for root in &config.storage.roots {
        check_root(config, root, report);
    }
    hooks(config, report);
    let data = config.data_dir();
    // A missing data directory is reported with the store.
    let in_nothing = |audit: &&PathBuf| audit.parent() == Some(data) && !data.exists();
    if let Some(audit) = config.log.audit.as_ref().filter(|audit| !in_nothing(audit)) {
        match telemetry::probe_audit(audit) {
            Ok(true) => {}
            Ok(false) => report.plan(format!("make the audit log \"{}\"", audit.display())),
            Err(error) => report.error(format!("{}{error}", config.place_of("log", "audit"))),
        }
    }
}

/// Checks a directory in which homes may lie. One on a disk that is mounted read-only is right: its homes are only
/// read.
fn check_root(config: &Config, root: &Path, report: &mut Report) {
    let at = || config.place_of("storage", "roots");
    let shown = root.display();
    match advice::view(root) {
        Some(hint) => report.warn(format!(
            "{}the homes in \"{shown}\" can only be read, or not at all (hint: {hint})",
            at()
        )),
        None if !root.is_dir() => report.warn(format!(
            "{}\"{shown}\" in roots is not a directory (hint: make it, or remove it from the list)",
            at()
        )),
        None => {}
    }
}

/// Checks the programs and the secrets of hooks. A program that is missing keeps no server from running: its events
/// wait.
fn hooks(config: &Config, report: &mut Report) {
    for hook in &config.hooks {
        let Some(program) = hook.command.first() else {
            continue;
        };
        let found = accessat(CWD, program, Access::EXEC_OK, AtFlags::EACCESS).map_err(IoError::from);
        let why = match found {
            Ok(()) if Path::new(program).is_dir() => IoError::other("it is a directory"),
            Ok(()) => continue,
            Err(error) => error,
        };
        let error = Error::new(format!("the command \"{program}\" of [[hooks]] cannot be run"));
        report.warn(
            error
                .because(why)
                .hint("its events wait, and are set aside after the retries"),
        );
    }
    if let Err(error) = HookTable::load(&config.hooks) {
        report.error(error);
    }
}

/// Compares the user that the server will be with the owner of the data directory. It must be called before rights are
/// given up. Returns `false` if the directory belongs to another user.
pub fn ownership(config: &Config, report: &mut Report) -> bool {
    let data = config.data_dir();
    let is_root = rustix::process::geteuid().is_root();
    let found = data.metadata().ok().map(|meta| meta.uid());
    let user = match &config.server.user {
        None => None,
        Some(name) => match data_dir::system_user(name) {
            Ok(user) => Some(user.uid.as_raw()),
            // Whether there is such a user is checked with the machine.
            Err(_) => return false,
        },
    };
    // A directory that does not exist yet is created by the user that starts the server.
    if is_root && user.or(found).unwrap_or(0) == 0 {
        report.warn(format!(
            "{}the server would run as root: a fault in it would be a fault in the whole machine (hint: set \
             \"user\" in [server] to a user of its own)",
            config.place_of("server", "user")
        ));
    }
    let us = rustix::process::geteuid().as_raw();
    if !is_root && user.is_some_and(|user| user != us) {
        report.warn(format!(
            "{}run by user {us} and not by root: \"user\" in [server] has no effect",
            config.place_of("server", "user")
        ));
    }
    match (user, found) {
        (Some(us), Some(owner)) if is_root && owner != us => {
            report.error(data_dir::not_the_servers(data, owner, us));
            false
        }
        _ => true,
    }
}

fn data_directory(config: &Config, report: &mut Report) {
    let data = config.data_dir();
    let meta = match data.metadata() {
        Ok(meta) if meta.is_dir() => meta,
        Ok(meta) => {
            let why = format!("it is {}", regular::kind(meta.file_type()));
            return report.error(
                unusable(data)
                    .because(why)
                    .hint("is [store] path in the configuration right?"),
            );
        }
        // Whether the server creates it is checked with the store.
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return report.error(advice::because(unusable(data), error, data, "u+rwx")),
    };
    if let Err(error) = accessat(
        CWD,
        data,
        Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    ) {
        return report.error(advice::because(unusable(data), error.into(), data, "u+rwx"));
    }
    if let Err(error) = SqlStore::is_accessible(&config.store.path) {
        report.fault(error);
    }
    if meta.mode() & 0o022 != 0 {
        report.fault(format!(
            "the data directory \"{}\" can be changed by others: its mode is {} (hint: {})",
            data.display(),
            advice::mode_text(&meta),
            advice::chmod(data, "700")
        ));
    }
    if let Ok(store) = config.store.path.metadata()
        && store.mode() & 0o077 != 0
        && meta.mode() & 0o011 != 0
    {
        report.warn(format!(
            "others can read the password hashes in \"{}\": its mode is {} (hint: {})",
            config.store.path.display(),
            advice::mode_text(&store),
            advice::chmod(&config.store.path, "600")
        ));
    }
    left_behind(&config.installation(), meta.uid(), report);
    room(config, report);
}

fn unusable(data: &Path) -> Error {
    Error::new(format!("cannot use the data directory \"{}\"", data.display()))
}

/// Reports files in the data directory that root, or another user, has left there. Links are examined, never followed.
fn left_behind(installation: &Installation, owner: u32, report: &mut Report) {
    let data = installation.data_dir();
    let Ok(entries) = data.read_dir() else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(meta) = path.symlink_metadata() else {
            continue;
        };
        if meta.is_symlink() {
            if !is_configured(installation, &path) {
                let link = advice::link(&path, meta.uid());
                report.fault(format!(
                    "\"{}\" lies in the data directory (hint: {link})",
                    path.display()
                ));
            }
        } else if meta.uid() != owner {
            let text = format!(
                "\"{}\" belongs to user {}, not to the owner of the data directory (hint: {})",
                path.display(),
                meta.uid(),
                advice::chown(&path, owner)
            );
            // The server must own what it opens; other files are a mistake without consequences.
            match is_ours(installation, &path) {
                true => report.fault(text),
                false => report.warn(text),
            }
        }
    }
}

/// Returns whether the server opens this file, or a file in it.
fn is_ours(installation: &Installation, path: &Path) -> bool {
    is_configured(installation, path) || data_dir::is_servers_own(installation, path)
}

/// Returns whether the configuration names this path, so that a link may lie there.
fn is_configured(installation: &Installation, path: &Path) -> bool {
    installation
        .configured_paths()
        .any(|configured| configured == path)
}

fn room(config: &Config, report: &mut Report) {
    let data = config.data_dir();
    let Ok(system) = statvfs(data) else { return };
    let free = system.f_bavail.saturating_mul(system.f_frsize);
    let mut index = config.store.path.as_os_str().to_owned();
    index.push("-shm");
    // If another process has the store open, its index exists.
    if free < TO_OPEN && !reserve::is_whole(&config.store.path) && !Path::new(&index).exists() {
        return report.error(format!(
            "the disk of the data directory \"{}\" is full: {} are free, and the store cannot be opened (hint: make \
             room: remove something that is not the server's)",
            data.display(),
            base::size::Size(free)
        ));
    }
    let what = if free < LOW_SPACE {
        format!("{} are free", base::size::Size(free))
    } else if system.f_files > 0 && system.f_favail < 16 {
        format!(
            "{} can be made",
            base::size::counted(system.f_favail, "more file")
        )
    } else {
        return;
    };
    report.warn(format!(
        "the disk of the data directory \"{}\" is full: {what} (hint: make room, or changes of users and uploads fail)",
        data.display()
    ));
}

/// Checks the directory in which homes are created.
fn homes(config: &Config, report: &mut Report) {
    let homes = &config.storage.homes;
    let cannot = |cause: IoError| {
        let at = config.place_of("storage", "homes");
        Error::new(format!(
            "{at}\"{}\" cannot be \"homes\" in [storage]",
            homes.display()
        ))
        .because(cause)
        .hint(
            advice::view(homes)
                .unwrap_or_else(|| "it must be a directory that the server's user can write to".to_owned()),
        )
    };
    match homes.metadata() {
        Ok(meta) if !meta.is_dir() => {
            let kind = regular::kind(meta.file_type());
            report.error(cannot(IoError::other(format!("it is {kind}"))));
        }
        Ok(_) => {
            let rights = Access::WRITE_OK | Access::EXEC_OK;
            if let Err(error) = accessat(CWD, homes, rights, AtFlags::EACCESS) {
                report.warn(cannot(error.into()));
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound && homes.is_symlink() => {
            let text = "it is a symbolic link to something that does not exist";
            report.error(cannot(IoError::other(text)));
        }
        // Its disk may be mounted later: the marker shows it (see `ops/check/places.rs`, and the log at a start).
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => report.error(cannot(error)),
    }
}

/// Reports a store without users beside homes that exist: most likely another store belongs to them.
pub fn orphans(config: &Config, report: &mut Report) {
    let Ok(entries) = config.storage.homes.read_dir() else {
        return;
    };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| PathBuf::from(entry.file_name()))
        .filter(|name| {
            !name.as_os_str().as_encoded_bytes().starts_with(b".") && name.as_os_str() != "lost+found"
        })
        .collect();
    if found.is_empty() {
        return;
    }
    found.sort();
    let names: Vec<String> = found
        .iter()
        .take(MAX_NAMED)
        .map(|name| format!("{name:?}"))
        .collect();
    let more = match found.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    report.warn(format!(
        "the store \"{}\" has no users, but there are homes in \"{}\": {}{more} (hint: was the store emptied, or is \
         [store] path another one? restore it from a backup; users added now do not get those homes' quotas and keys \
         back)",
        config.store.path.display(),
        config.storage.homes.display(),
        names.join(", ")
    ));
}
