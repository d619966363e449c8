//! The settings of `[[hooks]]`, and what is wrong with them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use ureq::http::Uri;

use crate::auth::external::settings::ExternalSettings;
use crate::domain::path::VirtualPath;
use crate::ops::audit::PathPattern;
use crate::telemetry::record::NAMES;

/// The longest time in seconds that a hook may take: an hour.
const MOST_SECONDS: u64 = 3600;
/// The most attempts after the first one. With pauses of four minutes, this many take more than six hours.
const MOST_RETRIES: u32 = 100;

/// One table `[[hooks]]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HookSettings {
    /// The names of the events.
    pub on: Vec<String>,
    /// The paths that events must be about, as a pattern; all events without it.
    #[serde(rename = "match")]
    pub pattern: Option<String>,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The address that is called instead of a program.
    pub url: Option<String>,
    /// The file with the secret that requests are signed with.
    pub secret_file: Option<PathBuf>,
    /// The seconds that one attempt may take.
    pub timeout_secs: u64,
    /// The attempts after the first one.
    pub retries: u32,
    /// The directory to which an upload is moved that the command accepts: in the home, or in a folder with its first name.
    pub move_to: Option<String>,
}

impl Default for HookSettings {
    fn default() -> Self {
        Self {
            on: Vec::new(),
            pattern: None,
            command: Vec::new(),
            url: None,
            secret_file: None,
            timeout_secs: 30,
            retries: 5,
            move_to: None,
        }
    }
}

/// A program or an address, as a table of the configuration names it.
#[derive(Debug, Clone, Copy)]
pub struct ProgramOrAddress<'a> {
    /// The program and its arguments.
    pub command: &'a [String],
    /// The address that is called instead of a program.
    pub url: Option<&'a str>,
    /// The file with the secret that requests are signed with.
    pub secret_file: Option<&'a Path>,
    /// What the operator can do who has set both.
    pub if_both: &'a str,
    /// A command, for messages.
    pub example: &'a str,
}

impl<'a> ProgramOrAddress<'a> {
    /// Returns what `[auth.external]` names.
    pub fn of_external(settings: &'a ExternalSettings) -> Self {
        Self {
            command: &settings.command,
            url: settings.url.as_deref(),
            secret_file: settings.secret_file.as_deref(),
            if_both: "leave one of them out",
            example: "/usr/local/bin/homeport-users",
        }
    }

    /// Returns what is wrong, other than that there is neither.
    pub fn problems(&self) -> Vec<HookProblem> {
        let mut problems = Vec::new();
        match (self.url, self.command.first()) {
            (Some(_), Some(_)) => {
                problems.push(HookProblem::new("url", "stands beside a command", self.if_both))
            }
            (None, Some(program)) if !Path::new(program).is_absolute() => problems.push(HookProblem::new(
                "command",
                "must begin with the absolute path of a program",
                "no shell looks for it; for example \"/bin/sh\", \"-c\", \"…\"",
            )),
            (Some(url), None) => problems.extend(problem_with_url(url)),
            (None, Some(_) | None) => {}
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            problems.push(HookProblem::new(
                "command",
                "holds a NUL byte",
                "no argument can contain it",
            ));
        }
        if self.secret_file.is_some() && self.url.is_none() {
            problems.push(HookProblem::new(
                "secret_file",
                "has no effect on a command",
                "it signs the requests to a url",
            ));
        }
        problems
    }

    /// Returns the problem that there is neither.
    pub fn missing(&self) -> Option<HookProblem> {
        (self.url.is_none() && self.command.is_empty()).then(|| {
            let hint = format!("for example command = [\"{}\"]", self.example);
            HookProblem::new("command", "is missing, and so is \"url\"", hint)
        })
    }

    /// Returns the name for people. Neither arguments nor the path of an address are part of it, since they may be secrets.
    pub fn label(&self) -> String {
        match self.url {
            None => self.command.first().cloned().unwrap_or_default(),
            Some(url) => {
                let uri: Option<Uri> = url.parse().ok();
                let authority = uri.as_ref().and_then(|uri| uri.authority());
                let scheme = uri.as_ref().and_then(|uri| uri.scheme_str()).unwrap_or_default();
                authority.map_or_else(String::new, |authority| format!("{scheme}://{authority}"))
            }
        }
    }
}

/// Something that is wrong with a setting of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookProblem {
    /// The name of the setting.
    pub setting: &'static str,
    /// What is wrong, as the end of a sentence that begins with the setting.
    pub what: String,
    /// What the operator can do about it.
    pub hint: String,
}

impl HookProblem {
    /// Creates a problem of this setting.
    pub fn new(setting: &'static str, what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            setting,
            what: what.into(),
            hint: hint.into(),
        }
    }
}

