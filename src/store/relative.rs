//! How homes are written in the store: relative to `[storage] homes` where they lie beneath it, so that a server's
//! directory can be moved, else absolute. Outside of the store every home is an absolute path.

use std::path::{Path, PathBuf};

/// Converts between the paths of homes and their form in the store. Without `[storage] homes`, as in tests, all homes
/// are written as they are.
#[derive(Debug, Clone, Default)]
pub(super) struct HomeLocations {
    /// The forms in which a home's path may begin: resolved, and as the configuration has it.
    bases: Vec<PathBuf>,
}

impl HomeLocations {
    /// `resolved` is the directory without links in it; the paths of homes that come out begin with it.
    pub(super) fn new(resolved: PathBuf, written: &Path) -> Self {
        Self {
            bases: vec![resolved, written.to_owned()],
        }
    }

    /// The form of a home's path in the store.
    pub(super) fn stored(&self, home: &str) -> String {
        let beneath = self.bases.iter().find_map(|base| {
            let rest = Path::new(home).strip_prefix(base).ok()?.to_str()?;
            (!rest.is_empty()).then(|| rest.to_owned())
        });
        beneath.unwrap_or_else(|| home.to_owned())
    }

    /// The absolute path of what [`HomeLocations::stored`] has written.
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
