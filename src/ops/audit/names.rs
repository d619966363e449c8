//! Former names of files: what a file was called before it was renamed, so that a query finds what was done to it then.

use super::open_names::OpenNames;
use super::pattern::PathPattern;
use super::renames::{LoggedRename, RenameIndex};

/// The most former names that are listed.
const MOST_NAMES: usize = 100_000;
/// The most texts that are looked for in each line. With more, every line is parsed.
const MOST_NEEDLES: usize = 16;
/// The most paths that are compared with each rename to find those names.
const MOST_SOURCES: usize = 256;

/// A name that a file had before it got the one that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormerName {
    /// The former path.
    pub path: Vec<u8>,
    /// The path that it was renamed to.
    pub became: Vec<u8>,
    /// The time of the rename, as it was logged.
    pub until: String,
}

/// The former names of the files that match a pattern.
#[derive(Debug, Default)]
pub(super) struct FormerNames {
    names: Vec<FormerName>,
    needles: Vec<Vec<u8>>,
    renames: RenameIndex,
}

impl FormerNames {
    /// Follows the renames, of which the last one is the newest, back from the names that match the pattern.
    pub fn of(pattern: &PathPattern, renames: Vec<LoggedRename>) -> Self {
        Self {
            names: Lineage::of(pattern, &renames).names,
            needles: needles(pattern, &renames).unwrap_or_default(),
            renames: RenameIndex::new(renames),
        }
    }

    /// Returns whether the file that had this path at this time has got a name since then that matches the pattern.
    pub fn contains(&self, pattern: &PathPattern, home: &str, path: &[u8], time: &str) -> bool {
        let is_accepted = |name: &[u8]| pattern.matches(name);
        self.renames.later_name(home, path, time, is_accepted)
    }

    /// Returns the former names, the newest first.
    pub fn list(&self) -> &[FormerName] {
        &self.names
    }

    /// Returns whether a file was renamed more often than it was followed.
    pub fn is_cut_short(&self) -> bool {
        self.renames.is_cut_short()
    }

    /// Returns the bytes of which every line in question has some; empty if that is not known.
    pub fn needles(&self) -> &[Vec<u8>] {
        &self.needles
    }
}

/// The names that the files in question had, while older and older renames are examined.
#[derive(Default)]
struct Lineage {
    names: Vec<FormerName>,
    /// The names before which there may be others.
    open: OpenNames,
}

impl Lineage {
    fn of(pattern: &PathPattern, renames: &[LoggedRename]) -> Self {
        let mut lineage = Self::default();
        for rename in renames.iter().rev() {
            lineage.follow(pattern, rename);
            if lineage.names.len() >= MOST_NAMES {
                break;
            }
        }
        lineage
    }

    fn follow(&mut self, pattern: &PathPattern, rename: &LoggedRename) {
        let LoggedRename { home, from, to, .. } = rename;
        // Another file was moved away from a name, so the file in question got it later.
        self.open.remove(home, from);
        let is_known = self.open.remove(home, to);
        // Either a file that matches, or the directory of those that do.
        let is_asked_for = pattern.matches(to) && !pattern.matches(from);
        let is_above = pattern.exact().is_none() && pattern.begins_with(to);
        if is_known || is_asked_for || is_above {
            self.add(rename, to);
        }
        // A directory was renamed above a name.
        if let Some(exact) = pattern.exact()
            && exact
                .strip_prefix(&to[..])
                .is_some_and(|rest| rest.starts_with(b"/"))
        {
            self.add(rename, exact);
        }
        let most = MOST_NAMES.saturating_sub(self.names.len());
        for known in self.open.take_below(home, to, most) {
            self.add(rename, &known);
        }
    }

    /// Adds what a path, which is that of a rename's target or lies below it, was called before.
    fn add(&mut self, rename: &LoggedRename, became: &[u8]) {
        let inside = became.get(rename.to.len()..).unwrap_or_default();
        let path = [&rename.from[..], inside].concat();
        self.open.insert(&rename.home, path.clone());
        self.names.push(FormerName {
            path,
            became: became.to_vec(),
            until: rename.time.clone(),
        });
    }
}

