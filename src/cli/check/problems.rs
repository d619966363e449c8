//! What `check` finds, as JSON.
//!
//! Messages are for people, and reach this file as text. Where one is about a place in the configuration, it begins with
//! `FILE:LINE:COLUMN: `, `FILE:LINE: ` or `FILE: `, and a hint stands at its end; both become members of their own.

use std::path::Path;

use serde::Serialize;

use crate::ops::check::report::Report;
use base::error::Error;
use base::visible::for_terminal;

/// The whole report, as `check --json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct CheckJson {
    /// Whether there is no error.
    ok: bool,
    /// The number of users that were checked; `null` if the configuration could not be read.
    users: Option<usize>,
    problems: Vec<ProblemJson>,
}

/// One finding, as `check --json` prints it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct ProblemJson {
    kind: ProblemKind,
    /// The configuration file, if the finding is about a setting in it.
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    text: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum ProblemKind {
    Error,
    Warning,
    /// What a start would create or change.
    Note,
}

impl CheckJson {
    /// Returns all findings of a report about this configuration file.
    pub fn new(report: &Report, users: usize, file: &Path) -> Self {
        let problems = |kind: ProblemKind, findings: &[String]| -> Vec<ProblemJson> {
            let of = |finding: &String| ProblemJson::new(kind, finding, Some(file));
            findings.iter().map(of).collect()
        };
        let mut all = problems(ProblemKind::Error, &report.errors);
        all.extend(problems(ProblemKind::Error, &report.faults));
        all.extend(problems(ProblemKind::Warning, &report.warnings));
        all.extend(problems(ProblemKind::Note, &report.plans));
        Self {
            ok: !report.has_errors(),
            users: Some(users),
            problems: all,
        }
    }

    /// Returns what is wrong with a configuration that could not be read; `file` is its name, if it was found.
    pub fn of_unreadable(error: &Error, file: Option<&Path>) -> Self {
        let text = error.to_string();
        let begins = file.map(|file| format!("{}:", file.display()));
        let mut messages: Vec<String> = Vec::new();
        for line in text.lines() {
            // The line of the file, and the caret below it.
            if line.starts_with(' ') {
                continue;
            }
            let is_new = begins.as_ref().is_some_and(|begins| line.starts_with(begins));
            match messages.last_mut() {
                Some(last) if !is_new => {
                    last.push(' ');
                    last.push_str(line);
                }
                _ => messages.push(line.to_owned()),
            }
        }
        let problem = |message: &String| ProblemJson::new(ProblemKind::Error, &for_terminal(message), file);
        Self {
            ok: false,
            users: None,
            problems: messages.iter().map(problem).collect(),
        }
    }
}

impl ProblemJson {
    fn new(kind: ProblemKind, message: &str, file: Option<&Path>) -> Self {
        let place = file.and_then(|file| MessagePlace::find(message, file));
        let text = place.as_ref().map_or(message, |place| place.rest);
        let (text, hint) = match text
            .strip_suffix(')')
            .and_then(|text| text.split_once(" (hint: "))
        {
            Some((text, hint)) => (text, Some(hint.to_owned())),
            None => (text, None),
        };
        Self {
            kind,
            file: place.as_ref().and(file).map(|file| file.display().to_string()),
            line: place.as_ref().and_then(|place| place.line),
            column: place.as_ref().and_then(|place| place.column),
            text: text.to_owned(),
            hint,
        }
    }
}

/// The place in the configuration with which a message begins.
struct MessagePlace<'a> {
    line: Option<u64>,
    column: Option<u64>,
    /// The message behind it.
    rest: &'a str,
}

impl<'a> MessagePlace<'a> {
    /// Returns the place, if the message begins with one in this file.
    fn find(message: &'a str, file: &Path) -> Option<Self> {
        let behind = message.strip_prefix(&for_terminal(&file.display().to_string()))?;
        let (position, rest) = behind.split_once(": ")?;
        let mut parts = position.split(':');
        // Another file, whose name begins like that of the configuration.
        if parts.next() != Some("") {
            return None;
        }
        let numbers: Vec<u64> = parts.map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self {
            line: numbers.first().copied(),
            column: numbers.get(1).copied(),
            rest,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problem(message: &str) -> Value {
        let problem = ProblemJson::new(ProblemKind::Error, message, Some(Path::new("/etc/h.toml")));
        serde_json::to_value(problem).unwrap()
    }

    #[test]
    fn a_message_is_split_into_place_text_and_hint() {
        let check = |message: &str, place: [Value; 3], text: &str, hint: Value| {
            let [file, line, column] = place;
            let expected = json!({
                "kind": "error", "file": file, "line": line, "column": column, "text": text, "hint": hint,
            });
            assert_eq!(problem(message), expected, "{message}");
        };
        let file = || json!("/etc/h.toml");
        let none = Value::Null;
        let nowhere = || [Value::Null, Value::Null, Value::Null];
        check(
            "/etc/h.toml:3:5: bad (hint: mend it)",
            [file(), json!(3), json!(5)],
            "bad",
            json!("mend it"),
        );
        check(
            "/etc/h.toml:3: bad: very",
            [file(), json!(3), Value::Null],
            "bad: very",
            none.clone(),
        );
        check(
            "/etc/h.toml: bad",
            [file(), Value::Null, Value::Null],
            "bad",
            none.clone(),
        );
        check(
            "/etc/h.toml.old: bad",
            nowhere(),
            "/etc/h.toml.old: bad",
            none.clone(),
        );
        check(
            "user x has expired (hint: homeportd user set x (or more))",
            nowhere(),
            "user x has expired",
            json!("homeportd user set x (or more)"),
        );
        check("full (of hints)", nowhere(), "full (of hints)", none.clone());
        check("", nowhere(), "", none);
    }

    #[test]
    fn a_configuration_that_cannot_be_read_has_a_problem_for_each_mistake() {
        let file = Path::new("/etc/h.toml");
        let text = "/etc/h.toml:1:2: bad\n 1 | x\n   | ^\n/etc/h.toml:7:1: worse (hint: no)\n 7 | y\n   | ^";
        let said = serde_json::to_value(CheckJson::of_unreadable(&Error::new(text), Some(file))).unwrap();
        assert_eq!((&said["ok"], &said["users"]), (&json!(false), &Value::Null));
        assert_eq!(said["problems"].as_array().unwrap().len(), 2, "{said}");
        assert_eq!(said["problems"][1]["line"], 7);
        assert_eq!(said["problems"][1]["hint"], "no");
        let error = Error::new("no configuration is there").hint("make one");
        let said = serde_json::to_value(CheckJson::of_unreadable(&error, None)).unwrap();
        assert_eq!(said["problems"][0]["text"], "no configuration is there");
        assert_eq!(said["problems"][0]["file"], Value::Null);
    }
}
