//! `homeportd user apply`, `export` and `import`, and `serve --users`.

mod import;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use serde::Serialize;

use super::grammar::{ApplyArgs, PlanArgs, UsersFileCommand};
use super::output;
use super::work::{IfMissing, wait, with_store};
use crate::config::{Config, users_file as file};
use crate::ops::running::Effect;
use crate::ops::users_file::apply::{self, Applied};
use crate::ops::users_file::changes::{Action, PlannedChange, SettingDifference};
use crate::ops::users_file::declaration::Declaration;
use crate::ops::users_file::export::export;
use base::error::{Error, Result};
use base::visible::for_terminal;

/// The exit code of `--plan` if there is something to change.
const SOMETHING_TO_CHANGE: u8 = 10;

/// Runs the command, and prints the result.
///
/// # Errors
/// Returns an error if the file has mistakes, or if the store refuses.
pub fn run(command: UsersFileCommand, config: &Config) -> Result<ExitCode> {
    match command {
        UsersFileCommand::Apply(ApplyArgs { file, prune, plan }) => {
            let declaration = file::load(&file, &config.installation())?;
            carry_out(&declaration, prune, &plan, Vec::new(), config)
        }
        UsersFileCommand::Export => {
            let text: String = with_store(config, IfMissing::Fail, async |context| export(context).await)?;
            output::print(&text)?;
            Ok(ExitCode::SUCCESS)
        }
        UsersFileCommand::Import(args) => {
            let imported = import::read(&args, &config.installation())?;
            carry_out(
                &imported.declaration,
                false,
                &args.plan,
                imported.left_out,
                config,
            )
        }
    }
}

/// Plans or applies a declaration, and prints the result. `left_out` says what it does not contain.
fn carry_out(
    declaration: &Declaration,
    prune: bool,
    how: &PlanArgs,
    left_out: Vec<String>,
    config: &Config,
) -> Result<ExitCode> {
    if how.plan {
        let plan = wait(apply::preview(declaration, prune, &config.installation()))??;
        declaration.warnings.iter().for_each(output::warn);
        let report = ApplyReport {
            changes: &plan.changes,
            planned: true,
            effect: None,
            failed: &[],
            left_out: &left_out,
        };
        report.print(how.json)?;
        return Ok(match plan.changes.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(SOMETHING_TO_CHANGE),
        });
    }
    wait(apply::check_first(declaration, prune, &config.installation()))??;
    let applied = with_store(config, IfMissing::Make, async |context| {
        apply::apply(declaration, prune, context).await
    })?;
    let report = ApplyReport {
        changes: &applied.changes,
        planned: false,
        effect: applied.effect,
        failed: &applied.failed,
        left_out: &left_out,
    };
    report.print(how.json)?;
    Ok(match applied.failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Applies a file before the server starts. Root does it in a process of its own, which becomes the owner of the data
/// directory; the server still needs root's rights to bind.
///
/// # Errors
/// Returns an error if the file cannot be applied.
pub fn before_serving(file: &Path, config: &Config) -> Result<()> {
    let cannot = || Error::new(format!("cannot apply {file:?}"));
    if rustix::process::geteuid().is_root() {
        let program = std::env::current_exe().map_err(|e| cannot().because(e))?;
        let mut command = Command::new(program);
        command
            .arg("-c")
            .arg(&config.file)
            .args(["user", "apply", "--"])
            .arg(file);
        // What it prints stands above the log.
        command.stdout(std::io::stderr());
        let status = command.status().map_err(|e| cannot().because(e))?;
        return match status.success() {
            true => Ok(()),
            false => Err(cannot().hint("see above what is wrong")),
        };
    }
    let declaration = file::load(file, &config.installation())?;
    wait(apply::check_first(&declaration, false, &config.installation()))??;
    let applied: Applied = with_store(config, IfMissing::Make, async |context| {
        apply::apply(&declaration, false, context).await
    })?;
    applied.failed.iter().for_each(output::warn);
    if !applied.changes.is_empty() {
        output::note(&format!("{file:?}: {}", summary(&applied.changes, false)));
    }
    Ok(())
}

/// What a command has done, or would do.
struct ApplyReport<'a> {
    changes: &'a [PlannedChange],
    planned: bool,
    effect: Option<Effect>,
    failed: &'a [Error],
    left_out: &'a [String],
}

