//! `homeportd storage adopt`

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::grammar::AdoptArgs;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::ops::adopt::{Adoption, Adoptions, adopt};
use crate::storage::marker;
use base::error::{Error, Result};

/// Adopts the places, and prints the result for each.
///
/// # Errors
/// Returns an error if a place belongs to another server, or cannot be marked.
pub fn run(args: &AdoptArgs, config: &Config) -> Result<()> {
    let adoptions = with_store(config, IfMissing::Fail, async |context| {
        adopt(&args.dirs, args.take_over, context).await
    })?;
    output::print(&match args.json {
        true => output::json(&AdoptionsJson::from(&adoptions))?,
        false => text(&adoptions),
    })?;
    if adoptions.failed.is_empty() {
        return Ok(());
    }
    let failed: Vec<String> = adoptions.failed.iter().map(ToString::to_string).collect();
    Err(Error::new(failed.join("\n")))
}

/// The places, as `storage adopt --json` prints them.
#[derive(Serialize)]
struct AdoptionsJson {
    places: Vec<AdoptedPlaceJson>,
    failed: Vec<String>,
}

/// A place of homes, as `storage adopt --json` prints it.
#[derive(Serialize)]
struct AdoptedPlaceJson {
    path: String,
    state: &'static str,
}

impl From<&Adoptions> for AdoptionsJson {
    fn from(adoptions: &Adoptions) -> Self {
        let place = |(path, adoption): &(PathBuf, Adoption)| AdoptedPlaceJson {
            path: path.display().to_string(),
            state: match adoption {
                Adoption::AlreadyOurs => "unchanged",
                Adoption::ReadOnly => "read_only",
                Adoption::Adopted => "adopted",
                Adoption::TakenOver => "taken_over",
            },
        };
        Self {
            places: adoptions.done.iter().map(place).collect(),
            failed: adoptions.failed.iter().map(ToString::to_string).collect(),
        }
    }
}

fn text(adoptions: &Adoptions) -> String {
    let mut text = String::new();
    for (place, adoption) in &adoptions.done {
        describe(place, *adoption, &mut text);
    }
    text
}

fn describe(place: &Path, adoption: Adoption, text: &mut String) {
    // Writing into a string does not fail.
    let _ = match adoption {
        Adoption::AlreadyOurs => writeln!(text, "unchanged: {place:?} is this server's already"),
        Adoption::ReadOnly => writeln!(text, "unchanged: {place:?} is read-only, and needs no marker"),
        Adoption::Adopted => adopted(place, text),
        Adoption::TakenOver => {
            text.push_str("taken over: no other server lets homes grow there from now on\n");
            adopted(place, text)
        }
    };
}

fn adopted(place: &Path, text: &mut String) -> std::fmt::Result {
    writeln!(
        text,
        "adopted {place:?}: this server makes homes there, and lets them grow (its marker is {})",
        marker::NAME
    )
}
