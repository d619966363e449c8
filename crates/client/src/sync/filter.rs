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
    /// The directory of the target that holds its backups, and never takes part. The source must not have it.
    pub reserved: Option<Vec<u8>>,
    /// What the symbolic links of the source stand for.
    pub links: LinkRule,
}

/// Whether a name takes part, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Participation {
    /// The name takes part.
    TakesPart,
    /// An option of the user leaves the name out.
    Excluded,
    /// The name is one under which an upload grows. No option leaves it out, so the user has to be told.
    Temporary,
}

impl Filter {
    /// Whether the name takes part. `path` is relative to the top of the tree.
    pub fn participation(&self, path: &[u8], is_directory: bool) -> Participation {
        match self.selects(path, is_directory) {
            false => Participation::Excluded,
            true if path.ends_with(TEMPORARY_ENDING.as_bytes()) => Participation::Temporary,
            true => Participation::TakesPart,
        }
    }

    /// Whether the options of the user take the name.
    fn selects(&self, path: &[u8], is_directory: bool) -> bool {
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
        ] {
            assert_eq!(filter.selects(path.as_bytes(), is_directory), expected, "{path}");
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
            assert_eq!(filter.selects(path.as_bytes(), is_directory), expected, "{path}");
        }
    }

    #[test]
    fn a_temporary_name_is_told_from_one_that_an_option_leaves_out() {
        for (rules, path, expected) in [
            ("", "a", Participation::TakesPart),
            ("", "d/a.homeport.part", Participation::Temporary),
            ("+ *.part", "d/a.homeport.part", Participation::Temporary),
            ("*.part", "d/a.homeport.part", Participation::Excluded),
            ("a", "a", Participation::Excluded),
        ] {
            let found = filter(rules).participation(path.as_bytes(), false);
            assert_eq!(found, expected, "{rules:?} {path}");
        }
    }
}
