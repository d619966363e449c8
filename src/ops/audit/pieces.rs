//! Reads a file of the log in pieces of whole lines, which several threads examine at once.

use std::io::Read;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use base::error::{Error, Result};

/// The bytes that are read at once.
const PIECE: usize = 1 << 20;
/// The longest line that is read. The server's are at most about 40 KiB.
const LONGEST_LINE: usize = 1 << 20;
/// The most threads that examine pieces. Reading and printing are not faster than a few of them.
const MOST_THREADS: usize = 8;
/// The pieces, and the results, that wait at each thread, so that memory has a limit.
const WAITING: usize = 2;

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LogPiece {
    /// Whole lines, each with its newline.
    Lines(Vec<u8>),
    /// A line that is too long.
    Overlong,
    /// The end of the file behind the last newline.
    Unfinished,
}

impl LogPiece {
    /// Returns the whole lines, without their newlines.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let bytes = match self {
            Self::Lines(bytes) => bytes.as_slice(),
            Self::Overlong | Self::Unfinished => &[],
        };
        let mut rest = bytes;
        std::iter::from_fn(move || {
            let length = memchr::memchr(b'\n', rest)?;
            let line = rest.get(..length);
            rest = rest.get(length + 1..).unwrap_or_default();
            line
        })
    }
}

/// Calls `examine` with all pieces of a file, on several threads, and `take` with the results, in the order of the
/// file.
///
/// # Errors
/// Returns the error of `take`. If the file cannot be read to its end, the second result is why, and all pieces before that
/// place have been examined.
pub(super) fn examine<T: Send>(
    file: Box<dyn Read + Send>,
    examine: impl Fn(LogPiece) -> T + Sync,
    mut take: impl FnMut(T) -> Result<()>,
) -> Result<std::io::Result<()>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let examine = &examine;
    std::thread::scope(|scope| {
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        for _ in 0..threads.min(MOST_THREADS) {
            let (input, pieces): (SyncSender<LogPiece>, Receiver<LogPiece>) = sync_channel(WAITING);
            let (result, output) = sync_channel(WAITING);
            scope.spawn(move || pieces.iter().all(|piece| result.send(examine(piece)).is_ok()));
            inputs.push(input);
            outputs.push(output);
        }
        let reader = scope.spawn(move || {
            let mut turns = inputs.iter().cycle();
            // A thread that takes no pieces any more has nobody to give its results to.
            read(file, |piece| {
                turns.next().is_some_and(|input| input.send(piece).is_ok())
            })
        });
        // The threads get the pieces in turn, so their results come in turn, too.
        let results = outputs.iter().cycle().map_while(|output| output.recv().ok());
        let taken = results.map(&mut take).find(Result::is_err).unwrap_or(Ok(()));
        drop(outputs);
        let read = reader
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("the thread has ended")));
        taken.map(|()| read)
    })
}

/// Returns the error for a file that could not be read behind this line.
pub(super) fn damaged(path: &Path, lines: u64, error: std::io::Error) -> Error {
    Error::new(format!("cannot read the audit log {path:?} to its end"))
        .because(error)
        .hint(format!("it is damaged behind line {lines}"))
}

/// Calls `each` with the pieces of a file until it returns `false`.
fn read(mut file: impl std::io::Read, mut each: impl FnMut(LogPiece) -> bool) -> std::io::Result<()> {
    let (mut rest, mut is_overlong) = (Vec::new(), false);
    loop {
        let mut buffer = Vec::with_capacity(rest.len() + PIECE);
        buffer.append(&mut rest);
        let count = file.by_ref().take(PIECE as u64).read_to_end(&mut buffer);
        let end = memchr::memrchr(b'\n', &buffer).map_or(0, |at| at + 1);
        rest = buffer.split_off(end);
        if is_overlong && let Some(at) = memchr::memchr(b'\n', &buffer) {
            is_overlong = false;
            buffer.drain(..=at);
            if !each(LogPiece::Overlong) {
                return Ok(());
            }
        }
        if !buffer.is_empty() && !each(LogPiece::Lines(buffer)) {
            return Ok(());
        }
        if rest.len() > LONGEST_LINE || is_overlong {
            rest.clear();
            is_overlong = true;
        }
        if count? == 0 {
            break;
        }
    }
    if !rest.is_empty() || is_overlong {
        each(LogPiece::Unfinished);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Returns what a file has: the lengths of its lines, -1 for one that is too long, -2 for an end without a newline.
    fn seen(content: &[u8]) -> Vec<i64> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, content).unwrap();
        let lengths = |piece: LogPiece| -> Vec<i64> {
            match piece {
                LogPiece::Overlong => vec![-1],
                LogPiece::Unfinished => vec![-2],
                lines @ LogPiece::Lines(_) => lines.lines().map(|line| line.len() as i64).collect(),
            }
        };
        let mut all = Vec::new();
        let read = examine(Box::new(File::open(&path).unwrap()), lengths, |lengths| {
            all.extend(lengths);
            Ok(())
        });
        read.unwrap().unwrap();
        all
    }

    #[test]
    fn lines_are_split_wherever_pieces_end() {
        let line = |length: usize| [&vec![b'x'; length][..], b"\n"].concat();
        let check = |parts: &[Vec<u8>], expected: &[i64]| assert_eq!(seen(&parts.concat()), expected);
        check(&[], &[]);
        check(&[line(0)], &[0]);
        check(&[b"no end".to_vec()], &[-2]);
        for length in [PIECE - 2, PIECE - 1, PIECE] {
            let parts = [line(1), line(length), line(2), line(0), b"no end".to_vec()];
            check(&parts, &[1, length as i64, 2, 0, -2]);
        }
        check(&[line(LONGEST_LINE + 2 * PIECE), line(1)], &[-1, 1]);
        check(&[line(3), line(LONGEST_LINE + 2 * PIECE), line(1)], &[3, -1, 1]);
        check(&[vec![b'x'; LONGEST_LINE + 2 * PIECE]], &[-2]);
    }

    #[test]
    fn results_come_in_the_order_of_the_file() {
        let lines: Vec<usize> = (0..40_000).map(|number| number % 300).collect();
        let content: Vec<u8> = lines
            .iter()
            .flat_map(|length| [&vec![b'x'; *length][..], b"\n"].concat())
            .collect();
        let expected: Vec<i64> = lines.iter().map(|length| *length as i64).collect();
        assert!(content.len() > 5 * PIECE);
        assert_eq!(seen(&content), expected);
    }

    #[test]
    fn an_error_ends_the_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "line\n".repeat(PIECE)).unwrap();
        let mut taken = 0;
        let ended = examine(
            Box::new(File::open(&path).unwrap()),
            |_| (),
            |()| {
                taken += 1;
                Err(Error::new("enough"))
            },
        );
        assert_eq!((ended.unwrap_err().to_string().as_str(), taken), ("enough", 1));
    }
}
