//! The asking side of the control socket. Blocks, and never for longer than [`LIMIT`] without a word from the server.

use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{Answer, Request, sockets};
use base::error::{Error, Result};

/// For connecting, asking and hearing the answer together. A server that works on it needs milliseconds; one that was
/// stopped never answers.
const LIMIT: Duration = Duration::from_secs(5);

/// 100,000 sessions of 300 bytes, twice.
const LONGEST_ANSWER: usize = 64 << 20;

/// Read at once.
const PIECE: usize = 64 * 1024;

/// Asks the running server. Blocks.
///
/// # Errors
/// When none is running, it does not answer, or it cannot do what is asked.
pub fn ask(socket: &Path, request: &Request) -> Result<Answer> {
    ask_if_running(socket, request)?.ok_or_else(|| {
        Error::new(format!(
            "no server is running: nobody answers at \"{}\"",
            socket.display()
        ))
        .hint("homeportd serve, with the same configuration")
    })
}

/// Asks the running server; `None` if there is none. Blocks.
///
/// # Errors
/// When it does not answer, or cannot do what is asked.
pub fn ask_if_running(socket: &Path, request: &Request) -> Result<Option<Answer>> {
    let cannot = || Error::new(format!("cannot ask the server at \"{}\"", socket.display()));
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => cannot()
            .because(format!("it has not answered within {} s", LIMIT.as_secs()))
            .hint("it was stopped, or it hangs: see its log, and ps for its state"),
        _ => cannot().because(error),
    };
    let Some(mut exchange) = Exchange::begin(socket).map_err(failed)? else {
        return Ok(None);
    };
    exchange.send(request).map_err(failed)?;
    loop {
        let line = exchange.line().map_err(failed)?;
        match serde_json::from_slice(&line) {
            Ok(Answer::Working) if request.takes_long() => exchange.end = Instant::now() + LIMIT,
            Ok(Answer::Error(text)) => {
                return Err(cannot().because(text).hint("are both of the same version?"));
            }
            Ok(Answer::Failed(text)) => return Err(Error::new(text)),
            Ok(answer) => return Ok(Some(answer)),
            Err(_) if line.is_empty() => {
                return Err(cannot().because("it hung up").hint("it may be ending; try again"));
            }
            Err(e) => return Err(cannot().because(e)),
        }
    }
}

/// One conversation, and when it must be over.
struct Exchange {
    stream: UnixStream,
    end: Instant,
    /// What has arrived behind the last line.
    rest: Vec<u8>,
}

impl Exchange {
    /// With the first server that listens; `None` if there is none.
    fn begin(socket: &Path) -> std::io::Result<Option<Self>> {
        let end = Instant::now() + LIMIT;
        let stream = sockets::connect(socket, LIMIT)?;
        Ok(stream.map(|stream| Self {
            stream,
            end,
            rest: Vec::new(),
        }))
    }

    /// The time that is left.
    fn left(&self) -> std::io::Result<Duration> {
        match self.end.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }

    fn send(&mut self, request: &Request) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let mut rest = &line[..];
        while !rest.is_empty() {
            self.stream.set_write_timeout(Some(self.left()?))?;
            match self.stream.write(rest) {
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The next line; empty if the server has hung up before its end.
    fn line(&mut self) -> std::io::Result<Vec<u8>> {
        let mut line = std::mem::take(&mut self.rest);
        let mut piece = vec![0; PIECE];
        let mut looked = 0;
        loop {
            let unseen = line.get(looked..).unwrap_or_default();
            if let Some(at) = unseen.iter().position(|byte| *byte == b'\n') {
                self.rest = line.split_off(looked + at + 1);
                return Ok(line);
            }
            looked = line.len();
            if looked > LONGEST_ANSWER {
                return Err(std::io::Error::other("its answer is too long"));
            }
            self.stream.set_read_timeout(Some(self.left()?))?;
            match self.stream.read(&mut piece) {
                Ok(0) => return Ok(Vec::new()),
                Ok(count) => line.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
