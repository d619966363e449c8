//! Paths as clients send them, made absolute within the home. Paths are bytes and not text: they are stored as they
//! arrive.
//!
//! This module does not access the file system. The kernel decides what `..` and a trailing slash mean behind a
//! symbolic link, so both are kept.

#[doc(hidden)]
pub mod fuzz;

use std::fmt;

/// Linux's PATH_MAX in bytes, including the final NUL. A longer path cannot be opened.
const MAX_PATH: usize = 4096;

/// An absolute path inside a home.
///
/// Invariants: no NUL, no empty component, no `.` except at the end, shorter than `PATH_MAX`. `..` components, a
/// trailing slash and a trailing `/.` are kept. The path is stored without the leading slash, so the home itself is the
/// empty path, or `.` if the client wrote one at the end.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VirtualPath {
    /// The components, joined by `/`, with a `/` or `/.` at the end if the client wrote one.
    relative: Vec<u8>,
}

/// Why bytes are not a valid path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The path contains a NUL byte, which no file name can contain.
    #[error("a path cannot contain a NUL byte")]
    Nul,
    /// The path is longer than the kernel accepts.
    #[error("the path is longer than 4095 bytes")]
    TooLong,
}

impl VirtualPath {
    /// Returns the length of the path in bytes, in the form that [`VirtualPath::absolute`] returns.
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        match self.is_root() {
            true => 1,
            false => 1 + self.relative.len(),
        }
    }

    /// Returns the path of the home itself.
    pub fn root() -> Self {
        Self { relative: Vec::new() }
    }

    /// Parses a path from a client. A relative path starts at the home; an empty path and `.` are the home.
    pub fn parse(raw: &[u8]) -> Result<Self, PathError> {
        if raw.contains(&0) {
            return Err(PathError::Nul);
        }
        if raw.len() >= MAX_PATH {
            return Err(PathError::TooLong);
        }
        let mut relative = Vec::with_capacity(raw.len());
        for component in raw.split(|&b| b == b'/') {
            if component.is_empty() || component == b"." {
                continue;
            }
            if !relative.is_empty() {
                relative.push(b'/');
            }
            relative.extend_from_slice(component);
        }
        if !relative.is_empty() {
            if raw.ends_with(b"/.") {
                relative.extend_from_slice(b"/.");
            } else if raw.ends_with(b"/") {
                relative.push(b'/');
            }
        } else if raw == b"." || raw.ends_with(b"/.") {
            relative.push(b'.');
        }
        Ok(Self { relative })
    }

    /// Returns the path relative to the home, as `openat2` takes it. The home itself is `.`.
    pub fn relative(&self) -> &[u8] {
        if self.relative.is_empty() {
            b"."
        } else {
            &self.relative
        }
    }

    /// Returns the path with its leading slash, as clients see it.
    pub fn absolute(&self) -> Vec<u8> {
        let mut path = Vec::with_capacity(self.relative.len() + 1);
        path.push(b'/');
        if !self.is_root() {
            path.extend_from_slice(&self.relative);
        }
        path
    }

    /// Whether this path names the home itself, without looking at the file system.
    pub fn is_root(&self) -> bool {
        matches!(self.relative.as_slice(), b"" | b".")
    }

    /// Returns the directory part and the last component if the last component is a plain name.
    ///
    /// Returns `None` for the home, for `.` and `..` at the end and for a trailing slash: a `*at` call must never get
    /// those.
    pub fn split(&self) -> Option<(VirtualPath, &[u8])> {
        let mut parts = self.relative.rsplitn(2, |&b| b == b'/');
        let name = parts.next().unwrap_or_default();
        let parent = parts.next().unwrap_or_default();
        if name.is_empty() || name == b"." || name == b".." {
            return None;
        }
        let parent = VirtualPath {
            relative: parent.to_vec(),
        };
        Some((parent, name))
    }

    /// Returns this path without a trailing slash.
    #[must_use]
    pub fn without_slash(&self) -> Self {
        let relative = self.relative.strip_suffix(b"/").unwrap_or(&self.relative);
        Self {
            relative: relative.to_vec(),
        }
    }

    /// Whether the client ended the path with a component `.`.
    pub fn ends_in_dot(&self) -> bool {
        self.relative == b"." || self.relative.ends_with(b"/.")
    }

    /// Returns the path without `.`, `..` and a trailing slash. The result is correct only if no component is a
    /// symbolic link.
    #[must_use]
    pub fn without_dots(&self) -> Self {
        let mut kept: Vec<&[u8]> = Vec::new();
        for component in self.relative.split(|&b| b == b'/') {
            match component {
                b"" | b"." => {}
                b".." => {
                    kept.pop();
                }
                name => kept.push(name),
            }
        }
        Self {
            relative: kept.join(&b'/'),
        }
    }

    /// Returns the path without what the client wrote behind its last name: `/`, `/.`, or both.
    #[must_use]
    pub fn without_tail(&self) -> Self {
        let mut relative = self.relative.as_slice();
        while let Some(shorter) = relative.strip_suffix(b"/").or(relative.strip_suffix(b"/.")) {
            relative = shorter;
        }
        Self {
            relative: match relative {
                b"." => Vec::new(),
                name => name.to_vec(),
            },
        }
    }

    /// Whether a component of the path is `..`.
    pub fn has_up(&self) -> bool {
        self.relative
            .split(|&b| b == b'/')
            .any(|component| component == b"..")
    }

    /// Returns the components of the path. A last one that is empty or `.` is what the client wrote behind the last name.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.relative.split(|&b| b == b'/')
    }

    /// Returns the names in the path, and `..`: the components without an empty one and `.` at the end.
    pub fn names(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.components().filter(|name| !matches!(*name, b"" | b"."))
    }

    /// Splits the path into its first component and what is below it. The rest keeps what the client wrote at the end;
    /// without a rest, it is the root.
    ///
    /// Returns `None` for the home, and if the first component is `..`.
    pub fn split_first(&self) -> Option<(&[u8], VirtualPath)> {
        let mut parts = self.relative.splitn(2, |&b| b == b'/');
        let first = parts.next().unwrap_or_default();
        if matches!(first, b"" | b"." | b"..") {
            return None;
        }
        let relative = parts.next().unwrap_or_default().to_vec();
        Some((first, VirtualPath { relative }))
    }

    /// Returns the path of this one seen from above a directory that has this name.
    ///
    /// # Errors
    /// Returns an error if it is too long for the kernel.
    pub fn below(&self, name: &[u8]) -> Result<VirtualPath, PathError> {
        Self::parse(&[name, &b"/"[..], &self.relative[..]].concat()).map(|path| {
            match self.relative.is_empty() {
                true => path.without_slash(),
                false => path,
            }
        })
    }

    /// Whether the client ended the path with a slash, which asks for a directory.
    pub fn has_slash(&self) -> bool {
        self.relative.ends_with(b"/")
    }
}

