//! `homeportd check`: reads everything, changes nothing, and says what is wrong and what to do about it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use jiff::Timestamp;
use rustix::fs::{Access, AtFlags, CWD, accessat};

use super::owner;
use super::usage::{self, HomeUsage, Known};
use crate::auth::keys::AuthorizedKey;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::homes;
use crate::server::preflight::{self, Report};
use crate::ssh::{algorithms, hostkeys};
use crate::store::Store;
use crate::store::sql::SqlStore;
use crate::user::{Factor, User};

/// What `check` found, and how much it looked at.
#[derive(Debug)]
pub struct Checked {
    /// What was found.
    pub report: Report,
    /// Users in the store.
    pub users: usize,
}

/// Looks at everything; as root, with the rights that the server will have.
///
/// # Errors
/// Only when looking itself fails; what is wrong is in the report.
pub fn check(config: &Config) -> Result<Checked> {
    let mut report = Report::default();
    let mut users = 0;
    preflight::machine(config, &mut report);
    system(config, &mut report);
    if config.data_dir().is_dir() {
        owner::become_owner(config.data_dir())?;
    }
    directories(config, &mut report);
    let recorded = super::wait(async {
        let store = open(config, &mut report).await?;
        match store.users().await {
            Ok(found) => {
                users = found.len();
                check_users(config, &found, &mut report);
                match usage::of_users(&found, config, &store).await {
                    Ok(usages) => usages.iter().for_each(|usage| quota(usage, &mut report)),
                    Err(e) => report.warn(e),
                }
            }
            Err(e) => report.error(e),
        }
        store.host_keys().await.map_err(|e| report.error(e)).ok()
    })?;
    match hostkeys::load(&config.server.host_keys) {
        Ok(keys) => {
            let verified = hostkeys::verify(&config.server.host_keys, &keys, &recorded.unwrap_or_default());
            verified.unwrap_or_else(|e| report.error(e));
            let mut algorithms: Vec<_> = keys.iter().map(|key| key.algorithm()).collect();
            algorithms
                .iter()
                .filter_map(hostkeys::notice)
                .for_each(|notice| report.warn(notice));
            if algorithms.is_empty() {
                // What the first start makes.
                algorithms.extend(hostkeys::Kind::MADE.map(hostkeys::Kind::algorithm));
            }
            algorithms::validate(&config.ssh, &algorithms).unwrap_or_else(|e| report.error(e));
        }
        Err(e) => report.error(e),
    }
    Ok(Checked { report, users })
}

/// Read-only; `None` if there is none yet or it cannot be opened.
async fn open(config: &Config, report: &mut Report) -> Option<SqlStore> {
    let path = &config.store.path;
    if path.try_exists().is_ok_and(|there| !there) {
        let text = format!(
            "there is no store yet at \"{}\" (hint: homeportd user add NAME)",
            path.display()
        );
        report.warn(text);
        return None;
    }
    SqlStore::open_read_only(path)
        .await
        .map_err(|e| report.error(e))
        .ok()
}

/// Who the server will be.
fn system(config: &Config, report: &mut Report) {
    let at = |name| config.place_of("server", name);
    match &config.server.user {
        Some(name) => match owner::system_user(name) {
            // Said already.
            Err(_) => {}
            Ok(user) => {
                if let Ok(meta) = config.data_dir().metadata()
                    && rustix::process::geteuid().is_root()
                    && meta.uid() != user.uid.as_raw()
                {
                    let dir = config.data_dir();
                    report.error(owner::not_the_servers(dir, meta.uid(), user.uid.as_raw()));
                }
            }
        },
        None if rustix::process::geteuid().is_root() && owned_by_root(config.data_dir()) => {
            report.warn(format!(
                "{}the server would run as root (hint: set \"user\" in [server] to a user of its own)",
                at("user")
            ));
        }
        None => {}
    }
}

fn owned_by_root(dir: &Path) -> bool {
    // What does not exist yet will be made by whoever starts the server.
    dir.metadata().map_or(true, |meta| meta.uid() == 0)
}

fn directories(config: &Config, report: &mut Report) {
    let data = config.data_dir();
    if let Ok(meta) = data.metadata()
        && meta.mode() & 0o022 != 0
    {
        report.error(format!(
            "the data directory \"{0}\" can be changed by others: its mode is {1:04o} (hint: chmod 700 {0})",
            data.display(),
            meta.mode() & 0o7777
        ));
    }
    strangers(data, report);
    if let Ok(meta) = config.store.path.metadata()
        && meta.mode() & 0o077 != 0
        && data.metadata().is_ok_and(|dir| dir.mode() & 0o011 != 0)
    {
        report.warn(format!(
            "others can read the password hashes in \"{0}\": its mode is {1:04o} (hint: chmod 600 {0})",
            config.store.path.display(),
            meta.mode() & 0o7777
        ));
    }
    for root in &config.storage.roots {
        if !root.is_dir() {
            let at = config.place_of("storage", "roots");
            report.warn(format!(
                "{at}\"{}\" in roots is no directory (hint: make it, or take it out)",
                root.display()
            ));
        }
    }
    if let Some(audit) = &config.log.audit
        && let Some(dir) = audit.parent()
        // The server makes its data directory itself.
        && (dir != data || dir.exists())
    {
        audit_log(&config.place_of("log", "audit"), audit, dir, report);
    }
}

