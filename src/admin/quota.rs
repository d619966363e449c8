//! `homeportd quota …`: what homes hold, and measuring them again.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;

use super::cli::QuotaCommand;
use super::show;
use super::usage::{self, HomeUsage, Scanned};
use crate::accounts::measure::measure_unused;
use crate::config::Config;
use crate::control::{Answer, Request, ask_if_running, unexpected};
use crate::domain::user::{User, UserName};
use crate::serve::lock::DataLock;
use crate::store::{Store, UsageRecord};
use base::error::{Error, Result};

/// Prints; what is known is told at once.
pub type Tell<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// Does what the command says.
///
/// # Errors
/// When the store, the running server or the disk refuses.
pub async fn run(command: QuotaCommand, config: &Config, store: &dyn Store, tell: Tell<'_>) -> Result<()> {
    match command {
        QuotaCommand::Show { name, json } => {
            let is_one = name.is_some();
            let usages = usage::of_users(&named(name, store).await?, config, store).await?;
            match usages.as_slice() {
                [usage] if is_one && json => tell(&show::json(usage)?),
                [usage] if is_one => tell(&usage.text()),
                usages if json => tell(&show::json(&usages)?),
                usages => tell(&usage::table(usages)),
            }
        }
        QuotaCommand::Scan { name } => {
            let users = named(name, store).await?;
            let measurer = Measurer {
                config,
                store,
                lock: None,
            };
            scan(&users, measurer, tell).await
        }
    }
}

async fn named(name: Option<UserName>, store: &dyn Store) -> Result<Vec<User>> {
    match name {
        Some(name) => Ok(vec![super::users::find(store, &name).await?]),
        None => store.users().await,
    }
}

/// Measures the homes of these users, each once. One that cannot be measured keeps no other from it.
async fn scan(users: &[User], mut measurer: Measurer<'_>, tell: Tell<'_>) -> Result<()> {
    let mut homes: BTreeMap<&Path, Vec<&User>> = BTreeMap::new();
    for user in users {
        homes.entry(&user.home).or_default().push(user);
    }
    let mut failed = Vec::new();
    for sharers in homes.values() {
        let Some(user) = sharers.first() else { continue };
        let names: Vec<&str> = sharers.iter().map(|user| user.name.as_str()).collect();
        match measurer.measure(user).await {
            Ok(scanned) => tell(&line(&names.join(", "), &scanned))?,
            Err(error) => failed.push(error),
        }
    }
    match failed.pop() {
        None => Ok(()),
        Some(error) if homes.len() == 1 => Err(error),
        Some(error) => {
            failed.push(error);
            let causes: String = failed.iter().map(|error| format!("\n  {error}")).collect();
            let (bad, all) = (failed.len(), homes.len());
            Err(Error::new(format!(
                "{bad} of {all} homes could not be measured:{causes}"
            )))
        }
    }
}

struct Measurer<'a> {
    config: &'a Config,
    store: &'a dyn Store,
    /// Ours once it was found that no server runs, so that none starts until we are done.
    lock: Option<DataLock>,
}

impl Measurer<'_> {
    /// The running server measures, since it alone knows what is being written; else we do.
    async fn measure(&mut self, user: &User) -> Result<Scanned> {
        if self.lock.is_none() {
            let request = Request::Scan {
                user: user.name.to_string(),
            };
            match ask_if_running(&self.config.control_socket(), &request)? {
                Some(Answer::Scanned(scanned)) => return Ok(*scanned),
                Some(_) => return Err(unexpected()),
                None => {}
            }
            let lock = DataLock::take(self.config.data_dir()).map_err(|e| {
                Error::new(format!("cannot measure the home {:?}", user.home))
                    .because(e.hint("nobody answers for it: a server is starting or ending; try again"))
            })?;
            self.lock = Some(lock);
        }
        let before = HomeUsage::of_record(user, self.store.usage(&user.home).await?.as_ref());
        usage::must_exist(&user.home)?;
        let measured_at = Timestamp::now();
        let sum = measure_unused(&user.home)?;
        // First what was counted, then the number: a power cut must not take back what the number says.
        sync(&user.home)?;
        let record = UsageRecord {
            home: user.home.clone(),
            bytes: sum.bytes,
            files: sum.files,
            exact: true,
            measured_at: Some(measured_at),
        };
        self.store.record_usage(&[record]).await?;
        let after = HomeUsage::measured(user, &sum);
        Ok(Scanned { before, after })
    }
}

fn sync(home: &Path) -> Result<()> {
    std::fs::File::open(home)
        .and_then(|directory| Ok(rustix::fs::syncfs(directory)?))
        .map_err(|e| Error::new(format!("cannot write the home {home:?} out to its disk")).because(e))
}

/// `calvin: at most 64.0 MiB, 10000 files -> 1.0 MiB, 12 files (1048576 bytes)`
fn line(names: &str, Scanned { before, after }: &Scanned) -> String {
    let numbers = |usage: &HomeUsage| (usage.used_bytes, usage.used_files);
    let exact = match after.used_bytes {
        Some(bytes @ 1024..) => format!(" ({bytes} bytes)"),
        _ => String::new(),
    };
    let mut text = if before.usage_exact && numbers(before) == numbers(after) {
        format!("{names}: {}{exact}, as before", after.used())
    } else {
        format!("{names}: {} -> {}{exact}", before.used(), after.used())
    };
    if let Some(quota) = after.over() {
        text.push_str(&format!("; over {quota}"));
    }
    if let Some(unreadable) = after.unreadable() {
        text.push_str(&format!("; {unreadable}"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
pub(super) mod tests;
