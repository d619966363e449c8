//! The lines of an ssh_config: keyword and arguments. It does not know what a keyword means.

/// One line of a configuration that is neither blank nor a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigLine {
    /// The number of the line, counted from 1.
    pub number: usize,
    /// The keyword, in lower case.
    pub keyword: String,
    /// The arguments, without their quotes.
    pub arguments: Vec<String>,
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableLine {
    /// The number of the line, counted from 1.
    pub number: usize,
    /// Why it cannot be read.
    pub reason: &'static str,
}

/// Reads all lines but blank ones and comments.
///
/// # Errors
/// At the first quote that does not end.
pub fn lines(text: &str) -> Result<Vec<ConfigLine>, UnreadableLine> {
    let numbered = (1..).zip(text.trim_start_matches('\u{feff}').lines());
    let read = numbered
        .map(|(number, line)| one_line(number, line).map_err(|reason| UnreadableLine { number, reason }));
    read.filter_map(Result::transpose).collect()
}

fn one_line(number: usize, line: &str) -> Result<Option<ConfigLine>, &'static str> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line
        .find(|c: char| c.is_whitespace() || c == '=')
        .unwrap_or(line.len());
    let (keyword, rest) = line.split_at_checked(end).unwrap_or((line, ""));
    // One `=` may stand between keyword and arguments, with blanks around it.
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok(Some(ConfigLine {
        number,
        keyword: keyword.to_ascii_lowercase(),
        arguments: words(rest)?,
    }))
}

/// Splits arguments at blanks. Quotes keep blanks, a backslash keeps a quote, a backslash or a blank, and `#` ends the
/// line.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => found.extend(word.take()),
            (None, '#') if word.is_none() => break,
            (_, '\\') => {
                let kept =
                    |next: &char| matches!(next, '"' | '\'' | '\\') || (quote.is_none() && *next == ' ');
                word.get_or_insert_default()
                    .push(chars.next_if(kept).unwrap_or('\\'));
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote does not end");
    }
    found.extend(word);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_arguments() {
        for (text, keyword, arguments) in [
            ("Host a b", "host", &["a", "b"][..]),
            ("  PORT 22  ", "port", &["22"]),
            ("Port=22", "port", &["22"]),
            ("Port = 22", "port", &["22"]),
            ("Port =22", "port", &["22"]),
            ("User\tx", "user", &["x"]),
            ("IdentityFile \"a b\" 'c d'", "identityfile", &["a b", "c d"]),
            ("IdentityFile a\\ b\"c d\"e", "identityfile", &["a bc de"]),
            ("X a\\\\b \\n \"q\\\"q\"", "x", &["a\\b", "\\n", "q\"q"]),
            ("X a # b", "x", &["a"]),
            ("X a#b", "x", &["a#b"]),
            ("X \"\"", "x", &[""]),
            ("X", "x", &[]),
            ("X a=b", "x", &["a=b"]),
        ] {
            let read = lines(text).unwrap();
            assert_eq!(read.len(), 1, "{text}");
            assert_eq!(
                (read[0].keyword.as_str(), &read[0].arguments[..]),
                (
                    keyword,
                    &arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()[..]
                ),
                "{text}"
            );
        }
    }

    #[test]
    fn numbers_count_every_line() {
        let read = lines("\u{feff}# c\n\nHost a\r\n   # d\nPort 1\n").unwrap();
        assert_eq!(read.iter().map(|l| l.number).collect::<Vec<_>>(), [3, 5]);
        assert_eq!(
            lines("A b\nX \"a"),
            Err(UnreadableLine {
                number: 2,
                reason: "a quote does not end"
            })
        );
    }
}
