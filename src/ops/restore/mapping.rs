//! Where homes and folders that lie outside `[storage] homes` are to be found on the new machine. Those beneath `homes` are
//! stored relative to it, and need none of this.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::ops::backup::manifest::{Manifest, ROOT};
use crate::ops::installation::Installation;
use crate::store::relocate::RelocatedPlace;
use base::error::{Error, Result};
use base::paths::{absolute, from_here, resolve};

/// A directory of homes that has another path on the new machine, as `--map OLD=NEW` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaceMapping {
    /// The absolute path on the machine that was backed up.
    pub from: PathBuf,
    /// The absolute path on this machine.
    pub to: PathBuf,
}

impl FromStr for PlaceMapping {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            Error::new(format!(
                "\"{}\" does not map a directory to another",
                text.escape_debug()
            ))
            .hint("OLD=NEW, such as /srv/disk2=/mnt/files; OLD is an absolute path without \"=\"")
        };
        let (from, to) = text.split_once('=').ok_or_else(wrong)?;
        if !from.starts_with('/') || to.is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            from: absolute(Path::new("/"), Path::new(from)),
            to: from_here(Path::new(to))?,
        })
    }
}

/// Displayed as it is written on the command line.
impl fmt::Display for PlaceMapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.from.display(), self.to.display())
    }
}

/// All directories of homes that have other paths on the new machine.
#[derive(Debug, Default)]
pub(super) struct PlaceMappings {
    /// Those that the operator has named come last.
    list: Vec<PlaceMapping>,
    /// How many of them the operator has named.
    named: usize,
}

impl PlaceMappings {
    /// Completes the mappings that the operator has named: if the configuration is the one that was backed up, its roots are
    /// those of the backup, and have other paths where they are relative to the configuration.
    ///
    /// # Errors
    /// Returns an error if two mappings are about the same directory, or if no home may lie where one leads.
    pub fn new(
        named: Vec<PlaceMapping>,
        manifest: &Manifest,
        installation: &Installation,
        keeps_config: bool,
    ) -> Result<Self> {
        for (at, mapping) in named.iter().enumerate() {
            if named.iter().take(at).any(|other| other.from == mapping.from) {
                return Err(Error::new(format!("{:?} is mapped twice", mapping.from)));
            }
            must_be_in_a_place(mapping, installation)?;
        }
        let roots = &installation.storage.roots;
        let left_out = manifest.left_out.iter();
        let before: Vec<PathBuf> = left_out
            .filter(|left_out| left_out.what == ROOT)
            .map(|left_out| PathBuf::from(&left_out.path))
            .collect();
        let mut list = Vec::new();
        if !keeps_config && before.len() == roots.len() {
            let pairs = before.into_iter().zip(roots.iter().cloned());
            let moved = pairs.filter(|(from, _)| !roots.contains(from));
            list.extend(moved.map(|(from, to)| PlaceMapping { from, to }));
        }
        let count = named.len();
        list.extend(named);
        Ok(Self { list, named: count })
    }

    /// Returns the mappings that the operator has named.
    pub fn named(&self) -> &[PlaceMapping] {
        self.list.get(self.list.len() - self.named..).unwrap_or_default()
    }

    /// Returns whether every place stays where it was.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Returns the path that a home or a folder has on this machine; `None` if it is the same. The longest mapping decides,
    /// and that of the operator before one of the same length.
    pub fn relocated(&self, place: &Path) -> Option<PathBuf> {
        let mapping = self.deciding(place)?;
        let inside = place.strip_prefix(&mapping.from).ok()?;
        // Joining an empty path would add a slash.
        let to: PathBuf = mapping.to.join(inside).components().collect();
        let to = resolve(&to);
        (to != place).then_some(to)
    }

    fn deciding(&self, place: &Path) -> Option<&PlaceMapping> {
        let mappings = self
            .list
            .iter()
            .filter(|mapping| place.starts_with(&mapping.from));
        // Of equal ones it is the last.
        mappings.max_by_key(|mapping| mapping.from.components().count())
    }

    /// Counts the places that each mapping has given another path. A mapping without any is left out, unless the operator
    /// has named it.
    pub fn counted(&self, relocated: &[RelocatedPlace]) -> Vec<MappedPlaces> {
        let first_named = self.list.len() - self.named;
        let count = |mapping: &PlaceMapping| {
            let by_it = |place: &&RelocatedPlace| self.deciding(&place.from) == Some(mapping);
            relocated.iter().filter(by_it).count()
        };
        let counts = self.list.iter().enumerate().map(|(at, mapping)| {
            let count = count(mapping);
            (count > 0 || at >= first_named).then(|| MappedPlaces {
                mapping: mapping.clone(),
                count,
            })
        });
        counts.flatten().collect()
    }
}

