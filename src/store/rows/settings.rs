//! The settings of users and groups as columns: what the tables of both have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use ipnet::IpNet;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Sqlite, query::Query};

use super::columns::{bad, column, limit_number, read_limit};
use crate::domain::folder::{CreationChoice, FolderName};
use crate::domain::permission::{PermissionRules, Permissions, RulePath};
use crate::domain::rate::{RateRule, RateRules};
use crate::domain::settings::MemberSettings;
use crate::domain::user::{Factor, SessionLimit};
use base::error::{Error, Result};

/// What stands in the column of permissions that are not set.
const INHERIT: &str = "inherit";

/// What stands in the columns `max_sessions`, `rate_up` and `rate_down` if the server's limit applies, whatever the group's
/// is.
const SERVERS: i64 = -1;

/// What stands in the columns of addresses and factors that are set to "any"; not set is an empty text.
const ANY: &str = "any";

/// The columns of [`MemberSettings`], ready to be bound to a statement.
pub(in crate::store) struct SettingsRow {
    quota_bytes: Option<i64>,
    quota_files: Option<i64>,
    max_sessions: Option<i64>,
    rate_up: Option<i64>,
    rate_down: Option<i64>,
    permissions: String,
    allowed_from: String,
    require: String,
    creation: CreationRow,
}

/// The columns of a [`CreationChoice`].
pub(in crate::store) struct CreationRow {
    file_mode: Option<i64>,
    dir_mode: Option<i64>,
    file_group: Option<String>,
}

impl CreationRow {
    /// Converts a choice.
    pub(in crate::store) fn new(choice: &CreationChoice) -> Self {
        Self {
            file_mode: choice.file_mode.map(i64::from),
            dir_mode: choice.dir_mode.map(i64::from),
            file_group: choice.file_group.clone(),
        }
    }

    /// Binds `file_mode`, `dir_mode` and `file_group`, in this order.
    pub(in crate::store) fn bind<'q>(&'q self, query: SqlQuery<'q>) -> SqlQuery<'q> {
        query
            .bind(self.file_mode)
            .bind(self.dir_mode)
            .bind(&self.file_group)
    }
}

/// A statement to which values are bound.
pub(in crate::store) type SqlQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

impl SettingsRow {
    /// The columns, in the order in which [`SettingsRow::bind`] binds them.
    pub(in crate::store) const COLUMNS: [&'static str; 11] = [
        "quota_bytes",
        "quota_files",
        "max_sessions",
        "rate_up",
        "rate_down",
        "permissions",
        "allowed_from",
        "require",
        "file_mode",
        "dir_mode",
        "file_group",
    ];

    /// Converts the settings, except for the folders, which have a table of their own.
    pub(in crate::store) fn new(settings: &MemberSettings) -> Result<Self> {
        let rate = |rule: RateRule| {
            let number = match rule {
                RateRule::Usual => return Ok(Some(SERVERS)),
                RateRule::Inherited | RateRule::Unlimited | RateRule::Limited(_) => rule.as_number(),
            };
            let rate = number.map(i64::try_from).transpose();
            rate.map_err(|_| Error::new("a rate is at most 8 EiB per second").hint("unlimited"))
        };
        Ok(Self {
            quota_bytes: settings.quota_bytes.map(limit_number).transpose()?,
            quota_files: settings.quota_files.map(limit_number).transpose()?,
            max_sessions: settings
                .max_sessions
                .map(|limit| limit.number().map_or(SERVERS, i64::from)),
            rate_up: rate(settings.rates.up)?,
            rate_down: rate(settings.rates.down)?,
            permissions: settings
                .permissions
                .as_ref()
                .map_or_else(|| INHERIT.to_owned(), rules_text),
            allowed_from: settings
                .allowed_from
                .as_ref()
                .map_or_else(String::new, |list| joined(list.iter())),
            require: settings
                .require
                .as_ref()
                .map_or_else(String::new, |set| joined(set.iter().map(|factor| factor.name()))),
            creation: CreationRow::new(&settings.creation),
        })
    }

    /// Binds the values in the order of [`SettingsRow::COLUMNS`].
    pub(in crate::store) fn bind<'q>(&'q self, query: SqlQuery<'q>) -> SqlQuery<'q> {
        let query = query
            .bind(self.quota_bytes)
            .bind(self.quota_files)
            .bind(self.max_sessions)
            .bind(self.rate_up)
            .bind(self.rate_down)
            .bind(&self.permissions)
            .bind(&self.allowed_from)
            .bind(&self.require);
        self.creation.bind(query)
    }

    /// Returns the numbers of the quota, as they are stored.
    pub(in crate::store) fn quota(&self) -> (Option<i64>, Option<i64>) {
        (self.quota_bytes, self.quota_files)
    }
}

