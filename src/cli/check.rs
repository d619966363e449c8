//! `homeportd check`

mod problems;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use self::problems::CheckJson;

use super::grammar::CheckArgs;
use super::output::{self, counted};
use super::work::wait;
use crate::config;
use crate::ops::check::report::Report;
use crate::serve::check::{SocketHolder, check};
use base::error::Result;

/// Runs all checks with the configuration file that `explicit` (`-c`) or else the environment names, and prints the
/// report. The exit code is 1 if there is an error.
///
/// # Errors
/// Returns an error if the checks themselves fail, or, without `--json`, if the configuration cannot be read.
pub fn run(args: &CheckArgs, explicit: Option<&Path>) -> Result<ExitCode> {
    let mut file = None;
    let loaded = config::find(explicit).and_then(|found| config::load(file.insert(found)));
    let config = match loaded {
        Ok(config) => config,
        Err(error) if args.json => {
            output::print(&output::json(&CheckJson::of_unreadable(&error, file.as_deref()))?)?;
            return Ok(ExitCode::from(error.exit_code()));
        }
        Err(error) => return Err(error),
    };
    let holder = match args.sockets_held {
        true => SocketHolder::OnItsBehalf,
        false => SocketHolder::OwnServer,
    };
    let checked = wait(check(&config, holder))??;
    let detail = match args.all {
        true => Detail::All,
        false => Detail::Examples,
    };
    output::print(&match args.json {
        true => output::json(&CheckJson::new(&checked.report, checked.users, &config.file))?,
        false => text(&checked.report, checked.users, detail),
    })?;
    Ok(match checked.report.has_errors() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Which findings are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// The first ones of each kind.
    Examples,
    /// All of them.
    All,
}

/// Formats the report: a line for each finding, and one with the sums, which count all findings.
fn text(report: &Report, users: usize, detail: Detail) -> String {
    let mut text = String::new();
    let shown = |findings: &[String]| match detail {
        Detail::Examples => report.examples(findings),
        Detail::All => findings.to_vec(),
    };
    let errors = shown(&report.errors).into_iter().chain(shown(&report.faults));
    let warnings = shown(&report.warnings).into_iter();
    let lines = errors
        .map(|error| format!("error: {error}"))
        .chain(warnings.map(|warning| format!("warning: {warning}")))
        .chain(
            shown(&report.plans)
                .into_iter()
                .map(|plan| format!("will {plan}")),
        );
    for line in lines {
        let _ = writeln!(text, "{line}");
    }
    let _ = writeln!(
        text,
        "checked the configuration, the host keys and {}: {}, {}",
        counted(users, "user"),
        counted(report.errors.len() + report.faults.len(), "error"),
        counted(report.warnings.len(), "warning")
    );
    text
}

#[cfg(test)]
mod tests;
