//! `homeportd folder …`

use super::grammar::FolderCommand;
use super::work::{IfMissing, with_store};
use super::{output, sharing, users};
use crate::config::Config;
use crate::ops::context::OpsContext;
use crate::ops::folders::{self, FolderList, FolderView};
use crate::shapes::json::FolderJson;
use base::error::Result;
use base::size::Size;

/// Runs the command, and prints the result.
///
/// # Errors
/// Returns an error if the store, the disk or the rules refuse.
pub fn run(command: FolderCommand, config: &Config) -> Result<()> {
    if matches!(&command, FolderCommand::Set(args) if args.is_empty()) {
        users::nothing_to_set("folder");
    }
    let if_missing = match command {
        FolderCommand::Add(_) => IfMissing::Make,
        _ => IfMissing::Fail,
    };
    let text = with_store(config, if_missing, async |context| {
        execute(command, context).await
    })?;
    output::print(&text)
}

/// Executes the command; returns the text to print.
pub(super) async fn execute(command: FolderCommand, context: &OpsContext<'_>) -> Result<String> {
    match command {
        FolderCommand::Add(args) => {
            let changes = args.settings.changes();
            let added = folders::add(&args.name, &args.dir, &changes, context).await?;
            sharing::report(&added, &args.output)
        }
        FolderCommand::Set(mut args) => {
            let output = std::mem::take(&mut args.output);
            let (name, changes) = args.changes();
            sharing::report(&folders::set(&name, changes, context).await?, &output)
        }
        FolderCommand::Show { name, json } => {
            let list = folders::show(&name, context).await?;
            note_unanswered(&list);
            let shown = list.folders.iter().map(|view| match json {
                true => output::json(&FolderJson::from(view)),
                false => Ok(text(view)),
            });
            shown.collect()
        }
        FolderCommand::List { json } => {
            let list = folders::list(context).await?;
            note_unanswered(&list);
            match json {
                true => output::json_array(&list.folders.iter().map(FolderJson::from).collect::<Vec<_>>()),
                false => Ok(table(&list.folders)),
            }
        }
        FolderCommand::Remove { name, output } => {
            sharing::report(&folders::remove(&name, context).await?, &output)
        }
    }
}

/// Prints a note if the running server did not report the use of folders.
fn note_unanswered(list: &FolderList) {
    if let Some(error) = &list.unanswered {
        output::note(&format!("{error}; the use shown is what was last recorded"));
    }
}

/// Formats a folder, with a line for each property.
fn text(view: &FolderView) -> String {
    let folder = &view.folder;
    let mut text = output::lines(&[
        ("name", folder.name.to_string()),
        ("path", folder.path.display().to_string()),
        ("users", sharing::names(&view.users)),
        ("used", view.usage.used()),
        ("quota", sharing::quota(folder.quota)),
    ]);
    text.push_str(&sharing::creation(&folder.creation));
    if !folder.comment.is_empty() {
        text.push_str(&output::lines(&[("comment", folder.comment.clone())]));
    }
    text
}

/// Formats a table of folders, with a line for each.
fn table(views: &[FolderView]) -> String {
    let mut rows = vec![["NAME", "USERS", "USED", "QUOTA", "PATH"].map(str::to_owned)];
    for view in views {
        let used = view.usage.used_bytes;
        let quota = view.folder.quota.bytes;
        rows.push([
            view.folder.name.to_string(),
            view.users.len().to_string(),
            used.map_or_else(
                || "-".to_owned(),
                |bytes| format!("{}{}", view.usage.at_most(), Size(bytes)),
            ),
            quota.map_or_else(|| "unlimited".to_owned(), |bytes| Size(bytes).to_string()),
            view.folder.path.display().to_string(),
        ]);
    }
    output::columns(&rows)
}