impl HookSettings {
    /// Returns what is wrong with the settings and that their types cannot express.
    pub fn problems(&self) -> Vec<HookProblem> {
        let mut problems = self.problems_with_events();
        problems.extend(self.target().missing());
        problems.extend(self.target().problems());
        problems.extend(self.problem_with_target());
        problems.extend(self.problems_with_numbers());
        problems
    }

    fn target(&self) -> ProgramOrAddress<'_> {
        ProgramOrAddress {
            command: &self.command,
            url: self.url.as_deref(),
            secret_file: self.secret_file.as_deref(),
            if_both: "a hook has one of them; write a second [[hooks]]",
            example: "/usr/local/bin/arrived",
        }
    }

    fn problems_with_events(&self) -> Vec<HookProblem> {
        let mut problems = Vec::new();
        if self.on.is_empty() {
            problems.push(HookProblem::new(
                "on",
                "names no event",
                r#"for example on = ["uploaded"]"#,
            ));
        }
        for name in &self.on {
            if name == "hook_dropped" {
                let what = "names \"hook_dropped\", which a full queue could not tell either";
                problems.push(HookProblem::new(
                    "on",
                    what,
                    "watch the log or the metrics for it",
                ));
            } else if !NAMES.contains(&name.as_str()) {
                let what = format!("names the event \"{}\", which there is not", name.escape_debug());
                problems.push(HookProblem::new(
                    "on",
                    what,
                    format!("the events are {}", NAMES.join(", ")),
                ));
            }
        }
        if let Some(pattern) = &self.pattern {
            if !pattern.starts_with('/') {
                let what = "must begin with \"/\", the user's home";
                problems.push(HookProblem::new("match", what, "for example \"/in/**\""));
            } else if let Err(error) = pattern.parse::<PathPattern>() {
                problems.push(HookProblem::new(
                    "match",
                    format!("is no pattern: {error}"),
                    "for example \"/in/**\"",
                ));
            }
        }
        problems
    }

    fn problem_with_target(&self) -> Option<HookProblem> {
        let target = self.move_to.as_ref()?;
        let problem = |what: &str, hint: &str| Some(HookProblem::new("move_to", what, hint));
        let is_plain = VirtualPath::parse(target.as_bytes())
            .is_ok_and(|path| path.absolute() == target.as_bytes() && path.without_dots() == path);
        if !is_plain || target == "/" {
            return problem(
                "must be the absolute path of a directory in the home",
                "for example \"/clean\"",
            );
        }
        if self.command.is_empty() {
            return problem("needs a command, which says whether the file may be moved", "");
        }
        if self.on != ["uploaded"] {
            return problem(
                "needs the event \"uploaded\" alone",
                r#"on = ["uploaded"]; write a second [[hooks]] for other events"#,
            );
        }
        None
    }

    fn problems_with_numbers(&self) -> Vec<HookProblem> {
        let mut problems = Vec::new();
        if self.timeout_secs == 0 || self.timeout_secs > MOST_SECONDS {
            let what = format!("must be between 1 and {MOST_SECONDS}");
            problems.push(HookProblem::new("timeout_secs", what, ""));
        }
        if self.retries > MOST_RETRIES {
            let what = format!("must be at most {MOST_RETRIES}");
            problems.push(HookProblem::new("retries", what, ""));
        }
        problems
    }

    /// Returns what identifies the hook in the queue, also after a restart and a change of its other settings.
    pub fn id(&self) -> String {
        match (&self.url, &self.move_to) {
            (Some(url), _) => url.clone(),
            (None, None) => format!("{:?}", self.command),
            (None, Some(target)) => format!("{:?} {target}", self.command),
        }
    }

    /// Returns the name of the hook for people. Neither arguments nor the path of an address are part of it, since they
    /// may be secrets.
    pub fn label(&self) -> String {
        self.target().label()
    }
}

fn problem_with_url(url: &str) -> Option<HookProblem> {
    let problem = |what: &str, hint: &str| Some(HookProblem::new("url", what, hint));
    let Ok(uri) = url.parse::<Uri>() else {
        return problem(
            "is not an address",
            "for example \"https://example.org/homeport\"",
        );
    };
    let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
        return problem("names no host", "for example \"https://example.org/homeport\"");
    };
    if authority.as_str().contains('@') {
        return problem(
            "must not contain a password",
            "secret_file signs the requests instead",
        );
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    match uri.scheme_str() {
        Some("https") => None,
        Some("http") if is_loopback => None,
        _ => problem(
            "must begin with https://",
            "http:// is for addresses of this machine alone, such as http://127.0.0.1:8080/",
        ),
    }
}
