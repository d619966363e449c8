//! The names before which a file may have had others, by home and in the order of their paths: those below a directory
//! stand together, so that they are found without examining all others.

use std::collections::{BTreeSet, HashMap};

/// A set of paths in homes.
#[derive(Debug, Default)]
pub(super) struct OpenNames {
    by_home: HashMap<String, BTreeSet<Vec<u8>>>,
    /// The number of paths that were looked up or found so far.
    #[cfg(test)]
    pub examined: usize,
}

impl OpenNames {
    /// Adds a path.
    pub fn insert(&mut self, home: &str, path: Vec<u8>) {
        if let Some(paths) = self.by_home.get_mut(home) {
            paths.insert(path);
        } else {
            self.by_home.insert(home.to_owned(), BTreeSet::from([path]));
        }
    }

    /// Removes a path, and returns whether it was there.
    pub fn remove(&mut self, home: &str, path: &[u8]) -> bool {
        #[cfg(test)]
        {
            self.examined += 1;
        }
        let paths = self.by_home.get_mut(home);
        paths.is_some_and(|paths| paths.remove(path))
    }

    /// Removes the paths below a directory, but at most this many, and returns them.
    pub fn take_below(&mut self, home: &str, directory: &[u8], most: usize) -> Vec<Vec<u8>> {
        let Some(paths) = self.by_home.get_mut(home) else {
            return Vec::new();
        };
        let first = [directory, b"/"].concat();
        let below = paths.range(first.clone()..);
        let below = below.take_while(|path| path.starts_with(&first));
        let found: Vec<Vec<u8>> = below.take(most).cloned().collect();
        for path in &found {
            paths.remove(path);
        }
        #[cfg(test)]
        {
            self.examined += 1 + found.len();
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_a_directory_of_the_home_is_taken() {
        let mut names = OpenNames::default();
        for path in ["/d", "/d/a", "/d/b/c", "/d.txt", "/d0", "/e"] {
            names.insert("/h", path.into());
        }
        names.insert("/another home", b"/d/x".to_vec());
        assert_eq!(names.take_below("/h", b"/d", 1), [b"/d/a".to_vec()]);
        assert_eq!(names.take_below("/h", b"/d", 9), [b"/d/b/c".to_vec()]);
        assert!(names.take_below("/h", b"/d", 9).is_empty());
        assert!(names.take_below("/no home", b"/d", 9).is_empty());
        assert!(names.remove("/h", b"/d") && !names.remove("/h", b"/d"));
        assert!(names.remove("/another home", b"/d/x"));
    }
}