/// Returns texts of which every line about a file in question has one; `None` if there are too many, or one is empty.
///
/// A file in question matches the pattern, or was renamed until it did: itself, or a directory above it. What a directory's
/// rename leaves alone is the last name of the path. So a line has the text that is part of every last name that matches, or
/// it has a path from which something was renamed to, above or below a path in question.
fn needles(pattern: &PathPattern, renames: &[LoggedRename]) -> Option<Vec<Vec<u8>>> {
    let are_moved_below = renames.iter().any(|rename| pattern.may_match_below(&rename.to));
    let all_last_names = pattern.last_needle().is_empty();
    let own = match are_moved_below && !all_last_names {
        true => pattern.last_needle(),
        false => pattern.needle(),
    };
    if own.is_empty() {
        return None;
    }
    let mut needles = vec![own.to_vec()];
    let own_finder = memchr::memmem::Finder::new(own);
    let mut sources: Vec<&[u8]> = Vec::new();
    for LoggedRename { from, to, .. } in renames.iter().rev() {
        let is_related = pattern.matches(to) || sources.iter().any(|source| lie_in_each_other(source, to));
        if !is_related && !pattern.may_match_below(to) {
            continue;
        }
        if !sources.contains(&&from[..]) {
            sources.push(from);
        }
        let has_own = own_finder.find(from).is_some();
        if (is_related || all_last_names) && !has_own {
            let needle = plain_part(from);
            if needle.is_empty() {
                return None;
            }
            if !needles.iter().any(|known| known == needle) {
                needles.push(needle.to_vec());
            }
        }
        if sources.len() > MOST_SOURCES || needles.len() > MOST_NEEDLES {
            return None;
        }
    }
    Some(needles)
}

/// Returns whether two paths are the same, or one lies in the other.
fn lie_in_each_other(one: &[u8], other: &[u8]) -> bool {
    let lies_in = |inner: &[u8], outer: &[u8]| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    lies_in(one, other) || lies_in(other, one)
}

