//! `homeportd hostkey …`

use super::grammar::{HostKeyArgs, HostkeyCommand};
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::ops::context::OpsContext;
use crate::ops::data_dir;
use crate::ops::host_keys::{self, ChangedHostKeys, HostKeyView, Successor};
use crate::shapes::json::{HostKeyChangeJson, HostKeyJson};
use crate::ssh::hostkeys::rotation::KeyStage;
use base::error::Result;

/// Runs the command; returns the text to print.
///
/// # Errors
/// Returns an error if a key cannot be created or used, or if the running server does not confirm the change.
pub fn run(command: HostkeyCommand, config: &Config) -> Result<String> {
    let (args, action) = match command {
        HostkeyCommand::List { json } => {
            if config.data_dir().is_dir() {
                data_dir::become_owner(config.data_dir())?;
            }
            return list(&host_keys::list(&config.installation())?, json);
        }
        HostkeyCommand::Generate(args) => (args, HostKeyAction::Generate),
        HostkeyCommand::Rotate(args) => (args, HostKeyAction::Rotate),
        HostkeyCommand::Retire {
            args,
            without_successor: false,
        } => (args, HostKeyAction::Retire(Successor::Next)),
        HostkeyCommand::Retire {
            args,
            without_successor: true,
        } => (args, HostKeyAction::Retire(Successor::None)),
        HostkeyCommand::Remove(args) => (args, HostKeyAction::Remove),
    };
    let changed = with_store(config, IfMissing::Fail, async |context| {
        action.perform(&args, config, context).await
    })?;
    match args.json {
        true => output::json(&HostKeyChangeJson::from(&changed)),
        false => Ok(action.text(args.kind.name(), &changed)),
    }
}

/// A command that changes host keys.
#[derive(Debug, Clone, Copy)]
enum HostKeyAction {
    Generate,
    Rotate,
    Retire(Successor),
    Remove,
}

impl HostKeyAction {
    async fn perform(
        self,
        args: &HostKeyArgs,
        config: &Config,
        context: &OpsContext<'_>,
    ) -> Result<ChangedHostKeys> {
        match self {
            HostKeyAction::Generate => host_keys::generate(args.kind, context).await,
            HostKeyAction::Rotate => host_keys::rotate(args.kind, context).await,
            HostKeyAction::Retire(successor) => {
                host_keys::retire(args.kind, successor, &config.ssh, context).await
            }
            HostKeyAction::Remove => host_keys::remove(args.kind, context).await,
        }
    }

    /// Says what has come of the command. `kind` is the name of the keys' type.
    fn text(self, kind: &str, changed: &ChangedHostKeys) -> String {
        let (key, file) = match &changed.key {
            Some(key) => (
                format!("{} {}", key.algorithm, key.fingerprint),
                key.file.display().to_string(),
            ),
            None => (format!("the {kind} host key"), String::new()),
        };
        match (self, changed.is_change) {
            (HostKeyAction::Generate, true) => format!("made \"{file}\"\n{key} is this server's\n"),
            (HostKeyAction::Generate, false) => format!("kept \"{file}\"\n{key} is this server's\n"),
            (HostKeyAction::Rotate, true) => format!(
                "made \"{file}\"\n{key} is announced to clients, and not used yet\n\
                 when they have signed in once more: homeportd hostkey retire --type {kind}\n"
            ),
            (HostKeyAction::Rotate, false) => format!("unchanged: {key} is announced already\n"),
            (HostKeyAction::Retire(Successor::Next), true) => format!(
                "{key} is in use; the key before it is not used any more\n\
                 to delete that one: homeportd hostkey remove --type {kind}\n"
            ),
            (HostKeyAction::Retire(Successor::Next), false) => format!(
                "unchanged: {key} is in use, and no new key waits\n\
                 to make one: homeportd hostkey rotate --type {kind}\n"
            ),
            (HostKeyAction::Retire(Successor::None), true) => format!("{key} is not used any more\n"),
            (HostKeyAction::Retire(Successor::None), false) => {
                format!("unchanged: no {kind} host key is in use\n")
            }
            (HostKeyAction::Remove, true) => format!("removed {key}\n"),
            (HostKeyAction::Remove, false) => format!("unchanged: no {kind} host key is retired\n"),
        }
    }
}

fn list(keys: &[HostKeyView], json: bool) -> Result<String> {
    if json {
        let keys: Vec<HostKeyJson> = keys.iter().map(Into::into).collect();
        return output::json_array(&keys);
    }
    let line = |key: &HostKeyView| {
        let stage = match key.stage {
            KeyStage::InUse => "",
            KeyStage::Next => " (next)",
            KeyStage::Retired => " (retired)",
        };
        format!(
            "{} {} {}{stage}\n",
            key.algorithm,
            key.fingerprint,
            key.file.display()
        )
    };
    Ok(keys.iter().map(line).collect())
}
