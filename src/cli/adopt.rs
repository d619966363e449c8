//! `homeportd storage adopt`

use std::fmt::Write as _;
use std::path::Path;

use super::grammar::AdoptArgs;
use super::output;
use super::work::{IfMissing, with_store};
use crate::config::Config;
use crate::ops::adopt::{Adoption, adopt};
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
    let mut text = String::new();
    for (place, adoption) in &adoptions.done {
        describe(place, *adoption, &mut text);
    }
    output::print(&text)?;
    if adoptions.failed.is_empty() {
        return Ok(());
    }
    let failed: Vec<String> = adoptions.failed.iter().map(ToString::to_string).collect();
    Err(Error::new(failed.join("\n")))
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