impl ApplyReport<'_> {
    fn print(&self, json: bool) -> Result<()> {
        if json {
            return output::print(&output::json(&self.as_json())?);
        }
        import::note_left_out(self.left_out);
        self.failed.iter().for_each(output::warn);
        output::print(&self.text())
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for change in self.changes {
            // Writing into a string does not fail.
            let _ = writeln!(text, "{}", for_terminal(&line(change)));
        }
        let _ = write!(text, "{}", summary(self.changes, self.planned));
        match self.effect.map_or(0, |effect| effect.sessions_ended) {
            0 => {}
            1 => text.push_str("; 1 session was ended"),
            ended => {
                let _ = write!(text, "; {ended} sessions were ended");
            }
        }
        text.push('\n');
        text
    }

    fn as_json(&self) -> ReportJson<'_> {
        ReportJson {
            changed: !self.changes.is_empty(),
            planned: self.planned,
            changes: self.changes.iter().map(PlannedChangeJson::from).collect(),
            confirmed: self.effect.is_some(),
            sessions_ended: self.effect.map_or(0, |effect| effect.sessions_ended),
            still_busy: self.effect.map_or(0, |effect| effect.still_busy),
            failed: self.failed.iter().map(ToString::to_string).collect(),
            left_out: self.left_out,
        }
    }
}

/// Formats a change: its sign, the record, and for a record that stays what changes in it.
pub(super) fn line(change: &PlannedChange) -> String {
    let sign = sign_of(change.action).0;
    let settings: Vec<String> = match change.action {
        Action::Change => change.settings.iter().map(difference).collect(),
        Action::Add | Action::Remove => Vec::new(),
    };
    let record = format!("{sign} {} {}", change.kind.name(), change.name);
    match settings.is_empty() {
        true => record,
        false => format!("{record}: {}", settings.join("; ")),
    }
}

fn difference(one: &SettingDifference) -> String {
    let or_unset = |value: &Option<String>| value.clone().unwrap_or_else(|| "unset".to_owned());
    let (before, after) = (or_unset(&one.before), or_unset(&one.after));
    match before == after {
        // A secret is never shown.
        true => format!("{} changed", one.name),
        false => format!("{} {before} -> {after}", one.name),
    }
}

fn sign_of(action: Action) -> (char, &'static str) {
    match action {
        Action::Add => ('+', "added"),
        Action::Change => ('~', "changed"),
        Action::Remove => ('-', "removed"),
    }
}

/// Returns how many records were, or would be, added, changed and removed.
fn summary(changes: &[PlannedChange], planned: bool) -> String {
    if changes.is_empty() {
        return "unchanged".to_owned();
    }
    let counts: Vec<String> = [Action::Add, Action::Change, Action::Remove]
        .into_iter()
        .filter_map(|action| {
            let count = changes.iter().filter(|change| change.action == action).count();
            let word = sign_of(action).1;
            (count > 0).then(|| match planned {
                true => format!("{count} would be {word}"),
                false => format!("{count} {word}"),
            })
        })
        .collect();
    counts.join(", ")
}

#[derive(Serialize)]
struct ReportJson<'a> {
    changed: bool,
    planned: bool,
    changes: Vec<PlannedChangeJson<'a>>,
    confirmed: bool,
    sessions_ended: usize,
    still_busy: usize,
    failed: Vec<String>,
    left_out: &'a [String],
}

#[derive(Serialize)]
struct PlannedChangeJson<'a> {
    action: &'static str,
    kind: &'static str,
    name: &'a str,
    settings: Vec<SettingJson<'a>>,
}

#[derive(Serialize)]
struct SettingJson<'a> {
    name: &'a str,
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl<'a> From<&'a PlannedChange> for PlannedChangeJson<'a> {
    fn from(change: &'a PlannedChange) -> Self {
        let setting = |one: &'a SettingDifference| SettingJson {
            name: one.name,
            before: one.before.as_deref(),
            after: one.after.as_deref(),
        };
        Self {
            action: sign_of(change.action).1,
            kind: change.kind.name(),
            name: &change.name,
            settings: change.settings.iter().map(setting).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