/// What root, or somebody else, has left in the data directory.
fn strangers(data: &Path, report: &mut Report) {
    let (Ok(dir), Ok(entries)) = (data.metadata(), data.read_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if let Ok(meta) = entry.metadata()
            && meta.uid() != dir.uid()
        {
            report.error(format!(
                "\"{0}\" belongs to user {1}, not to the owner of the data directory (hint: chown {2} {0})",
                entry.path().display(),
                meta.uid(),
                dir.uid()
            ));
        }
    }
}

/// Can the server append to it?
fn audit_log(at: &str, audit: &Path, dir: &Path, report: &mut Report) {
    if !dir.is_dir() {
        return report.error(format!(
            "{at}the audit log's directory \"{0}\" is missing (hint: mkdir {0})",
            dir.display()
        ));
    }
    let (needed, rights) = if audit.exists() {
        (audit, Access::WRITE_OK)
    } else {
        (dir, Access::WRITE_OK | Access::EXEC_OK)
    };
    if let Err(e) = accessat(CWD, needed, rights, AtFlags::EACCESS) {
        let us = rustix::process::geteuid().as_raw();
        let error = Error::new(format!("{at}cannot write the audit log \"{}\"", audit.display()));
        let hint = format!("chown {us} {}", needed.display());
        report.error(error.because(std::io::Error::from(e)).hint(hint));
    }
}

fn check_users(config: &Config, users: &[User], report: &mut Report) {
    for (at, user) in users.iter().enumerate() {
        home(config, user, report);
        let others = users.get(at + 1..).unwrap_or_default();
        for other in others {
            neighbours(user, other, report);
        }
        sign_in(user, report);
    }
}

fn home(config: &Config, user: &User, report: &mut Report) {
    let name = &user.name;
    let home = user.home.display();
    if let Err(e) = homes::check_place(config, &homes::resolve(&user.home)) {
        report.error(format!("user {name}: {e}"));
    }
    let meta = match user.home.metadata() {
        Ok(meta) => meta,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return report.warn(format!(
                "user {name}: the home \"{home}\" is missing (the server makes it at sign-in)"
            ));
        }
        Err(e) => {
            return report
                .error(Error::new(format!("user {name}: cannot look at the home \"{home}\"")).because(e));
        }
    };
    if !meta.is_dir() {
        return report.error(format!(
            "user {name}: the home \"{home}\" is no directory (hint: move it away)"
        ));
    }
    let rights = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    if let Err(e) = accessat(CWD, &user.home, rights, AtFlags::EACCESS) {
        let error = Error::new(format!("user {name}: cannot use the home \"{home}\""))
            .because(std::io::Error::from(e));
        let us = rustix::process::geteuid().as_raw();
        return report.error(error.hint(format!("chown {us} {home}; chmod u+rwx {home}")));
    }
    if config
        .data_dir()
        .metadata()
        .is_ok_and(|data| data.uid() != meta.uid())
    {
        report.warn(format!(
            "user {name}: the home \"{home}\" belongs to user {}, not to the data directory's owner",
            meta.uid()
        ));
    }
}

fn neighbours(user: &User, other: &User, report: &mut Report) {
    let (one, two) = (homes::resolve(&user.home), homes::resolve(&other.home));
    if one == two {
        if user.quota != other.quota {
            report.error(format!(
                "users {0} and {1} share a home, but not a quota (hint: homeportd user set {0} --quota SIZE sets both)",
                user.name, other.name
            ));
        }
    } else if one.starts_with(&two) || two.starts_with(&one) {
        report.error(format!(
            "the homes of users {} and {} lie in each other: \"{}\", \"{}\" (hint: homeportd user set NAME --home DIR)",
            user.name,
            other.name,
            one.display(),
            two.display()
        ));
    }
}

/// What is not known yet is no problem: the first sign-in measures it.
fn quota(usage: &HomeUsage, report: &mut Report) {
    let name = &usage.name;
    if let Some(quota) = usage.over() {
        report.warn(format!(
            "user {name} cannot store more: {} are over {quota} (hint: homeportd user set {name} --quota SIZE --max-files N)",
            usage.used()
        ));
    }
    if let Some(unreadable) = usage.unreadable() {
        report.warn(format!(
            "the quota of user {name} is not of all that lies in the home: {unreadable} (hint: chown it to the server's user, unless it is lost+found)"
        ));
    }
    if usage.standing == Known::Unmeasurable {
        report.error(format!(
            "user {name} may be kept from storing anything: the home \"{}\" cannot be measured (hint: homeportd quota scan {name} says why)",
            usage.home
        ));
    }
}

fn sign_in(user: &User, report: &mut Report) {
    let name = &user.name;
    for (at, line) in user.keys.iter().enumerate() {
        if let Err(e) = AuthorizedKey::parse(line) {
            report.error(format!("user {name}: key {} cannot be used: {e}", at + 1));
        }
    }
    let has = |factor: &Factor| match factor {
        Factor::PublicKey => !user.keys.is_empty(),
        Factor::Password => user.password_hash.is_some(),
    };
    if let Some(missing) = user.require.iter().find(|factor| !has(factor)) {
        report.warn(format!(
            "user {name} cannot sign in: {} is required, and there is none",
            missing.name()
        ));
    } else if !has(&Factor::PublicKey) && !has(&Factor::Password) {
        report.warn(format!(
            "user {name} cannot sign in: neither key nor password (hint: homeportd user passwd {name})"
        ));
    }
    if user.expires_at.is_some_and(|at| at <= Timestamp::now()) {
        report.warn(format!(
            "user {name} has expired (hint: homeportd user set {name} --expires never)"
        ));
    }
}

#[cfg(test)]
mod tests;
