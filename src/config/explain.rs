//! What is wrong with a configuration, in an operator's words: serde's messages put differently, and the checks that
//! types cannot make.

use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::Config;
use super::report::{Problem, nearest};

/// A day: nobody waits longer for a transfer, or wants to be told that they meant minutes.
const MAX_DRAIN_SECS: u64 = 86_400;

/// An hour: sshd's default is 2 minutes, and ours.
const MAX_GRACE_SECS: u64 = 3600;

/// Puts an error of the deserializer into our words.
pub(super) fn explain(error: &toml::de::Error, table: &DeTable<'_>) -> Problem {
    let span = error.span();
    let message = error.message();
    let place = span.as_ref().and_then(|span| locate(table, span));
    let mut quoted = message.split('`').skip(1).step_by(2);

    if message.starts_with("unknown field") {
        let name = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        return unknown(span, name, &known, place.as_ref());
    }
    let setting = place.map_or_else(String::new, |place| place.to_string());
    if message.starts_with("unknown variant") {
        let name = quoted.next().unwrap_or_default();
        let known: Vec<&str> = quoted.collect();
        let what = format!("\"{}\" is no value of {setting}", name.escape_debug());
        return Problem::new(span, what, Some(&format!("it can be {}", known.join(", "))));
    }
    if message.contains("socket address") {
        let what = format!("{setting} holds something that is no address");
        return Problem::new(
            span,
            what,
            Some(r#"an IP address and a port: "0.0.0.0:22" or "[::]:22""#),
        );
    }
    let typed = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = typed.and_then(|rest| rest.split_once(", expected ")) {
        let found = match found {
            "sequence" => "a list".to_owned(),
            "map" => "a section".to_owned(),
            other => format!("the {}", other.replace('`', "")),
        };
        let what = format!("{setting} must be {}, not {found}", kind(expected));
        return Problem::new(span, what, None);
    }
    // A rule of the component whose setting it is.
    let rule = message.replace('\n', ", ");
    let what = if setting.is_empty() {
        rule
    } else {
        format!("{setting}: {rule}")
    };
    Problem::new(span, what, None)
}

/// A Rust type in words.
fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "path string" | "option" => "a string",
        other if other.starts_with("struct ") => "a section",
        other => other,
    }
}

fn unknown(span: Option<Range<usize>>, name: &str, known: &[&str], place: Option<&Setting<'_>>) -> Problem {
    let section = place.and_then(|place| place.section.as_deref());
    let name = name.escape_debug();
    let what = match section {
        Some(section) => format!("unknown setting \"{name}\" in [{section}]"),
        None if place.is_some_and(|place| place.is_section) => format!("unknown section [{name}]"),
        None => format!("unknown setting \"{name}\" outside of any section"),
    };
    let name = name.to_string();
    let hint = match nearest(&name, known) {
        Some(meant) => format!("did you mean \"{meant}\"?"),
        None if section.is_some() => format!("its settings are {}", known.join(", ")),
        None => format!("the sections are {}", known.join(", ")),
    };
    Problem::new(span, what, Some(&hint))
}

/// A setting's name, and its section's.
struct Setting<'a> {
    /// Dotted, as in the file: `auth.throttle`.
    section: Option<String>,
    name: &'a str,
    is_section: bool,
}

impl std::fmt::Display for Setting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.section {
            Some(section) => write!(f, "\"{}\" in [{section}]", self.name),
            None => write!(f, "[{}]", self.name),
        }
    }
}

/// The innermost setting whose name or value lies at `span`.
fn locate<'a>(table: &'a DeTable<'_>, span: &Range<usize>) -> Option<Setting<'a>> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (name, value) in table {
        // A section's own span is its header: what is in it lies elsewhere.
        let inner = match value.get_ref() {
            DeValue::Table(inner) => locate(inner, span),
            _ => None,
        };
        if let Some(mut found) = inner {
            found.section = Some(match found.section {
                Some(below) => format!("{}.{below}", name.get_ref()),
                None => name.get_ref().to_string(),
            });
            return Some(found);
        }
        if within(name.span()) || within(value.span()) {
            return Some(Setting {
                section: None,
                name: name.get_ref(),
                is_section: value.get_ref().is_table(),
            });
        }
    }
    None
}

