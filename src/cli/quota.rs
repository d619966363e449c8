//! `homeportd quota …`

mod text;

use super::grammar::QuotaCommand;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::control::json::HomeUsageJson;
use crate::ops::context::OpsContext;
use crate::ops::quota::{measure, usage_of_all, usage_of_user};
use base::error::Result;

/// Takes what is to be printed; what is known is told at once.
type Print<'a> = &'a mut dyn FnMut(&str) -> Result<()>;

/// Does what the command says, and prints what has come of it.
///
/// # Errors
/// When the store, the running server or the disk refuses.
pub fn run(command: QuotaCommand, config: &Config) -> Result<()> {
    with_store(config, IfMissing::Fail, async |context| {
        execute(command, context, &mut output::print).await
    })
}

async fn execute(command: QuotaCommand, context: &OpsContext<'_>, print: Print<'_>) -> Result<()> {
    match command {
        QuotaCommand::Show {
            name: Some(name),
            json,
        } => {
            let usage = usage_of_user(&name, context).await?;
            match json {
                true => print(&output::json(&HomeUsageJson::from(&usage))?),
                false => print(&text::usage(&usage)),
            }
        }
        QuotaCommand::Show { name: None, json } => {
            let usages = usage_of_all(context).await?;
            if json {
                let usages: Vec<HomeUsageJson> = usages.iter().map(Into::into).collect();
                return print(&output::json(&usages)?);
            }
            print(&text::table(&usages))
        }
        QuotaCommand::Scan { name } => {
            let on_measured = &mut |home: &_| print(&text::measured(home));
            measure(name.as_ref(), context, on_measured).await
        }
    }
}

#[cfg(test)]
mod tests;
