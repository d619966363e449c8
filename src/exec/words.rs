//! A command line into words, as a POSIX shell does it (Shell Command Language, 2.2 and 2.6), without anything that
//! would run something: no substitution of commands, no redirection, no background, no sequence but `&&`.

/// Longest command line. Linux takes 128 KiB for one argument of a shell.
const MAX_LINE: usize = 128 * 1024;

/// Words of a line: more than anybody types, and few enough to be looked at one by one.
const MAX_WORDS: usize = 1024;

/// A word, and which of its bytes were quoted: those stand for themselves in patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    bytes: Vec<u8>,
    quoted: Vec<bool>,
    /// Where it begins in the line.
    pub start: usize,
}

/// What a line is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word.
    Word(Word),
    /// `&&`
    And,
    /// `|`
    Pipe,
}

/// Why a line is not run. The sentences are for the client's terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A quote, or a backslash, has no other half.
    #[error("the command line ends inside a quotation")]
    Unclosed,
    /// Only a shell could do that.
    #[error("this server has no shell: {0:?} means nothing here (hint: quote it if it belongs to a name)")]
    Operator(char),
    /// Longer than any shell would take.
    #[error("the command line is longer than {} KiB", MAX_LINE / 1024)]
    TooLong,
    /// Likewise.
    #[error("the command line has more than {MAX_WORDS} words")]
    TooMany,
    /// No name can hold it.
    #[error("the command line contains a NUL byte")]
    Nul,
    /// There is no such program.
    #[error(
        "{0:?} is no command of this server, which has no shell; it knows scp, md5sum, sha1sum, sha256sum, sha512sum, df, pwd, cd, echo, and SFTP"
    )]
    Unknown(String),
    /// Programs are put together in a way that is not known.
    #[error(
        "this server has no shell: only `cd DIRECTORY && COMMAND` and `df … | awk '{{print $N}}'` are understood"
    )]
    Composition,
}

impl Word {
    /// What it says.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its bytes, each with whether it was quoted.
    pub fn marked(&self) -> impl Iterator<Item = (u8, bool)> + '_ {
        self.bytes.iter().copied().zip(self.quoted.iter().copied())
    }

    fn push(&mut self, byte: u8, quoted: bool) {
        self.bytes.push(byte);
        self.quoted.push(quoted);
    }
}

/// Splits a line. `variable` tells the value of a parameter; what is not set is empty.
///
/// # Errors
/// When the line asks for what only a shell could do.
pub fn split(line: &[u8], variable: &dyn Fn(&[u8]) -> Vec<u8>) -> Result<Vec<Token>, Refused> {
    if line.len() > MAX_LINE {
        return Err(Refused::TooLong);
    }
    if line.contains(&0) {
        return Err(Refused::Nul);
    }
    let mut splitter = Splitter {
        rest: line.trim_ascii_end(),
        length: line.trim_ascii_end().len(),
        variable,
        word: None,
        tokens: Vec::new(),
    };
    // A space that was escaped is no end.
    if splitter.rest.ends_with(b"\\") && line.len() > splitter.rest.len() {
        splitter.length += 1;
        splitter.rest = line.get(..splitter.length).unwrap_or(line);
    }
    while let Some(byte) = splitter.next() {
        splitter.take(byte)?;
    }
    splitter.end_word();
    match splitter.tokens.len() {
        ..=MAX_WORDS => Ok(splitter.tokens),
        _ => Err(Refused::TooMany),
    }
}

struct Splitter<'a> {
    rest: &'a [u8],
    length: usize,
    variable: &'a dyn Fn(&[u8]) -> Vec<u8>,
    word: Option<Word>,
    tokens: Vec<Token>,
}

