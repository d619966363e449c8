//! `homeportd restore`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::grammar::RestoreArgs;
use super::output::{self, counted};
use super::work::wait;
use crate::config;
use crate::control::client::Client;
use crate::ops::adopt::Adoption;
use crate::ops::homes::Resident;
use crate::ops::restore::{
    Absence, AbsentPlace, Backup, MappedPlaces, RestoreOptions, RestorePlan, Restored, restore,
};
use base::error::{Error, Result};

/// The most missing directories that are listed. JSON has all.
const MOST_MISSING: usize = 10;

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
        args.maps.clone(),
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
    directory: String,
    time: &'a str,
    configuration: String,
    files: usize,
    users: u64,
    places: Vec<RestoredPlaceJson>,
    not_adopted: Vec<String>,
    mapped: Vec<MappedJson>,
    missing: Vec<MissingJson<'a>>,
}

/// A place of homes, as `restore --json` prints it.
#[derive(Debug, Serialize)]
struct RestoredPlaceJson {
    path: String,
    state: &'static str,
}

/// A directory of homes that has another path than before, as `restore --json` prints it.
#[derive(Debug, Serialize)]
struct MappedJson {
    from: String,
    to: String,
    directories: usize,
}

/// A home or a folder that the server cannot open here, as `restore --json` prints it.
#[derive(Debug, Serialize)]
struct MissingJson<'a> {
    path: String,
    kind: &'static str,
    names: &'a [String],
    why: &'static str,
}

fn report(directory: &Path, restored: &Restored, json: bool) -> Result<String> {
    match json {
        true => output::json(&to_json(directory, restored)),
        false => Ok(text(restored)),
    }
}

fn to_json<'a>(directory: &Path, restored: &'a Restored) -> RestoreJson<'a> {
    let place = |(path, adoption): &(PathBuf, Adoption)| RestoredPlaceJson {
        path: path.display().to_string(),
        state: match adoption {
            Adoption::AlreadyOurs | Adoption::Adopted => "adopted",
            Adoption::ReadOnly => "read_only",
            Adoption::TakenOver => "taken_over",
        },
    };
    let mapped = |MappedPlaces { mapping, count }: &MappedPlaces| MappedJson {
        from: mapping.from.display().to_string(),
        to: mapping.to.display().to_string(),
        directories: *count,
    };
    let missing = |absent: &'a AbsentPlace| MissingJson {
        path: absent.path.display().to_string(),
        kind: absent.kind.name(),
        names: &absent.names,
        why: absent.absence.name(),
    };
    RestoreJson {
        directory: directory.display().to_string(),
        time: &restored.manifest.time,
        configuration: restored.configuration.display().to_string(),
        files: restored.manifest.files.len(),
        users: restored.manifest.users,
        places: restored.places.done.iter().map(place).collect(),
        not_adopted: restored.places.failed.iter().map(ToString::to_string).collect(),
        mapped: restored.mapped.iter().map(mapped).collect(),
        missing: restored.absent.iter().map(missing).collect(),
    }
}

fn text(restored: &Restored) -> String {
    let mut text = format!(
        "restored {} as of {}\n",
        counted(restored.manifest.users, "user"),
        restored.manifest.time
    );
    for error in &restored.places.failed {
        text.push_str(&format!("homes there are only read: {error}\n"));
    }
    for MappedPlaces { mapping, count } in &restored.mapped {
        let (from, to) = (&mapping.from, &mapping.to);
        text.push_str(&match count {
            0 => format!("unchanged: no home and no folder lay in {from:?}\n"),
            1 => format!("1 home or folder that lay in {from:?} is looked for in {to:?}\n"),
            count => format!("{count} homes and folders that lay in {from:?} are looked for in {to:?}\n"),
        });
    }
    text.push_str(&missing(restored));
    let file = restored.configuration.display();
    text.push_str(&format!(
        "now: homeportd -c {file} check\n     homeportd -c {file} serve\n"
    ));
    text
}

