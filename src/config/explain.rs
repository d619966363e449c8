//! Rewrites the deserializer's errors about a configuration in an operator's words.

use std::ops::Range;

use toml::de::{DeArray, DeTable, DeValue};

use super::report::{Problem, nearest};

/// Rewrites an error of the deserializer.
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
        let what = format!("\"{}\" is not a value of {setting}", name.escape_debug());
        return Problem::new(span, what, Some(&format!("it can be {}", known.join(", "))));
    }
    if message.contains("socket address") {
        let what = format!("{setting} holds something that is not an address");
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
    // This is the message of the component that owns the setting.
    let rule = message.replace('\n', ", ");
    let what = if setting.is_empty() {
        rule
    } else {
        format!("{setting}: {rule}")
    };
    Problem::new(span, what, None)
}

/// Returns what a setting of this Rust type must be, as a phrase.
fn kind(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i64" => "a whole number",
        "a sequence" => "a list",
        "a boolean" => "true or false",
        "path string" | "option" => "a string",
        other if other.starts_with("struct ") => "a section",
        other => other,
    }
}

fn unknown(
    span: Option<Range<usize>>,
    name: &str,
    known: &[&str],
    place: Option<&NamedSetting<'_>>,
) -> Problem {
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

/// The name of a setting and of its section.
struct NamedSetting<'a> {
    /// The section's name with dots, as in the file: `auth.throttle`.
    section: Option<String>,
    name: &'a str,
    is_section: bool,
}

impl std::fmt::Display for NamedSetting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.section {
            Some(section) => write!(f, "\"{}\" in [{section}]", self.name),
            None => write!(f, "[{}]", self.name),
        }
    }
}

/// Returns the innermost setting whose name or value is at `span`.
fn locate<'a>(table: &'a DeTable<'_>, span: &Range<usize>) -> Option<NamedSetting<'a>> {
    let within = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
    for (name, value) in table {
        // The span of a section is its header: its settings are elsewhere.
        let inner = match value.get_ref() {
            DeValue::Table(inner) => locate(inner, span),
            DeValue::Array(items) => items
                .iter()
                .find_map(|item| locate(item.get_ref().as_table()?, span)),
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
            return Some(NamedSetting {
                section: None,
                name: name.get_ref(),
                is_section: value.get_ref().is_table(),
            });
        }
    }
    None
}

/// Removes the entry at `span` from the table: one item of a list, or else the setting or the whole section. Returns
/// `false` if there is none.
pub(super) fn take_out(table: &mut DeTable<'_>, span: &Range<usize>) -> bool {
    // An empty span belongs to a value that the parser has inserted.
    let within = |outer: Range<usize>| {
        outer == *span || (!span.is_empty() && outer.start <= span.start && span.end <= outer.end)
    };
    let mut found = None;
    for (name, value) in table.iter_mut() {
        let here = within(name.span()) || within(value.span());
        let taken = match value.get_mut() {
            DeValue::Table(inner) => take_out(inner, span),
            DeValue::Array(list) if !here => list.iter_mut().any(|item| match item.get_mut() {
                DeValue::Table(inner) => take_out(inner, span),
                _ => false,
            }),
            DeValue::Array(list) if here => {
                let kept: Vec<_> = list.iter().filter(|item| !within(item.span())).cloned().collect();
                // An empty list would be another error.
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
