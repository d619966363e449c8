//! What homes hold, as it is shown: the stable JSON of `quota show` and of the control socket, and text for people.

use std::collections::HashMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::show;
use crate::accounts::account::{Usage, UsageAccuracy};
use crate::accounts::measure::{Sum, Unreadable};
use crate::config::Config;
use crate::control::{Answer, Request, ask_if_running, unexpected};
use crate::domain::user::User;
use crate::store::{Store, UsageRecord};
use base::error::{Error, Result};
use base::size::Size;

/// What a user's home holds and may hold. The names and meanings of fields are stable; fields may be added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HomeUsage {
    /// The user. Users who share a home have the same numbers.
    pub name: String,
    /// Absolute path on disk.
    pub home: String,
    /// Sum of file sizes; `null` if nothing is known.
    pub used_bytes: Option<u64>,
    /// Files, directories and symbolic links; `null` if nothing is known.
    pub used_files: Option<u64>,
    /// What is allowed; `null`: unlimited.
    pub quota_bytes: Option<u64>,
    /// What is allowed; `null`: unlimited.
    pub quota_files: Option<u64>,
    /// Are the numbers the use, to the byte? Otherwise the use is at most that.
    pub usage_exact: bool,
    /// How far the numbers can be relied on.
    pub standing: Known,
    /// Entries that the server cannot look into; each counts as one file, whatever is in it. Left out if there are none.
    #[serde(default, skip_serializing_if = "none")]
    pub unreadable_entries: u64,
    /// Absolute path of one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unreadable_example: Option<String>,
}

/// How far numbers can be relied on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Known {
    /// They are the use.
    Exact,
    /// They are a ceiling that the use is not above: the server was cut off, and the home not measured since.
    AtMost,
    /// There are none, because the home cannot be walked; only what is known to fit can grow.
    Unmeasurable,
    /// There are none yet.
    Unknown,
}

/// A home that was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// What was known before.
    pub before: HomeUsage,
    /// What was found; exact.
    pub after: HomeUsage,
}

impl HomeUsage {
    /// What is known of a user's home. The quota is the user's, as the store has it.
    pub fn new(user: &User, usage: Option<Usage>) -> Self {
        let standing = match usage.map(|usage| usage.accuracy) {
            Some(UsageAccuracy::Exact) => Known::Exact,
            Some(UsageAccuracy::AtCeiling) => Known::AtMost,
            Some(UsageAccuracy::Unmeasurable) => Known::Unmeasurable,
            None => Known::Unknown,
        };
        // What such an account says is what growth is judged by, and not what lies in the home.
        let usage = usage.filter(|usage| usage.accuracy != UsageAccuracy::Unmeasurable);
        Self {
            name: user.name.to_string(),
            home: user.home.display().to_string(),
            used_bytes: usage.map(|usage| usage.bytes),
            used_files: usage.map(|usage| usage.files),
            quota_bytes: user.quota.bytes,
            quota_files: user.quota.files,
            usage_exact: standing == Known::Exact,
            standing,
            unreadable_entries: 0,
            unreadable_example: None,
        }
    }

    /// The same with what could not be looked into.
    #[must_use]
    pub fn except(self, unreadable: &Unreadable) -> Self {
        Self {
            unreadable_entries: unreadable.count,
            unreadable_example: unreadable.first.as_ref().map(|path| path.display().to_string()),
            ..self
        }
    }

    /// What could not be looked into, in one clause.
    pub fn unreadable(&self) -> Option<String> {
        let path = self.unreadable_example.as_ref()?;
        let more = match self.unreadable_entries {
            0 | 1 => String::new(),
            count => format!(" and {} more", count - 1),
        };
        Some(format!(
            "the server cannot enter {path:?}{more}, which counts as one file, whatever is in it"
        ))
    }

    /// What was measured.
    pub fn measured(user: &User, sum: &Sum) -> Self {
        let usage = Usage {
            bytes: sum.bytes,
            files: sum.files,
            quota: user.quota,
            accuracy: UsageAccuracy::Exact,
        };
        Self::new(user, Some(usage)).except(&sum.unreadable)
    }

