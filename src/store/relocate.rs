//! Gives homes and folders other paths, in a store that no server uses: that of a restore on another machine.

use std::path::{Path, PathBuf};

use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnection;

use super::failure::failed;
use super::identity;
use super::open::{connect, options};
use super::relative::HomeLocations;
use base::error::{Error, Result};

/// A home or a folder that has another path than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelocatedPlace {
    /// The absolute path before.
    pub from: PathBuf,
    /// The absolute path now.
    pub to: PathBuf,
}

/// Gives homes and folders other paths. `relocated` returns the new path of a place, or `None` if it stays; it is asked
/// about the places that are stored as absolute paths. `homes` is `[storage] homes`, with links resolved. All of it
/// happens, or nothing.
///
/// # Errors
/// Returns an error if two places would be the same afterwards, or one would lie in another, or if the store cannot be
/// written.
pub async fn relocate(
    path: &Path,
    homes: &Path,
    relocated: impl Fn(&Path) -> Option<PathBuf>,
) -> Result<Vec<RelocatedPlace>> {
    let mut connection = connect(&options(path), path).await?;
    let mut write = connection.begin().await.map_err(|e| failed(path, e))?;
    let stored: Vec<String> = sqlx::query_scalar("SELECT home FROM users UNION SELECT path FROM folders")
        .fetch_all(&mut *write)
        .await
        .map_err(|e| failed(path, e))?;
    let locations = HomeLocations::new(homes.to_owned(), homes);
    let mut changes = Vec::new();
    let mut all = Vec::new();
    for stored in stored {
        let from = locations.located(&stored);
        let to = match Path::new(&stored).is_absolute() {
            true => relocated(&from),
            false => None,
        };
        if let Some(to) = &to {
            changes.push(RelocatedPath {
                was: stored,
                becomes: locations.stored(text(to)?),
            });
        }
        all.push(PlaceNow { from, to });
    }
    must_be_separate(&mut all)?;
    apply(&mut write, &changes).await.map_err(|e| failed(path, e))?;
    know_places(&mut write, relocated)
        .await
        .map_err(|e| failed(path, e))?;
    write.commit().await.map_err(|e| failed(path, e))?;
    // With the last connection, SQLite moves its log into the file.
    connection.close().await.map_err(|e| failed(path, e))?;
    let moved = |PlaceNow { from, to }| to.map(|to| RelocatedPlace { from, to });
    Ok(all.into_iter().filter_map(moved).collect())
}

/// A path in its stored form, and the one that replaces it.
struct RelocatedPath {
    was: String,
    becomes: String,
}

/// Where a home or a folder was, and its new path if it has one.
struct PlaceNow {
    from: PathBuf,
    to: Option<PathBuf>,
}

impl PlaceNow {
    fn path(&self) -> &Path {
        self.to.as_deref().unwrap_or(&self.from)
    }
}

/// Refuses places that have come to lie in each other: one user could read the other's files.
fn must_be_separate(all: &mut [PlaceNow]) -> Result<()> {
    // Paths are ordered by their components: what lies inside a directory follows it at once.
    all.sort_by(|one, other| one.path().cmp(other.path()));
    let overlaps = |pair: &&[PlaceNow]| {
        let [outer, inner] = pair else {
            return false;
        };
        (outer.to.is_some() || inner.to.is_some()) && inner.path().starts_with(outer.path())
    };
    let Some([outer, inner]) = all.windows(2).find(overlaps) else {
        return Ok(());
    };
    let become_one = match outer.path() == inner.path() {
        true => format!("both would be {:?}", inner.path()),
        false => format!("{:?} would lie inside {:?}", inner.path(), outer.path()),
    };
    Err(Error::new(format!(
        "cannot give {:?} and {:?} these paths",
        outer.from, inner.from
    ))
    .because(become_one)
    .hint("homes and folders must be separate: give each its own directory"))
}

