//! Checks whether homes may be created and grow where they lie.

use std::path::Path;

use super::report::Report;
use crate::domain::user::User;
use crate::ops::homes;
use crate::ops::installation::Installation;
use crate::storage::marker::{self, Mark};
use crate::store::Store;
use crate::store::sql::SqlStore;

/// Checks the marker of each place, as the server does when it opens a home.
pub async fn check(installation: &Installation, users: &[User], store: &SqlStore, report: &mut Report) {
    let id = match store.id().await {
        Ok(id) => id,
        Err(error) => return report.error(error),
    };
    // A store from before markers has another id in its copy, and marks places when it is opened.
    let will_mark = store.marks_known_homes().await.unwrap_or(false);
    for place in installation.storage.places() {
        let Err(error) = marker::require(place, &id) else {
            continue;
        };
        let here = |user: &&User| homes::place_of(installation, &user.home) == Some(place);
        let mut residents = users.iter().filter(here);
        let is_missing = || marker::read(place, &id).is_ok_and(|mark| mark == Mark::Missing);
        if will_mark && is_missing() && residents.clone().any(|user| user.home.is_dir()) {
            report.plan(format!("mark the storage {place:?} as this server's"));
        } else if residents.next().is_some() {
            report.error(error);
        } else if is_worth_a_warning(installation, place) {
            report.warn(error);
        }
    }
}

/// Returns whether a place without homes is worth a warning. For a missing root there is one already.
fn is_worth_a_warning(installation: &Installation, place: &Path) -> bool {
    place.is_dir() || place == installation.storage.homes
}