impl Splitter<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        match self.rest.strip_prefix(&[byte]) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The word that the byte just read belongs to.
    fn word(&mut self) -> &mut Word {
        let start = self.length - self.rest.len() - 1;
        self.word.get_or_insert_with(|| Word {
            start,
            ..Word::default()
        })
    }

    fn end_word(&mut self) {
        self.tokens.extend(self.word.take().map(Token::Word));
    }

    fn take(&mut self, byte: u8) -> Result<(), Refused> {
        match byte {
            b' ' | b'\t' => self.end_word(),
            b'\\' => {
                self.word();
                match self.next().ok_or(Refused::Unclosed)? {
                    b'\n' => {}
                    escaped => self.word().push(escaped, true),
                }
            }
            b'\'' => {
                self.word();
                let end = self.rest.iter().position(|&b| b == b'\'');
                let (inside, rest) = end
                    .and_then(|end| self.rest.split_at_checked(end))
                    .ok_or(Refused::Unclosed)?;
                inside.iter().for_each(|&b| self.word().push(b, true));
                self.rest = rest.get(1..).unwrap_or_default();
            }
            b'"' => {
                self.word();
                self.double_quotes()?;
            }
            b'$' => self.parameter(false)?,
            b'&' if self.skip_if(b'&') => {
                self.end_word();
                self.tokens.push(Token::And);
            }
            b'|' if !self.rest.starts_with(b"|") && !self.rest.starts_with(b"&") => {
                self.end_word();
                self.tokens.push(Token::Pipe);
            }
            b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' | b'`' | b'\n' => {
                return Err(Refused::Operator(char::from(byte)));
            }
            other => self.word().push(other, false),
        }
        Ok(())
    }

    fn double_quotes(&mut self) -> Result<(), Refused> {
        loop {
            match self.next().ok_or(Refused::Unclosed)? {
                b'"' => return Ok(()),
                b'`' => return Err(Refused::Operator('`')),
                b'$' => self.parameter(true)?,
                b'\\' => match self.next().ok_or(Refused::Unclosed)? {
                    b'\n' => {}
                    escaped @ (b'$' | b'`' | b'"' | b'\\') => self.word().push(escaped, true),
                    other => {
                        self.word().push(b'\\', true);
                        self.word().push(other, true);
                    }
                },
                other => self.word().push(other, true),
            }
        }
    }

    /// `$NAME` and `${NAME}`; a `$` before anything else stands for itself.
    fn parameter(&mut self, quoted: bool) -> Result<(), Refused> {
        let braces = self.skip_if(b'{');
        let is_name = |&b: &u8| b.is_ascii_alphanumeric() || b == b'_';
        let length = self.rest.iter().take_while(|b| is_name(b)).count();
        let (name, rest) = self.rest.split_at(length);
        if braces && (name.is_empty() || !rest.starts_with(b"}"))
            || !braces && rest.starts_with(b"(") && name.is_empty()
        {
            return Err(Refused::Operator('$'));
        }
        if name.is_empty() {
            self.word().push(b'$', true);
            return Ok(());
        }
        let value = (self.variable)(name);
        // An unquoted parameter that is empty makes no word of its own.
        if quoted || !value.is_empty() {
            self.word();
        }
        self.rest = rest.get(usize::from(braces)..).unwrap_or_default();
        for byte in value {
            self.word().push(byte, true);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Result<Vec<String>, Refused> {
        let variable = |name: &[u8]| {
            if name == b"HOME" {
                b"/".to_vec()
            } else {
                Vec::new()
            }
        };
        let tokens = split(line, &variable)?;
        Ok(tokens
            .into_iter()
            .map(|token| match token {
                Token::Word(word) => word.bytes().escape_ascii().to_string(),
                Token::And => "<and>".into(),
                Token::Pipe => "<pipe>".into(),
            })
            .collect())
    }

    #[test]
    fn lines_are_split_as_a_shell_splits_them() {
        let check = |line: &str, expected: &[&str]| {
            assert_eq!(words(line.as_bytes()).unwrap(), expected, "{line}");
        };
        check("", &[]);
        check("  md5sum \t a  b ", &["md5sum", "a", "b"]);
        check(r"md5sum /p\ q", &["md5sum", "/p q"]);
        check(r"md5sum p\ ", &["md5sum", "p "]);
        check(r#"scp -t 'it'"'"'s'"#, &["scp", "-t", "it\\'s"]);
        check(
            r#"echo "a $HOME\n \" \$x" '$HOME'"#,
            &["echo", r#"a /\\n \" $x"#, "$HOME"],
        );
        check("echo ${ShellId}%ComSpec%", &["echo", "%ComSpec%"]);
        check("scp -f ${nothing}", &["scp", "-f"]);
        check("scp -f \"${nothing}\" ''", &["scp", "-f", "", ""]);
        check("cd a&&pwd", &["cd", "a", "<and>", "pwd"]);
        check(
            "df -Pk / | awk '{print $3, $4}'",
            &["df", "-Pk", "/", "<pipe>", "awk", "{print $3, $4}"],
        );
        check("echo a$ $/ {b} ~", &["echo", "a$", "$/", "{b}", "~"]);
        check("echo 'a\nb'", &["echo", "a\\nb"]);
        assert_eq!(words(b"md5sum caf\xe9").unwrap(), ["md5sum", "caf\\xe9"]);
    }

    #[test]
    fn what_only_a_shell_can_do_is_refused() {
        let check = |line: &str, expected: Refused| {
            assert_eq!(words(line.as_bytes()), Err(expected), "{line}");
        };
        for line in ["echo 'a", "echo \"a", "echo a\\", "echo \"a\\"] {
            check(line, Refused::Unclosed);
        }
        for (line, operator) in [
            ("a; b", ';'),
            ("a & b", '&'),
            ("a || b", '|'),
            ("a |& b", '|'),
            ("echo `id`", '`'),
            ("echo \"`id`\"", '`'),
            ("echo $(id)", '$'),
            ("echo \"$(id)\"", '$'),
            ("echo ${x:-y}", '$'),
            ("echo ${}", '$'),
            ("a > b", '>'),
            ("a < b", '<'),
            ("(a)", '('),
            ("a\nb", '\n'),
        ] {
            check(line, Refused::Operator(operator));
        }
        check("a\0b", Refused::Nul);
        check(&"x".repeat(MAX_LINE + 1), Refused::TooLong);
        check(&"x ".repeat(MAX_WORDS + 1), Refused::TooMany);
        assert_eq!(
            words("x ".repeat(MAX_WORDS).as_bytes()).map(|w| w.len()),
            Ok(MAX_WORDS)
        );
    }

    #[test]
    fn a_word_knows_where_it_begins() {
        let tokens = split(b"scp -t  'my' file", &|_| Vec::new()).unwrap();
        let starts: Vec<usize> = tokens
            .iter()
            .map(|token| match token {
                Token::Word(word) => word.start,
                Token::And | Token::Pipe => usize::MAX,
            })
            .collect();
        assert_eq!(starts, [0, 4, 8, 13]);
    }
}