/// Takes the entry at `span` out of the table: of a list the one item, else the setting or the whole section. `false`
/// if there is none.
pub(super) fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    // An empty span is that of a value which the parser has put in.
    let within = |outer: Range<usize>| {
        outer == *span || (!span.is_empty() && outer.start <= span.start && span.end <= outer.end)
    };
    let mut found = None;
    for (name, value) in table.iter_mut() {
        let here = within(name.span()) || within(value.span());
        let taken = match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, span),
            DeValue::Array(list) if here => {
                let kept: Vec<_> = list.iter().filter(|item| !within(item.span())).cloned().collect();
                // An empty list would be another mistake.
                let taken = kept.len() < list.len() && !kept.is_empty();
                if taken {
                    *list = DeArray::new();
                    kept.into_iter().for_each(|item| list.push(item));
                }
                taken
            }
            _ => false,
        };
        if taken {
            return true;
        }
        if here {
            found = Some(name.clone());
            break;
        }
    }
    found.is_some_and(|name| table.remove(name.get_ref().as_ref()).is_some())
}

/// Where the value of a setting stands, if the file has it.
fn span_of(table: &DeTable<'_>, section: &str, name: &str) -> Option<Range<usize>> {
    let value = table.get(section)?.get_ref().get(name)?;
    Some(value.span())
}

/// What no type can say.
pub(super) fn checks(config: &Config, table: &DeTable<'_>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = listeners(config, table).into_iter().collect();
    problems.extend(lists(table));
    problems.extend(policy(config, table));
    problems.extend(ranges(table));
    problems.extend(paths(config, table));
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
    // Port 0 is any free port, so it may stand there twice.
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

/// Lists that must hold something, and nothing twice.
fn lists(table: &DeTable<'_>) -> Vec<Problem> {
    let names = [
        ("auth", "methods"),
        ("ssh", "kex"),
        ("ssh", "ciphers"),
        ("ssh", "macs"),
        ("ssh", "host_key_algorithms"),
    ];
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
    names.into_iter().filter_map(problem).collect()
}

/// An algorithm that is named although `policy` rules it out.
fn policy(config: &Config, table: &DeTable<'_>) -> Option<Problem> {
    let ruled_out = config.ssh.ruled_out()?;
    let (setting, name) = (ruled_out.setting, ruled_out.name);
    let list = table.get("ssh")?.get_ref().get(setting)?.get_ref().as_array();
    let item = list.and_then(|list| list.iter().find(|item| item.get_ref().as_str() == Some(&name)));
    Some(Problem::new(
        item.map(|item| item.span())
            .or_else(|| span_of(table, "ssh", setting)),
        format!("\"{setting}\" in [ssh] names \"{name}\", which its policy \"fips\" rules out"),
        Some(&format!("it allows {}", ruled_out.allowed.join(", "))),
    ))
}

/// Numbers, by the section, the name, the least and the largest that make sense.
fn ranges(table: &DeTable<'_>) -> Vec<Problem> {
    let most = u64::from(u32::MAX);
    let rules = [
        ("server", "drain_secs", 0, MAX_DRAIN_SECS),
        ("auth", "login_grace_secs", 0, MAX_GRACE_SECS),
        ("ssh", "key_exchange_timeout_secs", 1, MAX_GRACE_SECS),
        ("limits", "connections", 1, most),
        ("limits", "unauthenticated", 1, most),
        ("limits", "unauthenticated_per_address", 1, most),
        ("limits", "sessions_per_user", 1, most),
        ("limits", "channels", 1, most),
        ("limits", "handles", 1, most),
        ("limits", "idle_timeout_secs", 0, most),
        ("quota", "rescan_secs", 0, most),
    ];
    let problem = |(section, name, least, largest): (&str, &str, u64, u64)| {
        let value = table.get(section)?.get_ref().get(name)?;
        let number = value.get_ref().as_integer()?;
        let number = u64::from_str_radix(&number.as_str().replace('_', ""), number.radix()).ok()?;
        let what = if number < least {
            format!("\"{name}\" in [{section}] must be at least {least}")
        } else if number > largest {
            format!("\"{name}\" in [{section}] must be at most {largest}")
        } else {
            return None;
        };
        Some(Problem::new(Some(value.span()), what, None))
    };
    rules.into_iter().filter_map(problem).collect()
}

fn paths(config: &Config, table: &DeTable<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let storage = &config.storage;
    let mut all = vec![
        ("server", "host_keys", &config.server.host_keys),
        ("storage", "homes", &storage.homes),
        ("store", "path", &config.store.path),
    ];
    all.extend(storage.roots.iter().map(|root| ("storage", "roots", root)));
    all.extend(config.log.audit.iter().map(|audit| ("log", "audit", audit)));
    for (section, name, path) in all {
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
