//! Parses command lines: one program, possibly in another directory, possibly with selected columns. It runs nothing.

use base::digest::Algorithm;
use base::words::{Rules, SplitError, Token, Word, split};

/// Why a command line is not run. The texts are shown on the client's terminal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// The line could not be split into words.
    #[error(transparent)]
    Unsplit(#[from] SplitError),
    /// The server has no program of this name.
    #[error(
        "{0:?} is not a command of this server, which has no shell; it knows scp, md5sum, sha1sum, sha256sum, \
         sha512sum, df, pwd, cd, echo, and SFTP"
    )]
    Unknown(String),
    /// The line combines programs in an unsupported way.
    #[error(
        "this server has no shell: only `cd DIRECTORY && COMMAND` and `df … | awk '{{print $N}}'` are understood"
    )]
    Composition,
}

/// A program that this server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// scp is the server's side of legacy scp.
    Scp,
    /// md5sum, sha1sum, sha256sum or sha512sum.
    Sum(Algorithm),
    /// df shows the space that the quota leaves.
    Df,
    /// pwd prints the current directory.
    Pwd,
    /// echo prints its words, separated by spaces.
    Echo,
    /// cd alone checks that the directory exists.
    Cd,
}

impl Program {
    fn by_name(name: &[u8]) -> Option<Self> {
        // Some clients are configured to run `/usr/bin/scp`.
        let name = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
        Some(match name {
            b"scp" => Program::Scp,
            b"md5sum" => Program::Sum(Algorithm::Md5),
            b"sha1sum" => Program::Sum(Algorithm::Sha1),
            b"sha256sum" => Program::Sum(Algorithm::Sha256),
            b"sha512sum" => Program::Sum(Algorithm::Sha512),
            b"df" => Program::Df,
            b"pwd" => Program::Pwd,
            b"echo" => Program::Echo,
            _ => return None,
        })
    }

    /// Returns the name of the program, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Program::Scp => "scp",
            Program::Sum(Algorithm::Md5) => "md5sum",
            Program::Sum(Algorithm::Sha1) => "sha1sum",
            Program::Sum(Algorithm::Sha256) => "sha256sum",
            Program::Sum(Algorithm::Sha512) => "sha512sum",
            Program::Df => "df",
            Program::Pwd => "pwd",
            Program::Echo => "echo",
            Program::Cd => "cd",
        }
    }
}

/// A parsed command line, which has not been expanded yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The line as the client sent it.
    pub line: Vec<u8>,
    /// The directories to change to first, one after the other.
    pub directories: Vec<Word>,
    /// The program to run there.
    pub program: Program,
    /// The arguments of the program.
    pub words: Vec<Word>,
    /// The columns of the output to print, counted from 1; all of them if there is no `| awk '{print $1, $2}'`.
    pub fields: Option<Vec<usize>>,
}