/// Reads the settings from a row that has the columns, and the folders as a JSON object in the column `folders`.
pub(in crate::store) fn read_settings(row: &SqliteRow) -> Result<MemberSettings> {
    let limit = |name| {
        let number: Option<i64> = column(row, name)?;
        number.map(|number| read_limit(number, name)).transpose()
    };
    Ok(MemberSettings {
        quota_bytes: limit("quota_bytes")?,
        quota_files: limit("quota_files")?,
        max_sessions: match column::<Option<i64>>(row, "max_sessions")? {
            Some(SERVERS) => Some(SessionLimit::Usual),
            _ => unsigned(row, "max_sessions")?.map(SessionLimit::Limited),
        },
        rates: RateRules {
            up: read_rate(row, "rate_up")?,
            down: read_rate(row, "rate_down")?,
        },
        permissions: match column::<String>(row, "permissions")?.as_str() {
            INHERIT => None,
            text => Some(read_rules(text).map_err(|error| bad("permissions").because(error))?),
        },
        allowed_from: words::<IpNet>(row, "allowed_from")?,
        require: words::<Factor>(row, "require")?.map(BTreeSet::from_iter),
        folders: read_folders(row)?,
        creation: read_creation(row)?,
    })
}

fn read_rate(row: &SqliteRow, name: &'static str) -> Result<RateRule> {
    match column::<Option<i64>>(row, name)? {
        Some(SERVERS) => Ok(RateRule::Usual),
        _ => Ok(unsigned(row, name)?.map_or(RateRule::Inherited, RateRule::from_number)),
    }
}

/// Reads the modes and the group of what is created.
pub(in crate::store) fn read_creation(row: &SqliteRow) -> Result<CreationChoice> {
    Ok(CreationChoice {
        file_mode: unsigned(row, "file_mode")?,
        dir_mode: unsigned(row, "dir_mode")?,
        file_group: column(row, "file_group")?,
    })
}

fn read_folders(row: &SqliteRow) -> Result<BTreeMap<FolderName, PermissionRules>> {
    let text: String = column(row, "folders")?;
    let list: BTreeMap<String, String> =
        serde_json::from_str(&text).map_err(|error| bad("folders").because(error))?;
    let folder = |(name, rules): (String, String)| Ok((name.parse()?, read_rules(&rules)?));
    let folders: Result<_> = list.into_iter().map(folder).collect();
    folders.map_err(|error| bad("folders").because(error))
}

/// Returns rules as text: names joined by commas, or a JSON object of them by directory.
pub(in crate::store) fn rules_text(rules: &PermissionRules) -> String {
    let names = |set: &Permissions| joined_names(set);
    match rules.as_uniform() {
        Some(permissions) => names(permissions),
        None => {
            let rules: BTreeMap<&str, String> = rules
                .iter()
                .map(|(path, set)| (path.as_str(), names(set)))
                .collect();
            serde_json::json!(rules).to_string()
        }
    }
}

/// Reads rules from a text that [`rules_text`] returned.
fn read_rules(text: &str) -> Result<PermissionRules> {
    if !text.starts_with('{') {
        return Ok(PermissionRules::uniform(read_names(text)?));
    }
    let rules: BTreeMap<String, String> =
        serde_json::from_str(text).map_err(|error| Error::new("the rules are no JSON").because(error))?;
    let rule = |(path, names): (String, String)| Ok((path.parse::<RulePath>()?, read_names(&names)?));
    rules.into_iter().map(rule).collect()
}

fn joined_names(permissions: &Permissions) -> String {
    let names: Vec<&str> = permissions.iter().map(|one| one.name()).collect();
    names.join(",")
}

/// Reads names of permissions. An empty text is no permission: the words of command lines are never stored.
fn read_names(text: &str) -> Result<Permissions> {
    text.split(',')
        .filter(|name| !name.is_empty())
        .map(str::parse)
        .collect()
}

/// Joins what is set; nothing is "any".
fn joined(words: impl Iterator<Item = impl ToString>) -> String {
    let words: Vec<String> = words.map(|word| word.to_string()).collect();
    match words.is_empty() {
        true => ANY.to_owned(),
        false => words.join(","),
    }
}

/// Reads what [`joined`] returned; an empty text is unset.
fn words<T: FromStr>(row: &SqliteRow, name: &'static str) -> Result<Option<Vec<T>>>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    match column::<String>(row, name)?.as_str() {
        "" => Ok(None),
        ANY => Ok(Some(Vec::new())),
        text => {
            let words = text
                .split(',')
                .map(|word| word.parse::<T>().map_err(|error| bad(name).because(error)));
            words.collect::<Result<_>>().map(Some)
        }
    }
}

fn unsigned<T: TryFrom<i64>>(row: &SqliteRow, name: &'static str) -> Result<Option<T>> {
    match column::<Option<i64>>(row, name)? {
        Some(number) => T::try_from(number).map(Some).map_err(|_| bad(name)),
        None => Ok(None),
    }
}