    /// What is written down of users' homes, in their order.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn recorded(users: &[User], store: &dyn Store) -> Result<Vec<Self>> {
        if let [user] = users {
            return Ok(vec![Self::of_record(
                user,
                store.usage(&user.home).await?.as_ref(),
            )]);
        }
        let records = store.usages().await?;
        let records: HashMap<&Path, &UsageRecord> = records
            .iter()
            .map(|record| (record.home.as_path(), record))
            .collect();
        let usage = |user: &User| Self::of_record(user, records.get(user.home.as_path()).copied());
        Ok(users.iter().map(usage).collect())
    }

    /// What this record says of a user's home.
    pub fn of_record(user: &User, record: Option<&UsageRecord>) -> Self {
        Self::new(
            user,
            record.and_then(|record| Usage::recorded(record, user.quota)),
        )
    }

    /// What the home holds for certain and may not: `the quota of 1.0 GiB`.
    pub fn over(&self) -> Option<String> {
        let passed = |used: Option<u64>, quota: Option<u64>| {
            quota.filter(|quota| self.usage_exact && used.is_some_and(|used| used > *quota))
        };
        let bytes = passed(self.used_bytes, self.quota_bytes).map(|bytes| Size(bytes).to_string());
        let limits = bytes
            .into_iter()
            .chain(passed(self.used_files, self.quota_files).map(files));
        let limits: Vec<String> = limits.collect();
        (!limits.is_empty()).then(|| format!("the quota of {}", limits.join(" and ")))
    }

    /// Bytes and files in one clause: `at most 1.0 MiB, 12 files`.
    pub fn used(&self) -> String {
        match (self.used_bytes, self.used_files) {
            (Some(bytes), Some(count)) => {
                format!("{}{}, {}", self.at_most(), Size(bytes), files(count))
            }
            _ if self.standing == Known::Unmeasurable => "unknown: the home cannot be measured".to_owned(),
            _ => "not measured yet".to_owned(),
        }
    }

    /// The bytes alone, for a table.
    pub fn used_bytes(&self) -> String {
        let shown = |bytes| format!("{}{}", self.at_most(), Size(bytes));
        self.used_bytes.map_or_else(|| "-".to_owned(), shown)
    }

    fn at_most(&self) -> &'static str {
        if self.usage_exact { "" } else { "at most " }
    }

    /// For people: a line for each thing.
    pub fn text(&self) -> String {
        let size = |bytes: u64| match bytes {
            0..1024 => format!("{bytes} bytes"),
            _ => format!("{bytes} bytes ({})", Size(bytes)),
        };
        let of = |used: Option<String>, quota: Option<String>| {
            let used = used.map_or_else(|| "?".to_owned(), |used| format!("{}{used}", self.at_most()));
            let quota = quota.unwrap_or_else(|| "unlimited".to_owned());
            format!("{used} of {quota}")
        };
        let name = &self.name;
        let known = match self.standing {
            Known::Exact => match self.over() {
                Some(quota) => format!("exact, and over {quota}: what is there stays, nothing grows"),
                None => "exact".to_owned(),
            },
            Known::AtMost => format!(
                "no more than this; exact once the home has been measured (homeportd quota scan {name})"
            ),
            Known::Unmeasurable => format!(
                "the home cannot be measured, so only what is known to fit can grow in it (homeportd quota scan {name} says why)"
            ),
            Known::Unknown => {
                format!("not measured yet; the first sign-in does it, or homeportd quota scan {name}")
            }
        };
        let known = match self.unreadable() {
            Some(unreadable) => format!("{known}; {unreadable}"),
            None => known,
        };
        let number = |number: u64| number.to_string();
        show::lines(&[
            ("name", name.clone()),
            ("home", self.home.clone()),
            ("used", of(self.used_bytes.map(size), self.quota_bytes.map(size))),
            (
                "files",
                of(self.used_files.map(number), self.quota_files.map(number)),
            ),
            ("known", known),
        ])
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn none(count: &u64) -> bool {
    *count == 0
}

/// All users' homes, a line each.
pub fn table(usages: &[HomeUsage]) -> String {
    let header = ["NAME", "USED", "QUOTA", "FILES", "MAX FILES", "KNOWN", "HOME"];
    let mut rows = vec![header.map(str::to_owned)];
    let or = |text: Option<String>, default: &str| text.unwrap_or_else(|| default.to_owned());
    for usage in usages {
        let known = match usage.standing {
            Known::Exact if usage.over().is_some() => "exact, over quota",
            Known::Exact => "exact",
            Known::AtMost => "at most",
            Known::Unmeasurable => "not measurable",
            Known::Unknown => "not measured",
        };
        rows.push([
            usage.name.clone(),
            or(usage.used_bytes.map(|b| Size(b).to_string()), "-"),
            or(usage.quota_bytes.map(|b| Size(b).to_string()), "unlimited"),
            or(usage.used_files.map(|n| n.to_string()), "-"),
            or(usage.quota_files.map(|n| n.to_string()), "unlimited"),
            known.to_owned(),
            usage.home.clone(),
        ]);
    }
    show::columns(&rows)
}

/// `1 file`, `2 files`.
fn files(count: u64) -> String {
    match count {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    }
}

/// What each of these users' homes holds, in their order: the running server knows best, else what is written down.
///
/// # Errors
/// When a running server does not answer, or the store cannot be read.
pub async fn of_users(users: &[User], config: &Config, store: &dyn Store) -> Result<Vec<HomeUsage>> {
    let user = match users {
        [one] => Some(one.name.to_string()),
        _ => None,
    };
    let request = Request::Usage { user };
    let mut told: HashMap<String, HomeUsage> = match ask_if_running(&config.control_socket(), &request)? {
        None => HashMap::new(),
        Some(Answer::Usage(usages)) => usages.into_iter().map(|u| (u.name.clone(), u)).collect(),
        Some(_) => return Err(unexpected()),
    };
    if told.is_empty() {
        return HomeUsage::recorded(users, store).await;
    }
    let mut usages = Vec::with_capacity(users.len());
    for user in users {
        match told.remove(user.name.as_str()) {
            Some(usage) => usages.push(usage),
            // Added a moment ago.
            None => usages.extend(HomeUsage::recorded(std::slice::from_ref(user), store).await?),
        }
    }
    Ok(usages)
}

/// A home that is gone is no empty one.
///
/// # Errors
/// When it is not there, or cannot be looked at.
pub fn must_exist(home: &Path) -> Result<()> {
    match home.metadata() {
        Ok(_) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::new(format!("the home {home:?} is missing"))
                .hint("is its disk mounted? the server makes a missing home at sign-in"))
        }
        Err(e) => Err(Error::new(format!("cannot measure the home {home:?}")).because(e)),
    }
}