/// How many homes and folders have another path because of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedPlaces {
    /// The mapping.
    pub mapping: PlaceMapping,
    /// The number of directories.
    pub count: usize,
}

/// Refuses a mapping to where no home may lie: the server would open none of them.
fn must_be_in_a_place(mapping: &PlaceMapping, installation: &Installation) -> Result<()> {
    let to = resolve(&mapping.to);
    let storage = &installation.storage;
    let lies_in = |place: &Path| mapping.to.starts_with(place) || to.starts_with(resolve(place));
    if storage.places().any(lies_in) {
        return Ok(());
    }
    Err(Error::new(format!("cannot map {:?} to {:?}", mapping.from, mapping.to))
        .because(format!(
            "it is neither in \"{}\" nor in one of [storage] roots",
            storage.homes.display()
        ))
        .hint("nothing was changed; write a configuration that has it in roots, and restore with --keep-config"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::backup::manifest::LeftOut;

    fn manifest(roots: &[&str]) -> Manifest {
        let mut manifest = Manifest::new(jiff::Timestamp::UNIX_EPOCH, Path::new("/old/homeportd.toml"));
        let entry = |what: &str, path: &str| LeftOut {
            what: what.to_owned(),
            path: path.to_owned(),
        };
        manifest.left_out = vec![entry("homes", "/old/homes"), entry("audit log", "/old/audit.log")];
        manifest
            .left_out
            .extend(roots.iter().map(|root| entry(ROOT, root)));
        manifest
    }

    fn installation(roots: &[&str]) -> Installation {
        let mut installation = Installation::default();
        installation.storage.homes = "/new/homes".into();
        installation.storage.roots = roots.iter().map(PathBuf::from).collect();
        installation
    }

    fn mappings(named: &[&str], old: &[&str], new: &[&str], keeps_config: bool) -> Result<PlaceMappings> {
        let named = named.iter().map(|text| text.parse().unwrap()).collect();
        PlaceMappings::new(named, &manifest(old), &installation(new), keeps_config)
    }

    #[test]
    fn a_mapping_is_two_paths() {
        let parsed: PlaceMapping = "/srv//disk2/=/mnt/files/a=b/".parse().unwrap();
        assert_eq!(parsed.to_string(), "/srv/disk2=/mnt/files/a=b");
        for wrong in ["", "/srv", "=/mnt", "/srv=", "srv=/mnt"] {
            let error = wrong.parse::<PlaceMapping>().unwrap_err().to_string();
            assert!(error.contains("does not map a directory"), "{wrong}: {error}");
        }
    }

    #[test]
    fn the_longest_mapping_decides_and_the_operators_before_the_roots() {
        let named = ["/old/disk/team=/new/team", "/old/other=/new/homes/other"];
        let old = ["/old/disk", "/old/other", "/shared"];
        let new = ["/new/disk", "/new/team", "/shared"];
        let check = |keeps_config: bool, place: &str, expected: Option<&str>| {
            let mappings = mappings(&named, &old, &new, keeps_config).unwrap();
            assert_eq!(
                mappings.relocated(Path::new(place)),
                expected.map(PathBuf::from),
                "{place}"
            );
        };
        check(false, "/old/disk/a", Some("/new/disk/a"));
        check(false, "/old/disk/team/a", Some("/new/team/a"));
        check(false, "/old/disk/team", Some("/new/team"));
        check(false, "/old/other/a", Some("/new/homes/other/a"));
        check(false, "/old/disk2/a", None);
        check(false, "/shared/a", None);
        // Another configuration has roots of its own.
        check(true, "/old/disk/a", None);
        check(true, "/old/disk/team/a", Some("/new/team/a"));
        let fewer = mappings(&[], &old, &["/new/disk"], false).unwrap();
        assert!(fewer.is_empty());
    }

    #[test]
    fn a_mapping_leads_to_where_homes_may_lie_and_is_counted() {
        let refused = |named: &[&str]| {
            mappings(named, &[], &["/new/disk"], true)
                .unwrap_err()
                .to_string()
        };
        assert!(refused(&["/a=/elsewhere"]).contains("neither in \"/new/homes\""));
        assert!(refused(&["/a=/new/disk", "/a/=/new/homes"]).contains("mapped twice"));
        let mappings = mappings(&["/a=/d", "/b=/d/b"], &["/c"], &["/d"], false).unwrap();
        let place = |from: &str| RelocatedPlace {
            from: from.into(),
            to: "/d/x".into(),
        };
        let counted = mappings.counted(&[place("/a/1"), place("/a/2")]);
        let counts: Vec<(String, usize)> = counted
            .iter()
            .map(|mapped| (mapped.mapping.to_string(), mapped.count))
            .collect();
        assert_eq!(counts, [("/a=/d".to_owned(), 2), ("/b=/d/b".to_owned(), 0)]);
    }
}
