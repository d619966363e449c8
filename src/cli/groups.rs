//! `homeportd group …`

use std::collections::BTreeMap;

use super::grammar::GroupCommand;
use super::work::{IfMissing, with_store};
use super::{output, sharing, users};
use crate::config::Config;
use crate::domain::rate::RateRule;
use crate::domain::user::Limit;
use crate::ops::context::OpsContext;
use crate::ops::groups::{self, GroupView};
use crate::shapes::json::GroupJson;
use base::error::Result;
use base::size::Size;

/// Runs the command, and prints the result.
///
/// # Errors
/// Returns an error if the store or the rules refuse.
pub fn run(command: GroupCommand, config: &Config) -> Result<()> {
    match &command {
        GroupCommand::Set(args) if args.is_empty() => users::nothing_to_set("group"),
        GroupCommand::Set(args) => users::must_agree(args.settings.clone().changes(None)),
        GroupCommand::Add(args) => users::must_agree(args.settings.clone().changes(None)),
        _ => {}
    }
    let if_missing = match command {
        GroupCommand::Add(_) => IfMissing::Make,
        _ => IfMissing::Fail,
    };
    let text = with_store(config, if_missing, async |context| {
        execute(command, context).await
    })?;
    output::print(&text)
}

/// Executes the command; returns the text to print.
pub(super) async fn execute(command: GroupCommand, context: &OpsContext<'_>) -> Result<String> {
    match command {
        GroupCommand::Add(args) => {
            let added = groups::add(&args.name, &args.settings.changes(None)?, context).await?;
            sharing::report(&added, &args.output)
        }
        GroupCommand::Set(args) => {
            let changes = args.settings.changes(args.rename)?;
            sharing::report(&groups::set(&args.name, changes, context).await?, &args.output)
        }
        GroupCommand::Show { name, json } => {
            let view = groups::show(&name, context).await?;
            match json {
                true => output::json(&GroupJson::from(&view)),
                false => Ok(text(&view)),
            }
        }
        GroupCommand::List { json } => {
            let views = groups::list(context).await?;
            match json {
                true => output::json_array(&views.iter().map(GroupJson::from).collect::<Vec<_>>()),
                false => Ok(table(&views)),
            }
        }
        GroupCommand::Remove { name, output } => {
            sharing::report(&groups::remove(&name, context).await?, &output)
        }
    }
}

/// Formats a group: the name, the members, and a line for each setting that it has.
fn text(view: &GroupView) -> String {
    let settings = &view.group.settings;
    let unlimited = |limit: Option<String>| limit.unwrap_or_else(|| "unlimited".to_owned());
    let rate = |rule: RateRule| (rule != RateRule::Inherited).then(|| format!("{rule} (rate)"));
    let or_any = |list: Vec<String>, any: &str| match list.is_empty() {
        true => any.to_owned(),
        false => list.join(", "),
    };
    let values = [
        ("name", Some(view.group.name.to_string())),
        ("members", Some(sharing::names(&view.members))),
        (
            "quota",
            settings
                .quota_bytes
                .map(|Limit(bytes)| unlimited(bytes.map(|b| Size(b).to_string()))),
        ),
        (
            "files",
            settings
                .quota_files
                .map(|Limit(files)| unlimited(files.map(|n| n.to_string()))),
        ),
        ("sessions", settings.max_sessions.map(|limit| limit.to_string())),
        ("permissions", settings.permissions.as_ref().map(sharing::rules)),
        (
            "from",
            settings
                .allowed_from
                .as_ref()
                .map(|networks| or_any(networks.iter().map(ToString::to_string).collect(), "anywhere")),
        ),
        (
            "sign-in needs",
            settings.require.as_ref().map(|factors| {
                or_any(
                    factors.iter().map(|factor| factor.name().to_owned()).collect(),
                    "a key or the password",
                )
            }),
        ),
        ("uploads", rate(settings.rates.up)),
        ("downloads", rate(settings.rates.down)),
    ];
    let set = values
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut text: String = set.map(|row| output::lines(&[row])).collect();
    text.push_str(&sharing::folders(&settings.folders, &BTreeMap::new()));
    text.push_str(&sharing::creation(&settings.creation));
    if !view.group.comment.is_empty() {
        text.push_str(&output::lines(&[("comment", view.group.comment.clone())]));
    }
    text
}

/// Formats a table of groups, with a line for each.
fn table(views: &[GroupView]) -> String {
    let mut rows = vec![["NAME", "MEMBERS", "QUOTA", "FOLDERS", "COMMENT"].map(str::to_owned)];
    for GroupView { group, members } in views {
        let quota = match group.settings.quota_bytes {
            None => "-".to_owned(),
            Some(Limit(None)) => "unlimited".to_owned(),
            Some(Limit(Some(bytes))) => Size(bytes).to_string(),
        };
        let folders: Vec<&str> = group.settings.folders.keys().map(|name| name.as_str()).collect();
        rows.push([
            group.name.to_string(),
            members.len().to_string(),
            quota,
            match folders.is_empty() {
                true => "-".to_owned(),
                false => folders.join(","),
            },
            group.comment.clone(),
        ]);
    }
    output::columns(&rows)
}