/// Formats the path for a log line: control characters and bytes that are not UTF-8 are escaped.
impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.absolute().escape_ascii())
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], relative: &[u8]) {
        let path = VirtualPath::parse(raw).unwrap();
        assert_eq!(path.relative(), relative, "for {}", raw.escape_ascii());
    }

    #[test]
    fn paths_are_made_absolute_and_little_else() {
        check(b"", b".");
        check(b".", b".");
        check(b"/", b".");
        check(b"./", b".");
        check(b"//a//b", b"a/b");
        check(b"a/./b", b"a/b");
        check(b"a/", b"a/");
        check(b"a/.", b"a/.");
        check(b"a/./.", b"a/.");
        check(b"a//", b"a/");
        check(b"../x", b"../x");
        check(b"/a/../b/..", b"a/../b/..");
        check(b"caf\xe9", b"caf\xe9");
    }

    #[test]
    fn only_plain_last_names_can_be_split_off() {
        let split = |raw: &[u8]| {
            VirtualPath::parse(raw)
                .unwrap()
                .split()
                .map(|(parent, name)| (parent.relative().to_vec(), name.to_vec()))
        };
        assert_eq!(split(b"/a/b"), Some((b"a".to_vec(), b"b".to_vec())));
        assert_eq!(split(b"b"), Some((b".".to_vec(), b"b".to_vec())));
        assert_eq!(split(b"../b"), Some((b"..".to_vec(), b"b".to_vec())));
        assert_eq!(split(b"/"), None);
        assert_eq!(split(b"a/"), None);
        assert_eq!(split(b"a/.."), None);
        assert_eq!(split(b"a/."), None);
        assert_eq!(split(b".."), None);
    }

    #[test]
    fn the_home_remembers_a_dot() {
        for (raw, dot) in [
            (&b""[..], false),
            (b"/", false),
            (b".", true),
            (b"/.", true),
            (b"/./.", true),
            (b"./", false),
        ] {
            let path = VirtualPath::parse(raw).unwrap();
            assert!(path.is_root());
            assert_eq!(path.ends_in_dot(), dot, "{}", raw.escape_ascii());
            assert_eq!(path.absolute(), b"/");
            assert_eq!(path.without_tail(), VirtualPath::root());
            assert_eq!(path.without_dots(), VirtualPath::root());
        }
    }

    #[test]
    fn dots_can_be_taken_away() {
        let check = |raw: &[u8], dots: &[u8], tail: &[u8]| {
            let path = VirtualPath::parse(raw).unwrap();
            assert_eq!(path.without_dots().relative(), dots, "{path}");
            assert_eq!(path.without_tail().relative(), tail, "{path}");
        };
        check(b"a/b", b"a/b", b"a/b");
        check(b"a/", b"a", b"a");
        check(b"a/.", b"a", b"a");
        check(b"a/../b/", b"b", b"a/../b");
        check(b"../a/..", b".", b"../a/..");
    }

    #[test]
    fn a_first_component_can_be_split_off_and_put_back() {
        let check = |raw: &[u8], first: &[u8], rest: &[u8]| {
            let path = VirtualPath::parse(raw).unwrap();
            let (name, below) = path.split_first().unwrap();
            assert_eq!((name, below.relative()), (first, rest), "{path}");
            let name = name.to_vec();
            assert_eq!(below.below(&name).unwrap().without_slash(), path.without_slash());
        };
        check(b"/a/b/c", b"a", b"b/c");
        check(b"/a", b"a", b".");
        check(b"/a/b/", b"a", b"b/");
        check(b"/a/.", b"a", b".");
        for raw in [&b"/"[..], b".", b"../a"] {
            assert_eq!(VirtualPath::parse(raw).unwrap().split_first(), None);
        }
        assert!(VirtualPath::parse(b"a/../b").unwrap().has_up());
        assert!(!VirtualPath::parse(b"a/..b/.").unwrap().has_up());
    }

    #[test]
    fn names_are_what_lies_between_slashes() {
        let check = |raw: &[u8], names: &[&[u8]]| {
            let path = VirtualPath::parse(raw).unwrap();
            assert_eq!(path.names().collect::<Vec<_>>(), names, "{path}");
        };
        for root in [&b""[..], b"/", b".", b"/."] {
            check(root, &[]);
        }
        for two in [&b"/a/b"[..], b"a/b/", b"a//b/."] {
            check(two, &[&b"a"[..], b"b"]);
        }
        check(b"a/../b", &[&b"a"[..], b"..", b"b"]);
    }

    #[test]
    fn impossible_paths_are_refused() {
        assert_eq!(VirtualPath::parse(b"a\0b"), Err(PathError::Nul));
        assert_eq!(VirtualPath::parse(&[b'a'; 4096]), Err(PathError::TooLong));
        assert!(VirtualPath::parse(&[b'a'; 4095]).is_ok());
    }
}
