//! The checks of settings that types cannot express.

use std::ops::{Range, RangeInclusive};

use toml::de::DeTable;

use super::report::Problem;
use super::settings::{Config, PathSetting};
use crate::auth::external::settings::ExternalSettings;
use crate::hooks::settings::{HookProblem, ProgramOrAddress};

/// The most seconds of a drain: a day. A longer time is most likely a mistake.
const MAX_DRAIN_SECS: u64 = 86_400;

/// The most seconds that an outside source may take to answer. Clients wait for it as for a slow password.
const MAX_EXTERNAL_SECS: u64 = 60;

/// The most seconds for which an accepted proof is accepted again: a day.
const MAX_CACHE_SECS: u64 = 86_400;

/// The longest login grace in seconds: an hour. The default is 2 minutes, as with sshd.
const MAX_GRACE_SECS: u64 = 3600;

/// Returns the position of the value of a setting, if the file has it.
fn span_of(table: &DeTable<'_>, section: &str, name: &str) -> Option<Range<usize>> {
    let value = table.get(section)?.get_ref().get(name)?;
    Some(value.span())
}

/// Returns everything that is wrong with the settings and that types cannot express.
pub(super) fn all(config: &Config, table: &DeTable<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = listeners(config, table).into_iter().collect();
    problems.extend(metrics(config, table));
    problems.extend(lists(table));
    problems.extend(policy(config, table));
    problems.extend(ranges(table));
    problems.extend(paths(config, table));
    problems.extend(hooks(config, table));
    problems.extend(external(config, table));
    problems
}

fn listeners(config: &Config, table: &DeTable<'_>) -> Option<Problem> {
    let listen = &config.server.listen;
    let span = span_of(table, "server", "listen");
    if listen.is_empty() {
        let hint = r#"for example listen = ["0.0.0.0:2222"]"#;
        return Some(Problem::new(
            span,
            "\"listen\" in [server] names no address",
            Some(hint),
        ));
    }
    // Port 0 stands for any free port, so it may occur twice.
    let twice = listen.iter().enumerate().find(|(at, address)| {
        address.port() != 0 && listen.iter().take(*at).any(|earlier| earlier == *address)
    });
    let (at, address) = twice?;
    let list = table.get("server")?.get_ref().get("listen")?.get_ref().as_array();
    let span = list
        .and_then(|list| list.get(at))
        .map(|item| item.span())
        .or(span);
    Some(Problem::new(
        span,
        format!("\"listen\" in [server] names {address} twice"),
        None,
    ))
}

