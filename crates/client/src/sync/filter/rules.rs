//! The lines of a file of rules (`--exclude-from`).

use super::pattern::{FilterPattern, PatternError};

/// One rule: names that match the pattern take part, or do not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRule {
    /// Whether names that match take part.
    pub include: bool,
    /// The names that the rule is about.
    pub pattern: FilterPattern,
}

/// What is wrong with a file of rules or names, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {what}")]
pub struct FilterFileError {
    /// The number of the line. The first is 1.
    pub line: usize,
    /// The number of the byte in the line. The first is 1.
    pub column: usize,
    /// What is wrong at that place.
    pub what: &'static str,
}

/// Reads rules: `- PATTERN` and a `PATTERN` alone exclude, `+ PATTERN` includes. Empty lines and those that begin with
/// `#` or `;` are comments.
///
/// # Errors
/// At the first line that is not a rule.
pub fn parse_rules(text: &[u8]) -> Result<Vec<FilterRule>, FilterFileError> {
    let mut rules = Vec::new();
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (include, pattern) = match line {
            [] | [b'#' | b';', ..] => continue,
            [b'+', b' ', pattern @ ..] => (true, pattern),
            [b'-', b' ', pattern @ ..] => (false, pattern),
            pattern => (false, pattern),
        };
        let before = line.len() - pattern.len();
        let at = |PatternError { column, what }: PatternError| FilterFileError {
            line: number,
            column: before + column,
            what,
        };
        let pattern = FilterPattern::compile(pattern).map_err(at)?;
        rules.push(FilterRule { include, pattern });
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_found_at_its_line_and_column() {
        for (text, line, column) in [
            ("a\n- b[c", 2, 4),
            ("[", 1, 1),
            ("x\r\n+ ab\\", 2, 5),
            ("+ ", 1, 3),
            ("# [\n\n  [a", 3, 3),
            ("- /", 1, 3),
            ("a/../b", 1, 3),
        ] {
            let error = parse_rules(text.as_bytes()).unwrap_err();
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
        }
        assert_eq!(parse_rules(b"a\r\n\n#b\n+ c d\n- e").unwrap().len(), 3);
    }
}