async fn apply(connection: &mut SqliteConnection, changes: &[RelocatedPath]) -> sqlx::Result<()> {
    if changes.is_empty() {
        return Ok(());
    }
    sqlx::query("CREATE TEMP TABLE relocated (was TEXT NOT NULL PRIMARY KEY, becomes TEXT NOT NULL)")
        .execute(&mut *connection)
        .await?;
    for RelocatedPath { was, becomes } in changes {
        sqlx::query("INSERT INTO relocated (was, becomes) VALUES ($1, $2)")
            .bind(was)
            .bind(becomes)
            .execute(&mut *connection)
            .await?;
    }
    for sql in [
        "UPDATE users SET home = (SELECT becomes FROM relocated WHERE was = users.home) \
         WHERE home IN (SELECT was FROM relocated)",
        // The paths of folders are unique, and two may change places: no stored path begins with two slashes.
        "UPDATE folders SET path = '//' || path WHERE path IN (SELECT was FROM relocated)",
        "UPDATE folders SET path = (SELECT becomes FROM relocated WHERE '//' || was = folders.path) \
         WHERE path IN (SELECT '//' || was FROM relocated)",
        "DELETE FROM changed_homes WHERE substr(home, 1, 2) = '//'",
    ] {
        sqlx::query(sql).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Records that the store has had homes in the new directories, too. Otherwise one whose disk is not mounted would be taken
/// for a new one.
async fn know_places(
    connection: &mut SqliteConnection,
    relocated: impl Fn(&Path) -> Option<PathBuf>,
) -> sqlx::Result<()> {
    let places: Vec<String> = sqlx::query_scalar("SELECT path FROM storage_places")
        .fetch_all(&mut *connection)
        .await?;
    for place in places {
        if let Some(to) = relocated(Path::new(&place)) {
            identity::record(connection, &to).await?;
        }
    }
    Ok(())
}

fn text(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| Error::new(format!("cannot store the path {path:?}")).because("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::folder::{CreationChoice, Folder};
    use crate::domain::user::{Quota, User};
    use crate::store::sql::SqlStore;
    use crate::store::{GroupStore as _, Store as _};

    /// A store with a user in each of these homes, named after its last component and a number, and with these folders.
    async fn store_with(path: &Path, homes: &[&str], folders: &[&str]) {
        let store = SqlStore::open(path).await.unwrap();
        let store = store.with_homes("/srv/homes".into(), Path::new("/srv/homes"));
        for (number, home) in homes.iter().enumerate() {
            let mut user = User::blank(format!("u{number}").parse().unwrap());
            user.home = home.into();
            store.add_user(&user).await.unwrap();
        }
        for (number, path) in folders.iter().enumerate() {
            let folder = Folder {
                name: format!("f{number}").parse().unwrap(),
                path: path.into(),
                comment: String::new(),
                quota: Quota::default(),
                creation: CreationChoice::default(),
            };
            store.add_folder(&folder).await.unwrap();
        }
        store.close().await;
    }

    /// Replaces the first part of a path.
    fn by<'a>(rules: &'a [(&'a str, &'a str)]) -> impl Fn(&Path) -> Option<PathBuf> + 'a {
        move |path: &Path| {
            let moved = |(from, to): &(&str, &str)| {
                let inside = path.strip_prefix(from).ok()?;
                Some(Path::new(to).join(inside).components().collect())
            };
            rules.iter().find_map(moved)
        }
    }

    async fn places(path: &Path) -> (Vec<String>, Vec<String>) {
        let store = SqlStore::open_existing(path).await.unwrap();
        let store = store.with_homes("/new/homes".into(), Path::new("/new/homes"));
        let users = store.users().await.unwrap();
        let folders = store.folders().await.unwrap();
        let text = |path: &PathBuf| path.display().to_string();
        store.close().await;
        (
            users.iter().map(|user| text(&user.home)).collect(),
            folders.iter().map(|folder| text(&folder.path)).collect(),
        )
    }

    #[tokio::test]
    async fn absolute_places_move_and_relative_ones_stay_relative() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homeport.db");
        let homes = [
            "/srv/homes/a",
            "/srv/disk/b",
            "/srv/disk/b",
            "/srv/disk2/c",
            "/srv/other/d",
        ];
        store_with(&path, &homes, &["/srv/disk/one", "/srv/disk/two"]).await;
        let store = SqlStore::open_existing(&path).await.unwrap();
        store.record_place(Path::new("/srv/disk")).await.unwrap();
        store.close().await;
        let moved = by(&[
            ("/srv/disk/one", "/srv/disk/two"),
            ("/srv/disk/two", "/srv/disk/one"),
            ("/srv/disk", "/mnt/disk"),
            ("/srv/disk2", "/new/homes/disk2"),
        ]);
        let relocated = relocate(&path, Path::new("/new/homes"), moved).await.unwrap();
        assert_eq!(relocated.len(), 4, "{relocated:?}");
        let (users, folders) = places(&path).await;
        assert_eq!(
            users,
            [
                "/new/homes/a",
                "/mnt/disk/b",
                "/mnt/disk/b",
                "/new/homes/disk2/c",
                "/srv/other/d"
            ]
        );
        assert_eq!(folders, ["/srv/disk/two", "/srv/disk/one"]);
        // A new directory of homes is known, so that it is not taken for an empty one while its disk is missing.
        let store = SqlStore::open_existing(&path).await.unwrap();
        for (place, expected) in [("/srv/disk", true), ("/mnt/disk", true), ("/mnt", false)] {
            assert_eq!(
                store.knows_place(Path::new(place)).await.unwrap(),
                expected,
                "{place}"
            );
        }
        store.close().await;
        // What lies beneath homes is relative from now on.
        let nothing = relocate(&path, Path::new("/another"), by(&[("/new/homes", "/x")])).await;
        assert!(nothing.unwrap().is_empty());
    }

    #[tokio::test]
    async fn two_places_never_become_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("homeport.db");
        store_with(
            &path,
            &["/srv/homes/a", "/srv/one/b", "/srv/two/b"],
            &["/srv/two/f"],
        )
        .await;
        let before = places(&path).await;
        for (rules, expected) in [
            (&[("/srv/two", "/srv/one")][..], "both would be \"/srv/one/b\""),
            (
                &[("/srv/one/b", "/new/homes/a")][..],
                "both would be \"/new/homes/a\"",
            ),
            (
                &[("/srv/one/b", "/srv/two/f/x")][..],
                "\"/srv/two/f/x\" would lie inside \"/srv/two/f\"",
            ),
            (
                &[("/srv/one/b", "/new/homes")][..],
                "\"/new/homes/a\" would lie inside \"/new/homes\"",
            ),
        ] {
            let error = relocate(&path, Path::new("/new/homes"), by(rules))
                .await
                .unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        }
        assert_eq!(places(&path).await, before);
    }
}