/// Checks that metrics which other machines can reach are for somebody.
fn metrics(config: &Config, table: &DeTable<'_>) -> Option<Problem> {
    let address = config.metrics.open_to_nobody()?;
    Some(Problem::new(
        span_of(table, "metrics", "listen"),
        format!(
            "\"listen\" in [metrics] names {address}, which is not a loopback address, and \"allow\" names nobody"
        ),
        Some(r#"name the networks that may read the metrics, for example allow = ["10.0.0.0/8"]"#),
    ))
}

/// The lists that must not be empty, and must not contain anything twice: section and name.
pub(super) const LISTS: [(&str, &str); 5] = [
    ("auth", "methods"),
    ("ssh", "kex"),
    ("ssh", "ciphers"),
    ("ssh", "macs"),
    ("ssh", "host_key_algorithms"),
];

/// Checks the lists of [`LISTS`].
fn lists(table: &DeTable<'_>) -> Vec<Problem> {
    let problem = |(section, name): (&str, &str)| {
        let value = table.get(section)?.get_ref().get(name)?;
        let list = value.get_ref().as_array()?;
        let setting = format!("\"{name}\" in [{section}]");
        if list.is_empty() {
            let hint = "leave the setting out for the default";
            return Some(Problem::new(
                Some(value.span()),
                format!("{setting} is empty"),
                Some(hint),
            ));
        }
        let twice = list.iter().enumerate().find_map(|(at, item)| {
            let text = item.get_ref().as_str()?;
            let earlier = list.iter().take(at).any(|e| e.get_ref().as_str() == Some(text));
            earlier.then_some((item, text))
        });
        let (item, text) = twice?;
        Some(Problem::new(
            Some(item.span()),
            format!("{setting} names \"{text}\" twice"),
            None,
        ))
    };
    LISTS.into_iter().filter_map(problem).collect()
}

/// Checks that no algorithm is named that the policy does not allow.
fn policy(config: &Config, table: &DeTable<'_>) -> Option<Problem> {
    let policy_conflict = config.ssh.policy_conflict()?;
    let (setting, name) = (policy_conflict.setting, policy_conflict.name);
    let list = table.get("ssh")?.get_ref().get(setting)?.get_ref().as_array();
    let item = list.and_then(|list| list.iter().find(|item| item.get_ref().as_str() == Some(&name)));
    Some(Problem::new(
        item.map(|item| item.span())
            .or_else(|| span_of(table, "ssh", setting)),
        format!("\"{setting}\" in [ssh] names \"{name}\", which its policy \"fips\" rules out"),
        Some(&format!("it allows {}", policy_conflict.allowed.join(", "))),
    ))
}

/// The largest number of most settings.
const MOST: u64 = u32::MAX as u64;

/// The valid ranges of numbers. A number without a rule is limited by its type, or by the section that owns it.
pub(super) const NUMBERS: [NumberRule; 11] = [
    NumberRule::new("server", "drain_secs", 0..=MAX_DRAIN_SECS),
    NumberRule::new("auth", "login_grace_secs", 0..=MAX_GRACE_SECS),
    NumberRule::new("ssh", "key_exchange_timeout_secs", 1..=MAX_GRACE_SECS),
    NumberRule::new("limits", "connections", 1..=MOST),
    NumberRule::new("limits", "unauthenticated", 1..=MOST),
    NumberRule::new("limits", "unauthenticated_per_address", 1..=MOST),
    NumberRule::new("limits", "sessions_per_user", 1..=MOST),
    NumberRule::new("limits", "channels", 1..=MOST),
    NumberRule::new("limits", "handles", 1..=MOST),
    NumberRule::new("limits", "idle_timeout_secs", 0..=MOST),
    NumberRule::new("quota", "rescan_secs", 0..=MOST),
];

/// Checks the numbers of [`NUMBERS`].
fn ranges(table: &DeTable<'_>) -> Vec<Problem> {
    NUMBERS.iter().filter_map(|rule| rule.problem(table)).collect()
}

/// The valid range of a number.
pub(super) struct NumberRule {
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    numbers: RangeInclusive<u64>,
}

impl NumberRule {
    const fn new(section: &'static str, name: &'static str, numbers: RangeInclusive<u64>) -> Self {
        Self {
            section,
            name,
            numbers,
        }
    }

    fn problem(&self, table: &DeTable<'_>) -> Option<Problem> {
        let Self { section, name, .. } = self;
        let (least, largest) = (self.numbers.start(), self.numbers.end());
        let value = table.get(*section)?.get_ref().get(*name)?;
        let number = value.get_ref().as_integer()?;
        let number = u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?;
        let what = if number < *least {
            format!("\"{name}\" in [{section}] must be at least {least}")
        } else if number > *largest {
            format!("\"{name}\" in [{section}] must be at most {largest}")
        } else {
            return None;
        };
        Some(Problem::new(Some(value.span()), what, None))
    }
}

/// Checks each table `[[hooks]]`.
fn hooks(config: &Config, table: &DeTable<'_>) -> Vec<Problem> {
    let tables = table.get("hooks").and_then(|hooks| hooks.get_ref().as_array());
    let mut problems = Vec::new();
    for (at, hook) in config.hooks.iter().enumerate() {
        let position = tables.and_then(|tables| tables.get(at));
        for HookProblem { setting, what, hint } in hook.problems() {
            let value = position
                .and_then(|hook| hook.get_ref().get(setting))
                .map(|value| value.span());
            let span = value.or_else(|| position.map(|hook| hook.span()));
            let hint = (!hint.is_empty()).then_some(&*hint);
            problems.push(Problem::new(
                span,
                format!("\"{setting}\" in [[hooks]] {what}"),
                hint,
            ));
        }
    }
    problems
}

/// Checks the section `[auth.external]`.
fn external(config: &Config, table: &DeTable<'_>) -> Vec<Problem> {
    let settings = &config.auth.external;
    let ExternalSettings {
        timeout_secs,
        cache_secs,
        ..
    } = *settings;
    let mut problems = ProgramOrAddress::of_external(settings).problems();
    if settings.proofs.is_empty() {
        let hint = "\"password\", \"publickey\" or both";
        problems.push(HookProblem::new("proofs", "is empty", hint));
    }
    if !(1..=MAX_EXTERNAL_SECS).contains(&timeout_secs) {
        let what = format!("must be between 1 and {MAX_EXTERNAL_SECS}");
        problems.push(HookProblem::new("timeout_secs", what, ""));
    }
    if cache_secs > MAX_CACHE_SECS {
        let what = format!("must be at most {MAX_CACHE_SECS}");
        problems.push(HookProblem::new("cache_secs", what, ""));
    }
    let section = table.get("auth").and_then(|auth| auth.get_ref().get("external"));
    let problem = |HookProblem { setting, what, hint }| {
        let value = section.and_then(|section| section.get_ref().get(setting));
        let span = value
            .map(|value| value.span())
            .or(section.map(|section| section.span()));
        let hint = (!hint.is_empty()).then_some(&*hint);
        Problem::new(span, format!("\"{setting}\" in [auth.external] {what}"), hint)
    };
    problems.into_iter().map(problem).collect()
}

fn paths(config: &Config, table: &DeTable<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut config = config.clone();
    for PathSetting { section, name, path } in config.path_settings() {
        let (what, hint) = if path.as_os_str().is_empty() {
            ("holds an empty path", None)
        } else if section == "storage" && path.parent().is_none() {
            (
                "holds \"/\", which would let a home be anywhere",
                Some("name the directory that homes lie in"),
            )
        } else if (section == "store" || section == "log") && path.file_name().is_none() {
            ("names no file", None)
        } else {
            continue;
        };
        let what = format!("\"{name}\" in [{section}] {what}");
        problems.push(Problem::new(span_of(table, section, name), what, hint));
    }
    if config.server.user.as_deref() == Some("") {
        let hint = "leave the setting out, or name a user of the system";
        let span = span_of(table, "server", "user");
        problems.push(Problem::new(span, "\"user\" in [server] is empty", Some(hint)));
    }
    problems
}
