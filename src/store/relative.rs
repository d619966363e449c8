//! The form in which homes are stored: relative to `[storage] homes` if they lie beneath it, so that a server's
//! directory can be moved, otherwise absolute. Outside the store, every home is an absolute path.

use std::path::{Path, PathBuf};

/// Converts between the paths of homes and their stored form. Without `[storage] homes`, as in tests, all homes are
/// stored unchanged.
#[derive(Debug, Clone, Default)]
pub(super) struct HomeLocations {
    /// The prefixes that a home's path may have: the resolved directory, and the directory as configured.
    bases: Vec<PathBuf>,
}

impl HomeLocations {
    /// Creates the conversion. `resolved` is the directory without symbolic links; the paths of homes that are returned
    /// begin with it.
    pub(super) fn new(resolved: PathBuf, written: &Path) -> Self {
        Self {
            bases: vec![resolved, written.to_owned()],
        }
    }

    /// Returns the stored form of a home's path.
    pub(super) fn stored(&self, home: &str) -> String {
        let beneath = self.bases.iter().find_map(|base| {
            let rest = Path::new(home).strip_prefix(base).ok()?.to_str()?;
            (!rest.is_empty()).then(|| rest.to_owned())
        });
        beneath.unwrap_or_else(|| home.to_owned())
    }

    /// Returns the absolute path for a form that [`HomeLocations::stored`] returned.
    pub(super) fn located(&self, stored: &str) -> PathBuf {
        match self.bases.first() {
            Some(base) => base.join(stored),
            None => stored.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_beneath_homes_are_relative_and_come_back_absolute() {
        let homes = HomeLocations::new("/mnt/disk/homes".into(), Path::new("/srv/homes"));
        let check = |home: &str, stored: &str, located: &str| {
            assert_eq!(homes.stored(home), stored, "{home}");
            assert_eq!(homes.located(stored), Path::new(located), "{home}");
        };
        check("/mnt/disk/homes/a", "a", "/mnt/disk/homes/a");
        check("/srv/homes/team/a", "team/a", "/mnt/disk/homes/team/a");
        check("/srv/homes2/a", "/srv/homes2/a", "/srv/homes2/a");
        check("/srv/homes", "/srv/homes", "/srv/homes");
        check("a", "a", "/mnt/disk/homes/a");
        let none = HomeLocations::default();
        assert_eq!(none.stored("/srv/homes/a"), "/srv/homes/a");
        assert_eq!(none.located("/srv/homes/a"), Path::new("/srv/homes/a"));
    }
}
