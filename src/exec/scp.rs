//! Legacy scp (rcp's protocol, as OpenSSH's scp.c speaks it): the server's side of `scp -t` and `scp -f`.
//!
//! The sink's states: *between records*, where a line is one of T (times for the next), C (a file), D (into a directory),
//! E (out of it) or an error; *in a file*, where as many bytes follow as its record said, and then a byte that says
//! whether the client could read it. The source mirrors it: each record, and each file's end, waits for a byte.
//!
//! What may go wrong: a record that makes no sense, or a name with a slash, ends the program with a sentence. What
//! fails in the home (no permission, no room) fails that file alone; its bytes are still read, to stay in step.
//! Depth is bounded by the length of a path, and every level of the way is kept in a list, never on the stack.

pub(crate) mod record;
mod sink;
mod source;

use bytes::Bytes;

use crate::exec::desk::Desk;
use crate::exec::{Io, Script};
use crate::session::stream::{Gone, Stream};

/// Longest line: OpenSSH's buffer.
const MAX_LINE: usize = 2048;

/// What was asked for on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    role: Role,
    recursive: bool,
    preserve: bool,
    /// The target must be a directory.
    directory: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Sink,
    Source,
}

/// Runs scp with these words, which came of the script's; returns its exit status.
pub(crate) async fn run(
    desk: &mut Desk,
    io: &mut Io,
    words: &[Vec<u8>],
    script: &Script,
) -> Result<u32, Gone> {
    let Some((options, names)) = options(words) else {
        let sentence = "scp: this server runs scp only for another scp (-t or -f, with -r, -p, -d, -v)\n";
        io.output.send(Stream::Error, sentence).await?;
        return Ok(1);
    };
    // What was expanded has more words than the line: then it was quoted as for a shell.
    let first = words.len() - names.len();
    let whole = match words.len() == script.words.len() {
        true => script.unsplit(first).map(<[u8]>::to_vec),
        false => None,
    };
    let mut talk = Talk { io, errors: 0 };
    let outcome = match options.role {
        Role::Sink => sink::run(desk, &mut talk, &options, names, whole).await,
        Role::Source => source::run(desk, &mut talk, &options, names, whole).await,
    };
    match outcome {
        Ok(()) => Ok(u32::from(talk.errors > 0)),
        Err(Stop::Failed) => Ok(1),
        Err(Stop::Gone) => Err(Gone),
    }
}

fn options(words: &[Vec<u8>]) -> Option<(Options, &[Vec<u8>])> {
    let (mut role, mut recursive, mut preserve, mut directory) = (None, false, false, false);
    let mut rest = words;
    while let Some((word, after)) = rest.split_first() {
        let Some(letters) = word.strip_prefix(b"-").filter(|letters| !letters.is_empty()) else {
            break;
        };
        rest = after;
        if letters == b"-" {
            break;
        }
        for letter in letters {
            match letter {
                b't' => role = Some(Role::Sink),
                b'f' => role = Some(Role::Source),
                b'r' => recursive = true,
                b'p' => preserve = true,
                b'd' => directory = true,
                // What it would tell more about, it tells its own terminal.
                b'v' | b'q' => {}
                _ => return None,
            }
        }
    }
    let options = Options {
        role: role?,
        recursive,
        preserve,
        directory,
    };
    (!rest.is_empty()).then_some((options, rest))
}

/// Why it ends before its end.
enum Stop {
    /// The client was told, or is to be told nothing.
    Failed,
    /// The connection has ended.
    Gone,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Stop::Gone
    }
}

/// The two directions, and how many errors there were.
struct Talk<'a> {
    io: &'a mut Io,
    errors: u32,
}

impl Talk<'_> {
    async fn send(&self, bytes: impl Into<Bytes>) -> Result<(), Stop> {
        Ok(self.io.output.send(Stream::Output, bytes).await?)
    }

    /// "Go on."
    async fn ok(&self) -> Result<(), Stop> {
        self.send(&b"\0"[..]).await
    }

    /// An error that the client shows, and after which it goes on.
    async fn error(&mut self, sentence: &[u8]) -> Result<(), Stop> {
        self.errors += 1;
        // The sentence is one line on the wire, and on the client's terminal.
        let shown: Vec<u8> = sentence
            .iter()
            .map(|&b| if b.is_ascii_control() { b'?' } else { b })
            .collect();
        self.send([&b"\x01scp: "[..], &shown, b"\n"].concat()).await
    }

    /// An error that ends the program.
    async fn fatal(&mut self, sentence: &[u8]) -> Result<(), Stop> {
        self.error(sentence).await?;
        Err(Stop::Failed)
    }

    async fn about(&mut self, name: &[u8], reason: &str) -> Result<(), Stop> {
        self.error(&[name, b": ", reason.as_bytes()].concat()).await
    }

    /// The client's answer: may it go on?
    async fn answer(&mut self) -> Result<bool, Stop> {
        match self.io.input.byte().await? {
            Some(0) => Ok(true),
            Some(kind) => {
                // Its words are for its own user, who has seen them.
                let _ = self.io.input.line(MAX_LINE).await?;
                self.errors += 1;
                match kind {
                    1 => Ok(false),
                    _ => Err(Stop::Failed),
                }
            }
            None => Err(Stop::Failed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_getopt_reads_them() {
        let check = |line: &str, expected: Option<(Role, &str, &[&str])>| {
            let words: Vec<Vec<u8>> = line.split(' ').map(|w| w.as_bytes().to_vec()).collect();
            let found = options(&words).map(|(o, names)| {
                let mut flags = String::new();
                for (set, flag) in [(o.recursive, 'r'), (o.preserve, 'p'), (o.directory, 'd')] {
                    if set {
                        flags.push(flag);
                    }
                }
                let names: Vec<String> = names.iter().map(|n| n.escape_ascii().to_string()).collect();
                (o.role, flags, names)
            });
            let expected = expected.map(|(role, flags, names)| {
                (
                    role,
                    flags.to_owned(),
                    names.iter().map(|&n| n.to_owned()).collect(),
                )
            });
            assert_eq!(found, expected, "{line}");
        };
        check("-t .", Some((Role::Sink, "", &["."])));
        check("-v -r -p -d -t x", Some((Role::Sink, "rpd", &["x"])));
        check("-pf a b", Some((Role::Source, "p", &["a", "b"])));
        check("-f -- -x", Some((Role::Source, "", &["-x"])));
        check("-t -", Some((Role::Sink, "", &["-"])));
        check("-t", None);
        check("x", None);
        check("-t -S prog x", None);
    }
}
