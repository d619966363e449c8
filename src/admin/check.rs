//! `homeportd check`: reads everything, changes nothing, and says what is wrong and what to do about it.
//!
//! What the server needs for its start is looked at by the code that the start begins with ([`preflight`]), in the same
//! order, with the same rights and the same ways to open things. What concerns single users is [`users`].

mod storage;
mod users;

use std::net::SocketAddr;

use super::owner;
use super::usage;
use crate::config::Config;
use crate::control::{self, Answer, Request};
use crate::io::descriptors::{self, Shares};
use crate::serve::lock::{self, Holder};
use crate::serve::preflight::{self, Report};
use crate::serve::sandbox;
use crate::ssh::{algorithms, hostkeys};
use crate::store::Store;
use crate::store::sql::SqlStore;
use base::error::{Error, Result};

/// What `check` found, and how much it looked at.
#[derive(Debug)]
pub struct Checked {
    /// What was found.
    pub report: Report,
    /// Users in the store.
    pub users: usize,
}

/// Who holds what a server needs for itself: its sockets, the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Nobody but our own server, if it runs.
    ByUs,
    /// Others on our behalf, as a unit's sockets are held by systemd: they are not looked at.
    OnOurBehalf,
}

/// Looks at everything; as root, with the rights that the server will have.
///
/// # Errors
/// Only when looking itself fails; what is wrong is in the report.
pub fn check(config: &Config, held: Held) -> Result<Checked> {
    let mut report = Report::default();
    preflight::machine(config, &mut report);
    process(config, &mut report);
    let owned = preflight::ownership(config, &mut report);
    // A server that does not answer is waited for once.
    let answers = held == Held::OnOurBehalf || held_by_us(config, &mut report);
    become_the_server(config, owned)?;
    preflight::places(config, &mut report);
    let mut users = 0;
    let recorded = super::wait(async {
        let store = open(config, &mut report).await?;
        if let Some((from, to)) = store.migration() {
            report.will(format!("migrate the store from version {from} to {to}"));
        }
        match store.users().await {
            Ok(found) => {
                users = found.len();
                if found.is_empty() {
                    preflight::orphans(config, &mut report);
                }
                users::look(config, &found, &mut report);
                storage::look(config, &found, &store, &mut report).await;
                let usages = match answers {
                    true => usage::of_users(&found, config, &store).await,
                    false => usage::HomeUsage::recorded(&found, &store).await,
                };
                match usages {
                    Ok(usages) => usages.iter().for_each(|usage| users::quota(usage, &mut report)),
                    Err(e) => report.warn(e),
                }
            }
            Err(e) => report.error(e),
        }
        store.host_keys().await.map_err(|e| report.error(e)).ok()
    })?;
    host_keys(config, &recorded.unwrap_or_default(), &mut report);
    Ok(Checked { report, users })
}

/// What the server's process will have, and what it will give up, as far as this one can tell.
fn process(config: &Config, report: &mut Report) {
    if !config.server.sandbox {
        report.will("run without the sandbox ([server] sandbox is false)");
    } else {
        match sandbox::try_out() {
            Ok(()) => {
                report.will("enter the sandbox: no programs, no core dumps (SECURITY.md says what else)")
            }
            Err(error) => report.warn(format!("the server would run without its sandbox: {error}")),
        }
    }
    // As the server does; what starts it may set another limit than this shell has.
    let _ = descriptors::raise_limit();
    if let (_, Some(cut)) = config.limits.fitted(&Shares::of_process()) {
        report.warn(format!("{}{cut}", config.place_of("limits", "connections")));
    }
}

/// The sockets and the lock: free, or our running server's. To be asked before rights are given up. `false`: there is a
/// server, and it does not answer.
fn held_by_us(config: &Config, report: &mut Report) -> bool {
    let mut answers = true;
    let listening = match running(config) {
        Ok(listening) => listening,
        // Whatever it is, what it holds is not ours then.
        Err(error) => {
            report.error(error);
            answers = false;
            Some(Vec::new())
        }
    };
    if listening.is_none() {
        match lock::look(config.data_dir()) {
            Ok(Holder::None) => {}
            Ok(Holder::Process(pid)) => report.error(
                Error::new(format!(
                    "the data directory \"{}\" is in use",
                    config.data_dir().display()
                ))
                .because(format!(
                    "{} has locked it, and nobody answers at its control socket",
                    pid.map_or("a process".to_owned(), |pid| format!("process {pid}"))
                ))
                .hint("it may be starting, ending, or measuring (quota scan): try again, or stop it"),
            ),
            Err(error) => report.error(error),
        }
    }
    preflight::sockets(config, &listening.unwrap_or_default(), report);
    answers
}

/// The addresses that our running server listens on; `None` if none runs.
fn running(config: &Config) -> Result<Option<Vec<SocketAddr>>> {
    match control::ask_if_running(&config.control_socket(), &Request::Listening)? {
        None => Ok(None),
        Some(Answer::Listening(addresses)) => Ok(Some(addresses)),
        Some(_) => Err(control::unexpected()),
    }
}

/// As the start does, so that what is looked at is seen with the server's eyes.
fn become_the_server(config: &Config, owned: bool) -> Result<()> {
    if config.server.user.is_some() && owned {
        return preflight::become_server(config);
    }
    match config.data_dir().is_dir() {
        true => owner::become_owner(config.data_dir()),
        false => Ok(()),
    }
}

/// Read-only; `None` if there is none, which `preflight::machine` has said, or it cannot be opened.
async fn open(config: &Config, report: &mut Report) -> Option<SqlStore> {
    if SqlStore::must_exist(&config.store.path).is_err() {
        preflight::orphans(config, report);
        return None;
    }
    if std::fs::metadata(&config.store.path).is_ok_and(|meta| meta.len() == 0) {
        // Cut: what it had made tells what is lost. That it cannot be opened is the error.
        preflight::orphans(config, report);
    }
    super::store::look(config).await.map_err(|e| report.error(e)).ok()
}

/// The keys that are there, those that clients were shown, and what would be offered.
fn host_keys(config: &Config, recorded: &[(String, String)], report: &mut Report) {
    let directory = &config.server.host_keys;
    let keys = match hostkeys::load(directory) {
        Ok(keys) => keys,
        Err(e) => return report.error(e),
    };
    hostkeys::verify(directory, &keys, recorded).unwrap_or_else(|e| report.error(e));
    let mut algorithms: Vec<_> = keys.iter().map(|key| key.algorithm()).collect();
    algorithms
        .iter()
        .filter_map(hostkeys::notice)
        .for_each(|notice| report.warn(notice));
    if algorithms.is_empty() && recorded.is_empty() {
        report.will(format!("make host keys in \"{}\"", directory.display()));
    }
    if algorithms.is_empty() {
        // What the first start makes.
        algorithms.extend(hostkeys::Kind::MADE.map(hostkeys::Kind::algorithm));
    }
    algorithms::validate(&config.ssh, &algorithms).unwrap_or_else(|e| report.error(e));
}

#[cfg(test)]
mod tests;
