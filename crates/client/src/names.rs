//! Names and paths on the server: which names may become local, how paths are joined, and what `~` and `..` mean. It
//! lists no directories.

use std::borrow::Cow;

/// Whether a name that a server sends may become one component of a local path. A malicious server could send
/// `../../.ssh/authorized_keys`, and the file would be written there.
pub fn is_single_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && !name.contains(&b'/') && !name.contains(&0)
}

/// Joins a directory and a path. An absolute path stands for itself.
pub fn join(directory: &[u8], path: &[u8]) -> Vec<u8> {
    match (directory, path) {
        (_, [b'/', ..]) => path.to_vec(),
        (_, []) => directory.to_vec(),
        ([], _) => path.to_vec(),
        ([.., b'/'], _) => [directory, path].concat(),
        _ => [directory, b"/", path].concat(),
    }
}

/// Joins a directory and a path as [`join`] does, but drops leading `./`, and `.` stands for the directory.
pub fn resolve(directory: &[u8], mut path: &[u8]) -> Vec<u8> {
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    join(directory, if path == b"." { b"" } else { path })
}

/// The rest of a path that begins at the home directory: what stands behind `~/`, and nothing for `~` itself. It is
/// `None` for other paths.
pub fn below_home(path: &[u8]) -> Option<&[u8]> {
    match path {
        b"~" => Some(b""),
        _ => path.strip_prefix(b"~/"),
    }
}

/// The last component of a path, without slashes behind it. It is empty for `/` and for a path that ends in `..`.
pub fn last(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let path = path.get(..end).unwrap_or_default();
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    if is_single_name(name) { name } else { b"" }
}

/// The path of the directory that holds the last component, without a slash at its end. It is empty if the path has one
/// component only.
pub fn parent(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |at| at + 1);
    let path = path.get(..end).unwrap_or_default();
    match path.iter().rposition(|b| *b == b'/') {
        None => b"",
        Some(0) => b"/",
        Some(at) => path.get(..at).unwrap_or_default(),
    }
}

/// An absolute path in the form that scripts see: without empty parts and `.`, and without a slash at its end. `..` stays,
/// because only the server knows where it leads. A relative path stays as it is.
pub fn tidy(path: &[u8]) -> Cow<'_, [u8]> {
    let Some(below) = path.strip_prefix(b"/") else {
        return Cow::Borrowed(path);
    };
    let is_tidy = |part: &[u8]| !matches!(part, b"" | b".");
    if below.is_empty() || below.split(|byte| *byte == b'/').all(is_tidy) {
        return Cow::Borrowed(path);
    }
    let parts: Vec<&[u8]> = below
        .split(|byte| *byte == b'/')
        .filter(|part| is_tidy(part))
        .collect();
    Cow::Owned([b"/", &parts.join(&b'/')[..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_component_is_a_valid_name() {
        for name in [&b""[..], b".", b"..", b"../x", b"/etc/passwd", b"a/b", b"a\0b"] {
            assert!(!is_single_name(name), "{name:?}");
        }
        for name in [&b"a"[..], b"...", b".ssh", b"a b", b"\x1b[2J", b"\xff"] {
            assert!(is_single_name(name), "{name:?}");
        }
    }

    #[test]
    fn an_absolute_path_has_one_form() {
        for (path, expected) in [
            (&b"/"[..], &b"/"[..]),
            (b"//", b"/"),
            (b"/.", b"/"),
            (b"/a", b"/a"),
            (b"/a/", b"/a"),
            (b"//a/./b//", b"/a/b"),
            (b"/a/../b", b"/a/../b"),
            (b"/..", b"/.."),
            (b"/a/.b/b.", b"/a/.b/b."),
            (b"a//b/", b"a//b/"),
            (b".", b"."),
            (b"./-", b"./-"),
            (b"-", b"-"),
            (b"", b""),
        ] {
            assert_eq!(&*tidy(path), expected, "{path:?}");
        }
    }

    #[test]
    fn paths_are_joined_and_split() {
        for (directory, path, joined) in [
            (&b"/a"[..], &b"b"[..], &b"/a/b"[..]),
            (b"/", b"b", b"/b"),
            (b"/a", b"/b", b"/b"),
            (b"", b"b", b"b"),
            (b"a", b"", b"a"),
        ] {
            assert_eq!(join(directory, path), joined);
            assert_eq!(resolve(directory, path), joined);
        }
        for (path, resolved) in [
            (&b"."[..], &b"/a"[..]),
            (b"./b", b"/a/b"),
            (b"././", b"/a"),
            (b".b", b"/a/.b"),
            (b"../b", b"/a/../b"),
        ] {
            assert_eq!(resolve(b"/a", path), resolved);
        }
        for (path, name, above) in [
            (&b"/a/b"[..], &b"b"[..], &b"/a"[..]),
            (b"/a/b//", b"b", b"/a"),
            (b"/a", b"a", b"/"),
            (b"a", b"a", b""),
            (b"/", b"", b""),
            (b"a/..", b"", b"a"),
            (b"", b"", b""),
        ] {
            assert_eq!((last(path), parent(path)), (name, above), "{path:?}");
        }
    }
}
