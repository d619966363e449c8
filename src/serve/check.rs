//! `homeportd check`: reads everything, changes nothing, and reports what is wrong and what to do about it.
//!
//! What the server needs for its start is checked by the code with which the start itself begins ([`preflight`]), in
//! the same order, with the same rights and the same system calls. The checks of users, places and host keys are in
//! `ops/check/`.

use super::{hooks, key_trust, preflight, sandbox};
use crate::config::Config;
use crate::control::client::Client;
use crate::domain::folder::Folder;
use crate::domain::user::{User, UserSource};
use crate::external;
use crate::hooks::helper::StartedHelper;
use crate::io::descriptors::{self, DescriptorShares};
use crate::ops::check::report::Report;
use crate::ops::check::{folders, host_keys, methods, places, secrets, unfinished, users};
use crate::ops::context::OpsContext;
use crate::ops::installation::Installation;
use crate::ops::lock::{self, Holder};
use crate::ops::running::{RunningServer as _, if_running};
use crate::ops::usage::HomeUsage;
use crate::ops::{data_dir, quota};
use crate::store::sql::SqlStore;
use crate::store::{GroupStore as _, Store, Upgrade};
use base::error::{Error, Result};
use base::size::counted;

/// What `check` found, and how many users it checked.
#[derive(Debug)]
pub struct CheckResult {
    /// The errors, warnings and plans that were found.
    pub report: Report,
    /// The number of users in the store.
    pub users: usize,
}

/// Who holds the server's sockets and its lock while they are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketHolder {
    /// Only the running server of this configuration, if there is one.
    OwnServer,
    /// Another program on the server's behalf, as systemd holds the sockets of a unit: they are not checked.
    OnItsBehalf,
}

/// Checks everything; as root, with the rights that the server will have.
///
/// # Errors
/// Returns an error only if the check itself fails. What is wrong with the server is in the report.
pub async fn check(config: &Config, holder: SocketHolder) -> Result<CheckResult> {
    let installation = config.installation();
    let server = Client::new(config.control_socket());
    let mut report = Report::default();
    preflight::machine(config, &mut report);
    process(config, &mut report);
    let owned = preflight::ownership(config, &mut report);
    // For a server that does not answer, this waits only once.
    let answers = sockets_and_lock(config, holder, &server, &mut report).await;
    let helper = external_helper(config, &mut report);
    become_the_server(config, owned)?;
    external::check::try_source(&config.auth.external, helper, &mut report).await;
    preflight::places(config, &mut report);
    preflight::creation(config, &mut report);
    key_trust::check(config, &mut report);
    unfinished::restore(&installation, &mut report);
    if answers {
        running_server(&server, &mut report).await;
    }
    let mut found = 0;
    let mut recorded = Vec::new();
    if let Some(store) = open(config, &installation, &mut report).await {
        if let Some(Upgrade { from, to }) = store.migration() {
            report.plan(format!("migrate the store from version {from} to {to}"));
        }
        found = users_and_homes(config, &store, answers.then_some(&server), &mut report).await;
        match store.host_keys().await {
            Ok(keys) => recorded = keys,
            Err(e) => report.error(e),
        }
    }
    host_keys::check(&installation.host_keys, &config.ssh, &recorded, &mut report);
    Ok(CheckResult { report, users: found })
}

/// Starts the helper for the program of `[auth.external]`, if there is one. It must be called before rights are given up.
fn external_helper(config: &Config, report: &mut Report) -> Option<StartedHelper> {
    if config.auth.external.command.is_empty() {
        return None;
    }
    match hooks::start_helper(config) {
        Ok(helper) => helper,
        Err(error) => {
            report.error(error);
            None
        }
    }
}

/// Checks all users, their homes and the use of these; returns how many users there are. The use is that of `server` if
/// one runs, otherwise what was recorded last.
async fn users_and_homes(
    config: &Config,
    store: &SqlStore,
    server: Option<&Client>,
    report: &mut Report,
) -> usize {
    let installation = config.installation();
    let found = match store.users().await {
        Ok(found) => found,
        Err(e) => {
            report.error(e);
            return 0;
        }
    };
    if found.is_empty() {
        preflight::orphans(config, report);
    }
    users::check(&installation, &found, report);
    methods::check(&config.auth, &found, report);
    without_a_source(config, &found, report);
    let shared = match store.folders().await {
        Ok(shared) => shared,
        Err(e) => {
            report.error(e);
            Vec::new()
        }
    };
    folders::check(&installation, &found, &shared, report);
    hooks::check_targets(config, &found, &shared, report);
    unfinished::moves(&installation, &found, report);
    secrets::check(&installation, &found, report);
    places::check(&installation, &found, &shared, store, report).await;
    for usages in usages(&installation, store, server, (&found, &shared)).await {
        match usages {
            Ok(usages) => usages.iter().for_each(|usage| users::check_usage(usage, report)),
            Err(e) => report.warn(e),
        }
    }
    found.len()
}

/// Reports users of an outside source that the configuration does not have any more.
fn without_a_source(config: &Config, users: &[User], report: &mut Report) {
    let external = users.iter().filter(|user| user.source == UserSource::External);
    let count = external.count();
    if count > 0 && !config.auth.external.is_on() {
        report.warn(format!(
            "{} of an outside source cannot sign in: [auth.external] names none (hint: homeportd user remove; their files \
             stay)",
            counted(count, "user")
        ));
    }
}

