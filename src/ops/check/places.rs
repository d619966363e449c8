//! Checks whether homes and folders may be created and grow where they lie.

use std::path::Path;

use super::report::Report;
use crate::domain::folder::Folder;
use crate::domain::user::User;
use crate::ops::homes;
use crate::ops::installation::Installation;
use crate::storage::marker::{self, Mark};
use crate::store::Store;
use crate::store::sql::SqlStore;

/// Checks the marker of each place, as the server does when it opens a home or a folder.
pub async fn check(
    installation: &Installation,
    users: &[User],
    folders: &[Folder],
    store: &SqlStore,
    report: &mut Report,
) {
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
        let residents = homes::residents_of(installation, place, users, folders);
        let is_missing = || marker::read(place, &id).is_ok_and(|mark| mark == Mark::Missing);
        if will_mark && is_missing() && residents.iter().any(|directory| directory.is_dir()) {
            report.plan(format!("mark the storage {place:?} as this server's"));
        } else if !residents.is_empty() {
            report.error(error);
        } else if is_worth_a_warning(installation, place) {
            report.warn(error);
        }
    }
}

/// Returns whether a place without homes and folders is worth a warning. For a missing root there is one already.
fn is_worth_a_warning(installation: &Installation, place: &Path) -> bool {
    place.is_dir() || place == installation.storage.homes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::folder::CreationChoice;
    use crate::domain::quota::Quota;

    #[tokio::test]
    async fn a_place_with_a_folder_alone_must_be_this_servers() {
        let dir = tempfile::tempdir().unwrap();
        let (homes, root) = (dir.path().join("homes"), dir.path().join("root"));
        std::fs::create_dir(&homes).unwrap();
        std::fs::create_dir(&root).unwrap();
        let store = SqlStore::open(&dir.path().join("homeport.db")).await.unwrap();
        let id = store.id().await.unwrap();
        marker::write(&homes, &id).unwrap();
        let mut installation = Installation::default();
        installation.storage.homes = homes;
        installation.storage.roots = vec![root.clone()];
        let team = Folder {
            name: "team".parse().unwrap(),
            path: root.join("team"),
            comment: String::new(),
            quota: Quota::default(),
            creation: CreationChoice::default(),
        };
        let checked = async |folders: &[Folder]| {
            let mut report = Report::default();
            check(&installation, &[], folders, &store, &mut report).await;
            report
        };
        let alone = checked(&[]).await;
        assert_eq!((alone.errors.len(), alone.warnings.len()), (0, 1));
        let report = checked(std::slice::from_ref(&team)).await;
        assert!(report.warnings.is_empty(), "{report:?}");
        assert!(report.errors[0].contains("is its disk mounted?"), "{report:?}");
        marker::write(&root, &id).unwrap();
        let report = checked(&[team]).await;
        assert!(
            report.errors.is_empty() && report.warnings.is_empty(),
            "{report:?}"
        );
    }
}