impl Script {
    /// Parses a command line of this user.
    ///
    /// # Errors
    /// Returns an error if it asks for anything but the server's programs.
    pub fn parse(line: &[u8], user: &str) -> Result<Self, ScriptError> {
        let variable = |name: &[u8]| match name {
            b"HOME" => b"/".to_vec(),
            b"USER" | b"LOGNAME" => user.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let tokens = split(line, Rules::Shell(&variable))?;
        let mut directories = Vec::new();
        let mut commands = tokens.split(|token| *token == Token::And).peekable();
        while let Some(command) = commands.next() {
            let last = commands.peek().is_none();
            let (program, words, fields) = simple(command)?;
            match (program, last) {
                // Without an argument, it changes to the home.
                (Program::Cd, _) => {
                    directories.push(words.into_iter().next().unwrap_or_default());
                }
                (_, false) => return Err(ScriptError::Composition),
                (_, true) => {
                    return Ok(Self {
                        line: line.to_vec(),
                        directories,
                        program,
                        words,
                        fields,
                    });
                }
            }
        }
        Ok(Self {
            line: line.to_vec(),
            directories,
            program: Program::Cd,
            words: Vec::new(),
            fields: None,
        })
    }

    /// Returns the line from this argument on, unchanged: pscp and asyncssh do not quote names with spaces.
    pub fn unsplit(&self, argument: usize) -> Option<&[u8]> {
        self.line.trim_ascii_end().get(self.words.get(argument)?.start..)
    }
}

type Simple = (Program, Vec<Word>, Option<Vec<usize>>);

/// Parses one program with its arguments, possibly followed by awk.
fn simple(tokens: &[Token]) -> Result<Simple, ScriptError> {
    let mut sides = tokens.split(|token| *token == Token::Pipe);
    let words = |side: &[Token]| -> Vec<Word> {
        side.iter()
            .filter_map(|token| match token {
                Token::Word(word) => Some(word.clone()),
                Token::And | Token::Pipe => None,
            })
            .collect()
    };
    let mut first = words(sides.next().unwrap_or_default()).into_iter();
    let name = first.next().ok_or(ScriptError::Composition)?;
    let program = match name.bytes() {
        b"cd" => Program::Cd,
        other => Program::by_name(other).ok_or_else(|| {
            ScriptError::Unknown(name.bytes().escape_ascii().take(80).map(char::from).collect())
        })?,
    };
    let fields = match (sides.next(), sides.next()) {
        (None, _) => None,
        (Some(filter), None) if program == Program::Df => {
            Some(columns(&words(filter)).ok_or(ScriptError::Composition)?)
        }
        _ => return Err(ScriptError::Composition),
    };
    Ok((program, first.collect(), fields))
}

/// Parses `awk '{print $3, $4}'`, with which Cyberduck reads df.
fn columns(words: &[Word]) -> Option<Vec<usize>> {
    let [awk, program] = words else { return None };
    if awk.bytes() != b"awk" {
        return None;
    }
    let text = std::str::from_utf8(program.bytes()).ok()?;
    let list = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
    list.strip_prefix("print ")?
        .split(',')
        .map(|column| column.trim().strip_prefix('$')?.parse().ok().filter(|&n| n > 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(Vec<String>, &'static str, Vec<String>), ScriptError> {
        let script = Script::parse(line.as_bytes(), "calvin")?;
        let text = |words: &[Word]| -> Vec<String> {
            words
                .iter()
                .map(|word| word.bytes().escape_ascii().to_string())
                .collect()
        };
        Ok((
            text(&script.directories),
            script.program.name(),
            text(&script.words),
        ))
    }

    #[test]
    fn command_lines_of_clients_are_understood() {
        let check = |line: &str, directories: &[&str], program: &str, words: &[&str]| {
            let own = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
            let (d, p, w) = parse(line).unwrap();
            assert_eq!((d, p, w), (own(directories), program, own(words)), "{line}");
        };
        check(
            "scp -v -r -p -t -- -x",
            &[],
            "scp",
            &["-v", "-r", "-p", "-t", "--", "-x"],
        );
        check("/usr/bin/scp -f a", &[], "scp", &["-f", "a"]);
        check("md5sum", &[], "md5sum", &[]);
        check("sha512sum -- $HOME", &[], "sha512sum", &["--", "/"]);
        check("cd 'a b' && pwd", &["a b"], "pwd", &[]);
        check("cd a && cd b && md5sum c", &["a", "b"], "md5sum", &["c"]);
        check("cd", &[""], "cd", &[]);
        check("echo $USER", &[], "echo", &["calvin"]);
        let script = Script::parse(b"df -Pk / | awk '{print $3, $4}'", "calvin").unwrap();
        assert_eq!(script.fields, Some(vec![3, 4]));
        let script = Script::parse(b"scp -t my file ", "calvin").unwrap();
        assert_eq!(script.unsplit(1), Some(&b"my file"[..]));
        assert_eq!(script.unsplit(3), None);
    }

    #[test]
    fn the_rest_is_refused() {
        for line in [
            "",
            "pwd && pwd",
            "cd a &&",
            "&& pwd",
            "pwd | cat",
            "df | wc",
            "df | awk '{print $0}'",
            "df | awk '{print $1}' | awk '{print $1}'",
        ] {
            assert_eq!(parse(line), Err(ScriptError::Composition), "{line}");
        }
        for line in ["rm -rf /", "sh -c id", "rclone md5sum", "\u{1b}[2J"] {
            assert!(matches!(parse(line), Err(ScriptError::Unknown(_))), "{line}");
        }
    }
}
