//! `homeportd restore`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::grammar::RestoreArgs;
use super::output;
use super::work::wait;
use crate::config;
use crate::control::client::Client;
use crate::ops::adopt::Adoption;
use crate::ops::restore::{Backup, RestoreOptions, RestorePlan, Restored, restore};
use base::error::{Error, Result};

/// Restores a backup, and prints what was done.
///
/// # Errors
/// Returns an error if the backup is damaged, if something would be overwritten, or if something cannot be written.
pub fn run(args: &RestoreArgs, explicit: Option<&Path>) -> Result<()> {
    let backup = Backup::open(&args.dir)?;
    let place = place(explicit, &backup)?;
    let config = match args.keep_config {
        true => config::load(&place)?,
        false => config::load_as(&backup.configuration()?, &place)?,
    };
    let server = Client::new(config.control_socket());
    let plan = RestorePlan::new(
        backup,
        config.installation(),
        &config.named_paths(),
        args.keep_config,
    )?;
    let options = RestoreOptions {
        take_over: args.take_over,
        server: &server,
        warn: output::warn,
    };
    let restored = wait(restore(plan, options))??;
    output::print(&report(&args.dir, &restored, args.json)?)
}

/// Returns where the configuration goes. It is never guessed, since a server may be there.
fn place(explicit: Option<&Path>, backup: &Backup) -> Result<PathBuf> {
    let variable = std::env::var_os("HOMEPORT_CONFIG").filter(|value| !value.is_empty());
    let named = explicit.map(Path::to_owned).or(variable.map(PathBuf::from));
    named.ok_or_else(|| {
        Error::new("the configuration file to restore is not named").hint(format!(
            "homeportd -c FILE restore DIR; where it was backed up, FILE was {}",
            backup.manifest.configuration
        ))
    })
}

/// A restored server, as `restore --json` prints it.
#[derive(Debug, Serialize)]
struct RestoreJson<'a> {
    v: u32,
    directory: String,
    time: &'a str,
    configuration: String,
    files: usize,
    users: u64,
    places: Vec<RestoredPlaceJson>,
    not_adopted: Vec<String>,
}

/// A place of homes, as `restore --json` prints it.
#[derive(Debug, Serialize)]
struct RestoredPlaceJson {
    path: String,
    state: &'static str,
}

fn report(directory: &Path, restored: &Restored, json: bool) -> Result<String> {
    let not_adopted: Vec<String> = restored.places.failed.iter().map(ToString::to_string).collect();
    let file = restored.configuration.display().to_string();
    if json {
        let place = |(path, adoption): &(PathBuf, Adoption)| RestoredPlaceJson {
            path: path.display().to_string(),
            state: match adoption {
                Adoption::AlreadyOurs | Adoption::Adopted => "adopted",
                Adoption::ReadOnly => "read_only",
                Adoption::TakenOver => "taken_over",
            },
        };
        return output::json(&RestoreJson {
            v: 1,
            directory: directory.display().to_string(),
            time: &restored.manifest.time,
            configuration: file,
            files: restored.manifest.files.len(),
            users: restored.manifest.users,
            places: restored.places.done.iter().map(place).collect(),
            not_adopted,
        });
    }
    let mut text = format!(
        "restored {} users as of {}\n",
        restored.manifest.users, restored.manifest.time
    );
    for error in not_adopted {
        text.push_str(&format!("homes there are only read: {error}\n"));
    }
    text.push_str(&format!(
        "now: homeportd -c {file} check\n     homeportd -c {file} serve\n"
    ));
    Ok(text)
}
