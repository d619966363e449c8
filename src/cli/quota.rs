//! `homeportd quota …`

mod text;

use serde::Serialize;

use super::grammar::QuotaCommand;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::control::json::HomeUsageJson;
use crate::ops::context::OpsContext;
use crate::ops::quota::{MeasuredHome, measure, usage_of_all, usage_of_folders, usage_of_one};
use crate::ops::usage::Remeasurement;
use base::error::Result;

/// The use of a user's home or of a folder, and that of the folders that a user has.
#[derive(Serialize)]
struct HolderUsageJson {
    #[serde(flatten)]
    own: HomeUsageJson,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    folders: Vec<HomeUsageJson>,
}

/// A home or a folder that was measured, as `quota scan --json` prints it.
#[derive(Serialize)]
struct MeasuredHomeJson {
    /// The use from now on. The name is that of the first of those who share the home.
    #[serde(flatten)]
    now: HomeUsageJson,
    shared_by: Vec<String>,
    before: RecordedUseJson,
}

/// The use that was known before a measurement.
#[derive(Serialize)]
struct RecordedUseJson {
    used_bytes: Option<u64>,
    used_files: Option<u64>,
    usage_exact: bool,
}

impl From<&MeasuredHome> for MeasuredHomeJson {
    fn from(home: &MeasuredHome) -> Self {
        let Remeasurement { before, after } = &home.measurement;
        Self {
            now: after.into(),
            shared_by: home.holders.iter().map(ToString::to_string).collect(),
            before: RecordedUseJson {
                used_bytes: before.used_bytes,
                used_files: before.used_files,
                usage_exact: before.is_exact(),
            },
        }
    }
}

/// Prints a piece of text as soon as it is known.
pub(super) type Print<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// Runs the command, and prints the result.
///
/// # Errors
/// Returns an error if the store, the running server or the disk refuses.
pub fn run(command: QuotaCommand, config: &Config) -> Result<()> {
    with_store(config, IfMissing::Fail, async |context| {
        execute(command, context, &mut output::print).await
    })
}

pub(super) async fn execute(command: QuotaCommand, context: &OpsContext<'_>, print: Print<'_>) -> Result<()> {
    match command {
        QuotaCommand::Show { of, json } => match of.holder() {
            Some(holder) => {
                let usage = usage_of_one(&holder, context).await?;
                let folders = usage_of_folders(&holder, context).await?;
                match json {
                    true => print(&output::json(&HolderUsageJson {
                        own: (&usage).into(),
                        folders: folders.iter().map(Into::into).collect(),
                    })?),
                    false => print(&(text::usage(&usage) + &text::folders(&folders))),
                }
            }
            None => {
                let usages = usage_of_all(context).await?;
                if json {
                    let usages: Vec<HomeUsageJson> = usages.iter().map(Into::into).collect();
                    return print(&output::json_array(&usages)?);
                }
                print(&text::table(&usages))
            }
        },
        QuotaCommand::Scan { of, json: false } => {
            let on_measured = &mut |home: &_| print(&text::measured(home));
            measure(of.holder().as_ref(), context, on_measured).await
        }
        QuotaCommand::Scan { of, json: true } => {
            let mut homes = Vec::new();
            let on_measured = &mut |home: &MeasuredHome| {
                homes.push(MeasuredHomeJson::from(home));
                Ok(())
            };
            let result = measure(of.holder().as_ref(), context, on_measured).await;
            // What could be measured is shown beside the error for the rest.
            if result.is_ok() || !homes.is_empty() {
                print(&output::json_array(&homes)?)?;
            }
            result
        }
    }
}

#[cfg(test)]
mod tests;