/// Returns the use of homes and that of folders: from `server` if one runs, otherwise as it was recorded last.
async fn usages(
    installation: &Installation,
    store: &SqlStore,
    server: Option<&Client>,
    (users, folders): (&[User], &[Folder]),
) -> [Result<Vec<HomeUsage>>; 2] {
    let Some(server) = server else {
        return [
            HomeUsage::recorded(users, store).await,
            HomeUsage::recorded(folders, store).await,
        ];
    };
    let context = OpsContext {
        installation,
        store,
        server,
        warn: |_| (),
    };
    [
        quota::usage_of(users, &context).await,
        quota::usage_of(folders, &context).await,
    ]
}

/// Checks what the server's process will have, and which rights it will give up, as far as this process can tell.
fn process(config: &Config, report: &mut Report) {
    if !config.server.sandbox {
        report.plan("run without the sandbox ([server] sandbox is false)");
    } else {
        match sandbox::probe() {
            Ok(()) => {
                report.plan("enter the sandbox: no programs, no core dumps (SECURITY.md says what else)")
            }
            Err(error) => report.warn(format!("the server would run without its sandbox: {error}")),
        }
        match sandbox::probe_files(config) {
            Ok(reached) => report.plan(format!("reach no other files than the system's and {reached}")),
            Err(error) => report.warn(format!("the server would reach all files of its user: {error}")),
        }
    }
    if let [address, ..] = &config.metrics.listen[..] {
        report.plan(format!("serve metrics on http://{address}/metrics"));
    }
    if !config.server.proxy_from.is_empty() {
        let networks: Vec<String> = config.server.proxy_from.iter().map(ToString::to_string).collect();
        report.plan(format!(
            "require a PROXY header of each connection from {}",
            networks.join(", ")
        ));
    }
    // The server does the same; its service manager may set another limit than this shell has.
    let _ = descriptors::raise_limit();
    if let (_, Some(cut)) = config.limits.fitted(&DescriptorShares::of_process()) {
        report.warn(format!("{}{cut}", config.place_of("limits", "connections")));
    }
}

/// Reports sockets and a lock that are neither free nor held by the running server, or by `holder` on its behalf, which
/// never holds the sockets of the metrics. It must be called before rights are given up. Returns `false` if there is a
/// server that does not answer.
async fn sockets_and_lock(
    config: &Config,
    holder: SocketHolder,
    server: &Client,
    report: &mut Report,
) -> bool {
    let are_checked = holder == SocketHolder::OwnServer;
    if !are_checked && config.metrics.listen.is_empty() {
        return true;
    }
    let (listening, answers) = match if_running(server.listening().await) {
        Ok(listening) => (listening, true),
        // Whatever it is, it does not count as the running server.
        Err(error) => {
            report.error(error);
            (Some(Vec::new()), false)
        }
    };
    if listening.is_none() && are_checked {
        lock_is_free(config, report);
    }
    let listening = listening.unwrap_or_default();
    if are_checked {
        preflight::sockets(config, &listening, report);
    }
    preflight::metrics_sockets(config, &listening, report);
    answers
}

/// Reports what only the running server knows, if there is one.
async fn running_server(server: &Client, report: &mut Report) {
    match if_running(server.problems().await) {
        Ok(problems) => problems
            .into_iter()
            .flatten()
            .for_each(|problem| report.warn(problem)),
        Err(error) => report.warn(error),
    }
}

/// Reports a lock of the data directory that is held although no server answers.
fn lock_is_free(config: &Config, report: &mut Report) {
    match lock::current_holder(config.data_dir()) {
        Ok(Holder::None) => {}
        Ok(Holder::Process(pid)) => report.error(
            Error::new(format!(
                "the data directory \"{}\" is in use",
                config.data_dir().display()
            ))
            .because(format!(
                "{} has locked it, and no process answers at its control socket",
                pid.map_or("a process".to_owned(), |pid| format!("process {pid}"))
            ))
            .hint("it may be starting, ending, or measuring (quota scan): try again, or stop it"),
        ),
        Err(error) => report.error(error),
    }
}

/// Takes the rights that the server will have, as a start does, so that everything is checked with them.
fn become_the_server(config: &Config, owned: bool) -> Result<()> {
    if config.server.user.is_some() && owned {
        return preflight::become_server(config);
    }
    match config.data_dir().is_dir() {
        true => data_dir::become_owner(config.data_dir()),
        false => Ok(()),
    }
}

/// Opens the store read-only; `None` if there is none, which [`preflight::machine`] has reported, or if it cannot be
/// opened.
async fn open(config: &Config, installation: &Installation, report: &mut Report) -> Option<SqlStore> {
    if SqlStore::must_exist(&config.store.path).is_err() {
        preflight::orphans(config, report);
        return None;
    }
    if std::fs::metadata(&config.store.path).is_ok_and(|meta| meta.len() == 0) {
        // Drop the plans that it has made, which only say what is lost. The error is that it cannot be opened.
        preflight::orphans(config, report);
    }
    crate::ops::store::open_read_only(installation)
        .await
        .map_err(|e| report.error(e))
        .ok()
}
