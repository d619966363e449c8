//! Retries and drops entries of the queue of hooks.

use crate::domain::event::{AdminAct, Setting, SettingValue};
use crate::ops::admin;
use crate::ops::hooks::{HookAction, HookSelection};
use crate::ops::running::{RunningServer, if_running};
use base::error::Result;

/// Has the running server retry or drop entries, and records that in the audit log. Returns how many; `None` if no server is
/// running.
///
/// # Errors
/// Returns an error if one of the entries is not in the queue, or if the server does not answer.
pub async fn change(
    action: HookAction,
    selection: HookSelection,
    server: &dyn RunningServer,
) -> Result<Option<usize>> {
    let changed = if_running(server.change_hooks(action, selection.clone()).await)?;
    if changed.is_some_and(|count| count > 0) {
        admin::record_by_server(act(action, &selection), server).await?;
    }
    Ok(changed)
}

/// Describes what an operator has done with entries of the queue.
pub fn act(action: HookAction, selection: &HookSelection) -> AdminAct {
    let what = match action {
        HookAction::Retry => "hooks retry",
        HookAction::Drop => "hooks drop",
    };
    let ids = match selection {
        HookSelection::Entries(ids) => SettingValue::List(ids.iter().map(ToString::to_string).collect()),
        HookSelection::AllSetAside => SettingValue::Text("all".to_owned()),
    };
    AdminAct {
        what: what.to_owned(),
        name: "hooks".to_owned(),
        before: vec![Setting {
            name: "entries".to_owned(),
            value: ids,
        }],
        after: Vec::new(),
    }
}