/// Returns the longest part of a path that looks the same in the log.
fn plain_part(path: &[u8]) -> &[u8] {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._- /".contains(byte);
    let parts = path.split(|byte| !is_plain(byte));
    parts.max_by_key(|part| part.len()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(time: &str, from: &str, to: &str) -> LoggedRename {
        LoggedRename {
            home: "/h".to_owned(),
            from: from.into(),
            to: to.into(),
            time: time.to_owned(),
        }
    }

    /// A pattern, and the former names of what matches it.
    struct Asked {
        pattern: PathPattern,
        former: FormerNames,
    }

    impl Asked {
        fn new(pattern: &str, renames: &[LoggedRename]) -> Self {
            let pattern: PathPattern = pattern.parse().unwrap();
            Self {
                former: FormerNames::of(&pattern, renames.to_vec()),
                pattern,
            }
        }

        fn contains(&self, home: &str, path: &str, time: &str) -> bool {
            let contains = self.former.contains(&self.pattern, home, path.as_bytes(), time);
            // Such a line must not be passed over before it is parsed.
            let has = |needle: &Vec<u8>| memchr::memmem::find(path.as_bytes(), needle).is_some();
            let needles = self.former.needles();
            assert!(
                !contains || needles.is_empty() || needles.iter().any(has),
                "{path} {needles:?}"
            );
            contains
        }

        fn listed(&self) -> Vec<String> {
            let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
            let names = self.former.list().iter();
            names
                .map(|name| format!("{} was {}", text(&name.became), text(&name.path)))
                .collect()
        }
    }

    #[test]
    fn a_file_is_followed_through_its_names() {
        let renames = [
            rename("1", "/draft.pdf", "/old.pdf"),
            rename("2", "/new.part", "/draft.pdf"),
            rename("4", "/draft.pdf", "/invoice.pdf"),
            rename("5", "/draft.pdf", "/other.pdf"),
        ];
        let asked = Asked::new("/invoice.pdf", &renames);
        let check = |path: &str, time: &str, expected: bool| {
            assert_eq!(asked.contains("/h", path, time), expected, "{path} {time}");
        };
        check("/draft.pdf", "3", true);
        check("/draft.pdf", "4", true);
        // Another file had the name after and before.
        check("/draft.pdf", "5", false);
        check("/draft.pdf", "1", false);
        check("/new.part", "1", true);
        check("/new.part", "3", false);
        check("/old.pdf", "1", false);
        assert!(!asked.contains("/another home", "/draft.pdf", "3"));
        assert_eq!(
            asked.listed(),
            ["/invoice.pdf was /draft.pdf", "/draft.pdf was /new.part"]
        );
    }

    #[test]
    fn a_file_is_followed_through_renamed_directories() {
        let renames = [
            rename("1", "/a", "/b"),
            rename("2", "/b/x", "/b/y"),
            rename("3", "/b", "/c"),
        ];
        let asked = Asked::new("/c/y", &renames);
        assert!(asked.contains("/h", "/b/y", "2"));
        assert!(asked.contains("/h", "/b/x", "1"));
        assert!(asked.contains("/h", "/a/x", "0"));
        assert!(!asked.contains("/h", "/a/y", "0"));
    }

    #[test]
    fn patterns_follow_each_file_that_matches() {
        let renames = [
            rename("1", "/1.part", "/1.pdf"),
            rename("2", "/2.part", "/2.txt"),
            rename("3", "/1.pdf", "/3.pdf"),
        ];
        let asked = Asked::new("*.pdf", &renames);
        assert!(asked.contains("/h", "/1.part", "0"));
        assert!(!asked.contains("/h", "/2.part", "0"));
    }

    #[test]
    fn patterns_follow_renamed_directories() {
        let renames = [
            rename("1", "/d/x.part", "/d/x.pdf"),
            rename("2", "/d", "/old"),
            rename("3", "/new", "/d"),
            rename("4", "/d", "/exchange"),
            rename("5", "/exchange/y", "/exchange/z.pdf"),
            rename("6", "/exchange", "/d"),
            rename("7", "/other", "/elsewhere"),
        ];
        let check = |pattern: &str, path: &str, time: &str, expected: bool| {
            let asked = Asked::new(pattern, &renames);
            assert_eq!(
                asked.contains("/h", path, time),
                expected,
                "{pattern} {path} {time}"
            );
        };
        for pattern in ["/exchange/**", "/exchange/*", "/exchange/*.pdf", "exchange/*.pdf"] {
            // The directory that had the name before is another one.
            check(pattern, "/d/x.pdf", "1", false);
            check(pattern, "/d/x.part", "0", false);
            check(pattern, "/new/x.pdf", "2", true);
            check(pattern, "/d/x.pdf", "3", true);
            check(pattern, "/new/y", "2", true);
            check(pattern, "/other/x.pdf", "2", false);
            // It has the name no longer, and was named so before.
            check(pattern, "/d/x.pdf", "6.5", false);
            assert!(!Asked::new(pattern, &renames).former.contains(
                &pattern.parse().unwrap(),
                "/another home",
                b"/new/x.pdf",
                "2"
            ));
        }
        check("/exchange/**", "/new/deep/x.txt", "2", true);
        check("/exchange/*", "/new/deep/x.txt", "2", false);
        check("/exchange/*.pdf", "/new/x.txt", "2", false);
        check("/old/*.pdf", "/d/x.part", "0", true);
        // Back to a name that it had before: what was done under the one between belongs to it.
        check("/d/**", "/exchange/x", "5", true);
        check("/d/**", "/exchange/y", "4.5", true);
        check("/d/z.pdf", "/new/y", "2", true);
        let asked = Asked::new("/exchange/*.pdf", &renames);
        assert_eq!(
            asked.listed(),
            [
                "/exchange/z.pdf was /exchange/y",
                "/exchange was /d",
                "/exchange/y was /d/y",
                "/d was /new",
                "/d/y was /new/y",
            ]
        );
    }

    #[test]
    fn of_many_renames_no_line_is_passed_over() {
        let renames: Vec<LoggedRename> = (0..1000)
            .map(|number| rename("1", &format!("/{number}"), &format!("/in/{number}")))
            .collect();
        let asked = Asked::new("/in/*", &renames);
        assert!(asked.former.needles().is_empty());
        assert!(asked.contains("/h", "/7", "0"));
        assert_eq!(asked.listed().len(), 1000);
    }

    #[test]
    fn a_renamed_directory_is_found_above_any_number_of_names() {
        let mut renames: Vec<LoggedRename> = (0..3000)
            .map(|number| rename("1", &format!("/d/{number}.part"), &format!("/d/{number}.pdf")))
            .collect();
        renames.insert(0, rename("0", "/new", "/d"));
        let asked = Asked::new("*.pdf", &renames);
        let listed = asked.listed();
        assert_eq!(listed.len(), 6000);
        assert_eq!(listed[5999], "/d/999.part was /new/999.part");
    }

    #[test]
    fn what_a_rename_costs_does_not_grow_with_the_names_that_are_followed() {
        const FOLLOWED: usize = 900;
        const OTHERS: usize = 20_000;
        let others = (0..OTHERS).map(|at| rename("1", &format!("/x/{at}"), &format!("/y/{at}")));
        let followed = (0..FOLLOWED).map(|at| rename("2", &format!("/in/{at}"), &format!("/out/{at}.pdf")));
        let renames: Vec<LoggedRename> = others.chain(followed).collect();
        let lineage = Lineage::of(&"*.pdf".parse().unwrap(), &renames);
        assert_eq!(lineage.names.len(), FOLLOWED);
        // The source, the target, and one look below it.
        let most = 3 * renames.len();
        assert!(lineage.open.examined <= most, "{}", lineage.open.examined);
    }
}