/// Formats the homes and folders that the server cannot open here, and what to do about them.
fn missing(restored: &Restored) -> String {
    let absent = &restored.absent;
    let mut text = String::new();
    for place in absent.iter().take(MOST_MISSING) {
        let why = match place.absence {
            Absence::Missing => "missing here",
            Absence::Outside => "outside of [storage] homes and roots",
        };
        text.push_str(&format!("{why}: the {}, {:?}\n", whose(place), place.path));
    }
    if let Some(more) = absent.len().checked_sub(MOST_MISSING).filter(|more| *more > 0) {
        text.push_str(&format!("and {more} more: homeportd check --all names them\n"));
    }
    let steps = [
        (Absence::Missing, "copy what is missing there, or mount its disk"),
        (
            Absence::Outside,
            "add the parents of what lies outside to roots in [storage]",
        ),
    ];
    let there_is = |absence: Absence| absent.iter().any(|place| place.absence == absence);
    for (_, step) in steps.iter().filter(|(absence, _)| there_is(*absence)) {
        text.push_str(&format!("  {step}\n"));
    }
    if !absent.is_empty() {
        text.push_str(
            "  if they lie elsewhere on this machine:\n  \
             homeportd user set NAME --home DIR, homeportd folder set NAME --path DIR, or for many at once\n  \
             move what was restored away, and restore again with --map OLD=NEW\n",
        );
    }
    text
}

/// Names what a directory is, and for whom.
fn whose(place: &AbsentPlace) -> String {
    match (place.kind, &place.names[..]) {
        (Resident::Folder, names) => format!("folder {}", names.join(", ")),
        (Resident::Home, [name]) => format!("home of user {name}"),
        (Resident::Home, [name, others @ ..]) => {
            format!("home of user {name} and {}", counted(others.len(), "other"))
        }
        (Resident::Home, []) => "home".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::adopt::Adoptions;
    use crate::ops::backup::manifest::Manifest;

    fn restored(absent: usize) -> Restored {
        let mut manifest = Manifest::new(jiff::Timestamp::UNIX_EPOCH, Path::new("/old/homeportd.toml"));
        manifest.users = 1;
        Restored {
            manifest,
            configuration: "/new/homeportd.toml".into(),
            places: Adoptions::default(),
            mapped: vec![MappedPlaces {
                mapping: "/old/disk=/new/disk".parse().unwrap(),
                count: 1,
            }],
            absent: (0..absent)
                .map(|number| AbsentPlace {
                    path: format!("/new/disk/u{number}").into(),
                    kind: Resident::Home,
                    names: vec![format!("u{number}"), "shared".to_owned()],
                    absence: Absence::Missing,
                })
                .collect(),
        }
    }

    #[test]
    fn what_is_missing_is_named_and_what_to_do() {
        let said = text(&restored(0));
        assert!(
            said.starts_with("restored 1 user as of 1970-01-01T00:00:00Z\n"),
            "{said}"
        );
        assert!(
            said.contains("1 home or folder that lay in \"/old/disk\" is looked for in \"/new/disk\"\n"),
            "{said}"
        );
        assert!(!said.contains("missing"), "{said}");
        let said = text(&restored(10_000));
        assert!(
            said.contains("missing here: the home of user u0 and 1 other, \"/new/disk/u0\"\n"),
            "{said}"
        );
        assert!(
            said.contains("and 9990 more: homeportd check --all names them\n"),
            "{said}"
        );
        assert!(!said.contains("outside"), "{said}");
        assert!(said.contains("--map OLD=NEW"), "{said}");
        assert!(said.lines().count() < 20, "{said}");
    }

    #[test]
    fn what_lies_outside_is_not_called_missing() {
        let mut restored = restored(1);
        restored.absent[0].absence = Absence::Outside;
        let said = text(&restored);
        assert!(
            said.contains(
                "outside of [storage] homes and roots: the home of user u0 and 1 other, \"/new/disk/u0\"\n"
            ),
            "{said}"
        );
        assert!(said.contains("to roots in [storage]\n"), "{said}");
        assert!(!said.contains("missing"), "{said}");
    }

    #[test]
    fn json_has_all_that_is_missing() {
        let said = report(Path::new("/backup"), &restored(10_000), true).unwrap();
        let said: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said["missing"].as_array().unwrap().len(), 10_000);
        assert_eq!(
            said["missing"][0],
            serde_json::json!({"path": "/new/disk/u0", "kind": "home", "names": ["u0", "shared"], "why": "missing"})
        );
        assert_eq!(
            said["mapped"],
            serde_json::json!([{"from": "/old/disk", "to": "/new/disk", "directories": 1}])
        );
    }
}
