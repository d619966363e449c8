//! `homeportd check`

use std::fmt::Write as _;
use std::process::ExitCode;

use super::grammar::CheckArgs;
use super::output::{self, counted};
use super::work::wait;
use crate::config::Config;
use crate::ops::check::report::Report;
use crate::serve::check::{SocketHolder, check};
use base::error::Result;

/// Runs all checks, and prints the report. The exit code is 1 if there is an error.
///
/// # Errors
/// Returns an error only if the checks themselves fail.
pub fn run(args: &CheckArgs, config: &Config) -> Result<ExitCode> {
    let holder = match args.sockets_held {
        true => SocketHolder::OnItsBehalf,
        false => SocketHolder::OwnServer,
    };
    let checked = wait(check(config, holder))??;
    output::print(&text(&checked.report, checked.users))?;
    Ok(match checked.report.has_errors() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Formats the report: a line for each finding, and one with the sums.
fn text(report: &Report, users: usize) -> String {
    let mut text = String::new();
    let errors = report.errors.iter().chain(&report.faults);
    for error in errors.clone() {
        let _ = writeln!(text, "error: {error}");
    }
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for plan in &report.plans {
        let _ = writeln!(text, "will {plan}");
    }
    let _ = writeln!(
        text,
        "checked the configuration, the host keys and {}: {}, {}",
        counted(users, "user"),
        counted(errors.count(), "error"),
        counted(report.warnings.len(), "warning")
    );
    text
}

#[cfg(test)]
mod tests;
