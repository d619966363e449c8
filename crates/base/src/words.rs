//! Splits a line into words, as a POSIX shell does (Shell Command Language, 2.2 and 2.6), and quotes a word for a line.
//! It is used for the commands that clients run on the server, and for the client's own shell.
//!
//! Nothing here runs a command: there is no command substitution, no redirection, no background, and the only sequence
//! is `&&`.

#[doc(hidden)]
pub mod fuzz;

/// The longest command line, in bytes. Linux accepts 128 KiB for one argument of a shell.
const MAX_LINE: usize = 128 * 1024;

/// The most words of a line: more than a person types, and few enough to examine one by one.
const MAX_WORDS: usize = 1024;

/// A word, and which of its bytes were quoted: those are taken literally in patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    bytes: Vec<u8>,
    quoted: Vec<bool>,
    /// The offset in the line at which the word begins.
    pub start: usize,
}

/// A part of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// A word, with which of its bytes were quoted.
    Word(Word),
    /// The operator `&&`, which runs the next program if the one before it succeeds.
    And,
    /// The operator `|`, which connects the output of a program to the next one.
    Pipe,
}

/// Which characters have a special meaning in a line.
#[derive(Clone, Copy)]
pub enum Rules<'a> {
    /// Those of a shell. The function returns the value of a parameter; a parameter that is not set is empty.
    Shell(&'a dyn Fn(&[u8]) -> Vec<u8>),
    /// Only quotes and backslashes. All other characters are parts of words.
    Quotes,
}

/// Why a command line could not be split. The texts are for the terminal of the person who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SplitError {
    /// A quotation mark or a backslash is not closed.
    #[error("the command line ends inside a quotation")]
    Unclosed,
    /// The line uses an operator that only a shell supports.
    #[error("this server has no shell: {0:?} means nothing here (hint: quote it if it belongs to a name)")]
    Operator(char),
    /// The line is longer than any shell accepts.
    #[error("the command line is longer than {} KiB", MAX_LINE / 1024)]
    TooLong,
    /// The line has more words than are allowed.
    #[error("the command line has more than {MAX_WORDS} words")]
    TooMany,
    /// The line contains a NUL byte, which no file name can contain.
    #[error("the command line contains a NUL byte")]
    Nul,
}

impl Word {
    /// Returns the bytes of the word.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the bytes of the word, each with whether it was quoted.
    pub fn marked(&self) -> impl Iterator<Item = (u8, bool)> + '_ {
        self.bytes.iter().copied().zip(self.quoted.iter().copied())
    }

    /// Returns whether its first byte was quoted.
    pub fn begins_quoted(&self) -> bool {
        self.quoted.first() == Some(&true)
    }

    fn push(&mut self, byte: u8, quoted: bool) {
        self.bytes.push(byte);
        self.quoted.push(quoted);
    }
}

/// Splits a line.
///
/// # Errors
/// Returns an error if a quotation is not closed, if the line uses an operator that only a shell supports, or if it is
/// too long.
pub fn split(line: &[u8], rules: Rules<'_>) -> Result<Vec<Token>, SplitError> {
    if line.len() > MAX_LINE {
        return Err(SplitError::TooLong);
    }
    if line.contains(&0) {
        return Err(SplitError::Nul);
    }
    let mut end = line.trim_ascii_end();
    // An escaped space does not end the line.
    if end.ends_with(b"\\") && line.len() > end.len() {
        end = line.get(..=end.len()).unwrap_or(line);
    }
    let mut splitter = Splitter::new(end, rules);
    splitter.run()?;
    splitter.end_word();
    match splitter.tokens.len() {
        ..=MAX_WORDS => Ok(splitter.tokens),
        _ => Err(SplitError::TooMany),
    }
}

/// Splits a line in which only quotes have a meaning.
///
/// # Errors
/// Returns an error if a quotation is not closed, or if the line is too long.
pub fn words(line: &[u8]) -> Result<Vec<Word>, SplitError> {
    Ok(only_words(split(line, Rules::Quotes)?))
}

fn only_words(tokens: Vec<Token>) -> Vec<Word> {
    let words = tokens.into_iter().filter_map(|token| match token {
        Token::Word(word) => Some(word),
        Token::And | Token::Pipe => None,
    });
    words.collect()
}

/// A line that is still being typed, up to the cursor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialLine {
    /// The words that are complete.
    pub words: Vec<Word>,
    /// The word in or after which the cursor is. It is empty after a space.
    pub last: Word,
    /// The quotation mark that is still open.
    pub open: Option<u8>,
}

/// Splits what was typed so far. Only quotes have a meaning.
pub fn unfinished(line: &[u8]) -> PartialLine {
    let mut splitter = Splitter::new(line, Rules::Quotes);
    // With these rules, the only error is that the line is not finished.
    let _ = splitter.run();
    let last = splitter.word.take().unwrap_or(Word {
        start: line.len(),
        ..Word::default()
    });
    PartialLine {
        words: only_words(splitter.tokens),
        last,
        open: splitter.open,
    }
}

