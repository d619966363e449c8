//! `homeportd hooks`

use super::grammar::{HookSelectionArgs, HooksCommand};
use super::output;
use super::work::wait;
use crate::config::Config;
use crate::control::client::Client;
use crate::control::json::HookEntryJson;
use crate::domain::event::AdminRecord;
use crate::hooks::queue::{HookQueue, QueueLimits};
use crate::ops::hooks::{HookAction, HookEntryView, HookSelection, change as changes};
use crate::ops::lock::DataLock;
use crate::ops::running::{RunningServer as _, if_running};
use crate::ops::{admin, data_dir};
use base::error::Result;
use base::visible::for_terminal;

/// Runs a command on the queue of the running server, or on that in the data directory if none is running. Returns the text
/// to print.
///
/// # Errors
/// Returns an error if the queue cannot be read or changed, or if an entry that is named is not in it.
pub fn run(command: HooksCommand, config: &Config) -> Result<String> {
    let server = Client::new(config.control_socket());
    match command {
        HooksCommand::List { json } => {
            let entries = match if_running(wait(server.hooks())?)? {
                Some(entries) => entries,
                None => with_queue(config, |queue| Ok(queue.list()))?,
            };
            list(entries, json)
        }
        HooksCommand::Retry(args) => change(HookAction::Retry, args, &server, config),
        HooksCommand::Drop(args) => change(HookAction::Drop, args, &server, config),
    }
}

fn change(action: HookAction, args: HookSelectionArgs, server: &Client, config: &Config) -> Result<String> {
    let selection = match args.all {
        true => HookSelection::AllSetAside,
        false => HookSelection::Entries(args.ids),
    };
    let changed = match wait(changes::change(action, selection.clone(), server))?? {
        Some(changed) => changed,
        None => change_without_server(action, &selection, server, config)?,
    };
    if args.json {
        return output::json(&serde_json::json!({ "changed": changed }));
    }
    let what = match (action, changed) {
        (_, 0) => return Ok("unchanged\n".to_owned()),
        (HookAction::Retry, 1) => "1 event is tried again".to_owned(),
        (HookAction::Retry, count) => format!("{count} events are tried again"),
        (HookAction::Drop, 1) => "dropped 1 event".to_owned(),
        (HookAction::Drop, count) => format!("dropped {count} events"),
    };
    Ok(what + "\n")
}

fn change_without_server(
    action: HookAction,
    selection: &HookSelection,
    server: &Client,
    config: &Config,
) -> Result<usize> {
    let changed = with_queue(config, |queue| {
        let changed = queue.act(action, selection)?;
        queue.write();
        Ok(changed)
    })?;
    if changed > 0 {
        let record = AdminRecord {
            by: server.operator(),
            act: changes::act(action, selection),
        };
        admin::append(config.log.audit.as_deref(), vec![record])?;
    }
    Ok(changed)
}

/// Opens the queue of a server that does not run. No server can start meanwhile.
fn with_queue<T>(config: &Config, work: impl FnOnce(&HookQueue) -> Result<T>) -> Result<T> {
    data_dir::become_owner(config.data_dir())?;
    let _lock = DataLock::take(config.data_dir())?;
    work(&HookQueue::open(config.data_dir(), QueueLimits::default())?)
}

fn list(entries: Vec<HookEntryView>, json: bool) -> Result<String> {
    if json {
        let entries: Vec<HookEntryJson> = entries.into_iter().map(Into::into).collect();
        return output::json_array(&entries);
    }
    let mut rows = vec![
        [
            "ID", "STATE", "TRIES", "EVENT", "TIME", "USER", "HOOK", "PATH", "ERROR",
        ]
        .map(str::to_owned),
    ];
    let or_dash = |text: Option<String>| text.map_or_else(|| "-".to_owned(), |text| for_terminal(&text));
    for entry in entries {
        rows.push([
            entry.id.to_string(),
            entry.state.to_string(),
            entry.attempts.to_string(),
            entry.event,
            entry.time,
            or_dash(entry.user),
            for_terminal(&entry.hook),
            or_dash(entry.path),
            or_dash(entry.error),
        ]);
    }
    Ok(output::columns(&rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::tests::with_server;

    #[tokio::test]
    async fn the_running_server_is_asked() {
        let ((), _) = with_server(|path, _| {
            let server = Client::new(path.to_owned());
            let listed = wait(server.hooks()).unwrap().unwrap();
            let text = list(listed.clone(), false).unwrap();
            let line = "7   set_aside  6      uploaded  2026-01-02T03:04:05.000Z  calvin  /bin/scan  /f\\u{1b}  exit code 1";
            assert_eq!(text.lines().nth(1), Some(line), "{text}");
            let json: serde_json::Value = serde_json::from_str(&list(listed, true).unwrap()).unwrap();
            let expected = serde_json::json!([{
                "v": 1, "id": 7, "hook": "/bin/scan", "event": "uploaded", "time": "2026-01-02T03:04:05.000Z",
                "user": "calvin", "path": "/f\u{1b}", "state": "set_aside", "attempts": 6, "error": "exit code 1",
            }]);
            assert_eq!(json, expected);
            let args = |all, json| HookSelectionArgs {
                ids: if all { Vec::new() } else { vec![7] },
                all,
                json,
            };
            let changed = |action, args| change(action, args, &server, &Config::default()).unwrap();
            assert_eq!(changed(HookAction::Retry, args(false, false)), "1 event is tried again\n");
            assert_eq!(changed(HookAction::Drop, args(true, false)), "dropped 3 events\n");
            let json: serde_json::Value =
                serde_json::from_str(&changed(HookAction::Drop, args(true, true))).unwrap();
            assert_eq!(json, serde_json::json!({"v": 1, "changed": 3}));
        })
        .await;
    }
}
