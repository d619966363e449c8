//! Which names of a tree take part, and what its links stand for: rules of `--exclude` and `--include` in their order, and a list of names.
//!
//! The rules are those of rsync. The first rule that matches a name decides; a name that none matches takes part. What
//! is in an excluded directory is not looked at.

mod name_list;
mod pattern;
mod rules;

pub use name_list::NameList;
pub use pattern::{FilterPattern, PatternError};
pub use rules::{FilterFileError, FilterRule, parse_rules};

use crate::symlinks::LinkRule;
use crate::transfer::TEMPORARY_ENDING;

/// Which names of a tree take part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The rules, in the order in which they were given.
    pub rules: Vec<FilterRule>,
    /// The names to which the tree is limited. `None`: all of them.
    pub only: Option<NameList>,
    /// A directory that never takes part, with all that is in it.
    pub reserved: Option<Vec<u8>>,
    /// What the symbolic links of the source stand for.
    pub links: LinkRule,
}

impl Filter {
    /// Whether the name takes part. `path` is relative to the top of the tree.
    pub fn takes(&self, path: &[u8], is_directory: bool) -> bool {
        // A file that grows under its temporary name never takes part.
        if path.ends_with(TEMPORARY_ENDING.as_bytes()) || self.reserved.as_deref() == Some(path) {
            return false;
        }
        if let Some(only) = &self.only
            && !only.selects(path)
            && !(is_directory && only.leads_through(path))
        {
            return false;
        }
        let matching = |rule: &&FilterRule| rule.pattern.matches(path, is_directory);
        self.rules.iter().find(matching).is_none_or(|rule| rule.include)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(rules: &str) -> Filter {
        Filter {
            rules: parse_rules(rules.as_bytes()).unwrap(),
            ..Filter::default()
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let filter = filter("+ keep.tmp\n- *.tmp\n# a comment\n; another\n\ncache/\n");
        for (path, is_directory, expected) in [
            ("a.tmp", false, false),
            ("d/a.tmp", false, false),
            ("d/keep.tmp", false, true),
            ("cache", true, false),
            ("cache", false, true),
            ("d/cache", true, false),
            ("a", false, true),
            ("a.homeport.part", false, false),
        ] {
            assert_eq!(filter.takes(path.as_bytes(), is_directory), expected, "{path}");
        }
    }

    #[test]
    fn a_list_of_names_limits_the_tree() {
        let filter = Filter {
            only: Some(NameList::parse(b"a/b\n./c/\n").unwrap()),
            ..Filter::default()
        };
        for (path, is_directory, expected) in [
            ("a", true, true),
            ("a", false, false),
            ("a/b", false, true),
            ("a/b/c", false, true),
            ("a/x", false, false),
            ("a/bc", false, false),
            ("c", true, true),
            ("c/d", false, true),
            ("d", true, false),
        ] {
            assert_eq!(filter.takes(path.as_bytes(), is_directory), expected, "{path}");
        }
    }
}