/// Quotes a word for a line, for all rules: [`words`] parses it as one word, every byte of which is quoted. `open` is
/// the quotation mark to use, which is not closed; without it, backslashes are used.
pub fn quote(word: &[u8], open: Option<u8>) -> Vec<u8> {
    let mut line = Vec::with_capacity(word.len() + 2);
    line.extend(open);
    for (at, &byte) in word.iter().enumerate() {
        match (open, byte) {
            (Some(b'\''), b'\'') => line.extend_from_slice(b"'\\''"),
            (Some(b'\''), _) => line.push(byte),
            (Some(_), b'"' | b'\\' | b'$' | b'`') => line.extend([b'\\', byte]),
            (Some(_), _) => line.push(byte),
            // A backslash before a line end would remove it.
            (None, b'\n') => line.extend_from_slice(b"'\n'"),
            (None, b'~' | b'#') if at > 0 => line.push(byte),
            (None, byte) if SPECIAL.contains(&byte) => line.extend([b'\\', byte]),
            (None, _) => line.push(byte),
        }
    }
    if line.is_empty() {
        line.extend_from_slice(b"''");
    }
    line
}

/// The bytes that have a meaning in one of the rules, in patterns, or at the beginning of a word.
const SPECIAL: &[u8] = b" \t\r\x0c\\'\"*?[$`&|;<>()~#";

struct Splitter<'a> {
    rest: &'a [u8],
    length: usize,
    rules: Rules<'a>,
    word: Option<Word>,
    tokens: Vec<Token>,
    /// The quotation mark that is still open.
    open: Option<u8>,
}

impl<'a> Splitter<'a> {
    fn new(line: &'a [u8], rules: Rules<'a>) -> Self {
        Self {
            rest: line,
            length: line.len(),
            rules,
            word: None,
            tokens: Vec::new(),
            open: None,
        }
    }

    fn run(&mut self) -> Result<(), SplitError> {
        while let Some(byte) = self.next() {
            self.take(byte)?;
        }
        Ok(())
    }

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

    /// Returns the word to which the current byte belongs.
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

    fn take(&mut self, byte: u8) -> Result<(), SplitError> {
        match byte {
            b' ' | b'\t' => self.end_word(),
            b'\\' => {
                self.word();
                match self.next().ok_or(SplitError::Unclosed)? {
                    b'\n' => {}
                    escaped => self.word().push(escaped, true),
                }
            }
            b'\'' => {
                self.word();
                self.single_quotes()?;
            }
            b'"' => {
                self.word();
                self.double_quotes()?;
            }
            other => match self.rules {
                Rules::Shell(variable) => self.operator(other, variable)?,
                Rules::Quotes => self.word().push(other, false),
            },
        }
        Ok(())
    }

    /// Processes a byte that has a meaning only to a shell.
    fn operator(&mut self, byte: u8, variable: &dyn Fn(&[u8]) -> Vec<u8>) -> Result<(), SplitError> {
        match byte {
            b'$' => self.parameter(false, variable)?,
            b'&' if self.skip_if(b'&') => {
                self.end_word();
                self.tokens.push(Token::And);
            }
            b'|' if !self.rest.starts_with(b"|") && !self.rest.starts_with(b"&") => {
                self.end_word();
                self.tokens.push(Token::Pipe);
            }
            b'|' | b'&' | b';' | b'<' | b'>' | b'(' | b')' | b'`' | b'\n' => {
                return Err(SplitError::Operator(char::from(byte)));
            }
            other => self.word().push(other, false),
        }
        Ok(())
    }

    fn single_quotes(&mut self) -> Result<(), SplitError> {
        self.open = Some(b'\'');
        loop {
            match self.next().ok_or(SplitError::Unclosed)? {
                b'\'' => break,
                other => self.word().push(other, true),
            }
        }
        self.open = None;
        Ok(())
    }

    fn double_quotes(&mut self) -> Result<(), SplitError> {
        self.open = Some(b'"');
        loop {
            match (self.next().ok_or(SplitError::Unclosed)?, self.rules) {
                (b'"', _) => break,
                (b'`', Rules::Shell(_)) => return Err(SplitError::Operator('`')),
                (b'$', Rules::Shell(variable)) => self.parameter(true, variable)?,
                (b'\\', _) => match self.next().ok_or(SplitError::Unclosed)? {
                    b'\n' => {}
                    escaped @ (b'$' | b'`' | b'"' | b'\\') => self.word().push(escaped, true),
                    other => {
                        self.word().push(b'\\', true);
                        self.word().push(other, true);
                    }
                },
                (other, _) => self.word().push(other, true),
            }
        }
        self.open = None;
        Ok(())
    }

    /// Processes `$NAME` or `${NAME}`. A `$` before anything else stands for itself.
    fn parameter(&mut self, quoted: bool, variable: &dyn Fn(&[u8]) -> Vec<u8>) -> Result<(), SplitError> {
        let braces = self.skip_if(b'{');
        let is_name = |&b: &u8| b.is_ascii_alphanumeric() || b == b'_';
        let length = self.rest.iter().take_while(|b| is_name(b)).count();
        let (name, rest) = self.rest.split_at(length);
        if braces && (name.is_empty() || !rest.starts_with(b"}"))
            || !braces && rest.starts_with(b"(") && name.is_empty()
        {
            return Err(SplitError::Operator('$'));
        }
        if name.is_empty() {
            self.word().push(b'$', true);
            return Ok(());
        }
        let value = variable(name);
        // An empty parameter that is not quoted does not create a word of its own.
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
mod tests;
