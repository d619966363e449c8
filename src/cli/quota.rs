//! `homeportd quota …`

mod text;

use serde::Serialize;

use super::grammar::QuotaCommand;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::control::json::HomeUsageJson;
use crate::ops::context::OpsContext;
use crate::ops::quota::{measure, usage_of_all, usage_of_folders, usage_of_one};
use base::error::Result;

/// The use of a user's home or of a folder, and that of the folders that a user has.
#[derive(Serialize)]
struct HolderUsageJson {
    #[serde(flatten)]
    own: HomeUsageJson,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    folders: Vec<HomeUsageJson>,
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
        QuotaCommand::Scan { of } => {
            let on_measured = &mut |home: &_| print(&text::measured(home));
            measure(of.holder().as_ref(), context, on_measured).await
        }
    }
}

#[cfg(test)]
mod tests;
