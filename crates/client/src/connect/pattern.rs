//! Patterns of ssh(1): `*`, `?`, lists with `!`, and the file names that an `Include` stands for.

use std::path::{Component, Path, PathBuf};

/// Does the whole text match the pattern, `*` being any run of characters and `?` any single one?
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when a `*` has to take one character more.
    let mut again: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                again = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') => {}
            Some(byte) if text.get(t) == Some(byte) => {}
            _ => {
                let Some((after_star, taken)) = again else {
                    return false;
                };
                again = Some((after_star, taken + 1));
                (p, t) = (after_star, taken + 1);
                continue;
            }
        }
        p += 1;
        t += 1;
    }
    pattern
        .get(p..)
        .is_none_or(|rest| rest.iter().all(|b| *b == b'*'))
}

/// Does one of the patterns match, and none of those with a `!`?
pub fn matches_list<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(negated, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

/// The files that a path with `*` and `?` stands for, in order of their names; itself when it has neither.
pub fn files(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if matches!(component, Component::Normal(_)) && name.contains(['*', '?']) {
            found = found
                .iter()
                .flat_map(|directory| entries(directory, &name))
                .collect();
        } else {
            found.iter_mut().for_each(|path| path.push(component));
        }
    }
    found
}

fn entries(directory: &Path, pattern: &str) -> Vec<PathBuf> {
    let Ok(listing) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let names = listing.flatten().map(|entry| entry.file_name());
    let mut found: Vec<PathBuf> = names
        .filter(|name| {
            let name = name.to_string_lossy();
            // As glob(3): hidden files only when they are asked for.
            matches(pattern, &name) && (pattern.starts_with('.') || !name.starts_with('.'))
        })
        .map(|name| directory.join(name))
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("*.example.com", "www.example.com", true),
            ("*.example.com", "example.com", false),
            ("10.0.?.1", "10.0.7.1", true),
            ("10.0.?.1", "10.0.77.1", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**a", "bba", true),
            ("a?", "a", false),
            ("*aaaaaaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn a_negated_pattern_rules_out() {
        for (list, text, expected) in [
            (&["*.a", "!x.a"][..], "y.a", true),
            (&["*.a", "!x.a"], "x.a", false),
            (&["!x.a", "*.a"], "x.a", false),
            (&["!x.a"], "y.a", false),
            (&[], "y", false),
        ] {
            assert_eq!(
                matches_list(list.iter().copied(), text),
                expected,
                "{list:?} {text:?}"
            );
        }
    }

    #[test]
    fn files_in_order_and_none_that_are_hidden() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("d")).unwrap();
        for name in ["d/b.conf", "d/a.conf", "d/c.txt", "d/.h.conf"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = files(&dir.path().join(pattern));
            let found = found.iter().map(|p| p.strip_prefix(dir.path()).unwrap());
            found.map(|p| p.to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("d/*.conf"), ["d/a.conf", "d/b.conf"]);
        assert_eq!(names("?/c.*"), ["d/c.txt"]);
        assert_eq!(names("plain"), ["plain"]);
        assert!(names("nothing/*").is_empty());
    }
}
