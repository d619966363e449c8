//! The names at the top of an archive of several files and directories, which may lie in different directories.

use std::collections::{HashMap, HashSet};

/// Returns a name for each of these, in their order. A name that occurs again gets a number: `a.txt`, `a (2).txt`.
pub fn distinct_names(names: &[&[u8]]) -> Vec<Vec<u8>> {
    // A name that is there as it is keeps it, whatever numbers others get.
    let wanted: HashSet<&[u8]> = names.iter().copied().collect();
    let mut taken: HashSet<Vec<u8>> = HashSet::new();
    let mut next_numbers: HashMap<&[u8], u64> = HashMap::new();
    let mut distinct = Vec::with_capacity(names.len());
    for name in names {
        let mut chosen = name.to_vec();
        while taken.contains(&chosen) {
            let number = next_numbers.entry(*name).or_insert(2);
            chosen = numbered(name, *number);
            *number = number.saturating_add(1);
            if wanted.contains(chosen.as_slice()) {
                chosen = name.to_vec();
            }
        }
        taken.insert(chosen.clone());
        distinct.push(chosen);
    }
    distinct
}

/// Puts a number in front of the extension, or at the end of a name without one.
fn numbered(name: &[u8], number: u64) -> Vec<u8> {
    let dot = name.iter().rposition(|&byte| byte == b'.').filter(|&at| at > 0);
    let parts = name.split_at_checked(dot.unwrap_or(name.len()));
    let (stem, extension) = parts.unwrap_or((name, Default::default()));
    [stem, format!(" ({number})").as_bytes(), extension].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_names_are_the_same() {
        let check = |names: &[&str], expected: &[&str]| {
            let bytes: Vec<&[u8]> = names.iter().map(|name| name.as_bytes()).collect();
            let found = distinct_names(&bytes);
            let found: Vec<String> = found
                .into_iter()
                .map(|name| String::from_utf8(name).unwrap())
                .collect();
            assert_eq!(found, expected, "{names:?}");
        };
        check(&["a", "b"], &["a", "b"]);
        check(&["a.txt", "a.txt", "a.txt"], &["a.txt", "a (2).txt", "a (3).txt"]);
        check(&["a", "a", "a (2)"], &["a", "a (3)", "a (2)"]);
        check(
            &["a (2)", "a", "a", "a (2)"],
            &["a (2)", "a", "a (3)", "a (2) (2)"],
        );
        check(&[".rc", ".rc"], &[".rc", ".rc (2)"]);
        check(&[], &[]);
    }
}
