//! Legacy scp (rcp's protocol, as OpenSSH's scp.c speaks it): the server's side of `scp -t` and `scp -f`.
//!
//! The sink's states: *between records*, where a line is one of T (times for the next), C (a file), D (into a directory),
//! E (out of it) or an error; *in a file*, where as many bytes follow as its record said, and then a byte that says
//! whether the client could read it. The source mirrors it: each record, and each file's end, waits for a byte.
//!
//! What may go wrong: a record that makes no sense, or a name with a slash, ends the program with a sentence. What
//! fails in the home (no permission, no room) fails that file alone; its bytes are still read, to stay in step.
//! Depth is bounded by the length of a path, and every level of the way is kept in a list, never on the stack.

mod options;
mod peer;
pub(crate) mod record;
mod sink;
mod source;

use crate::exec::home_session::HomeSession;
use crate::exec::io::CommandIo;
use crate::exec::script::Script;
use crate::session::stream::{Disconnected, Stream};
use options::{Role, options};
use peer::{ScpAbort, ScpPeer};

/// Runs scp with these words, which came of the script's; returns its exit status.
pub(crate) async fn run(
    home: &mut HomeSession,
    io: &mut CommandIo,
    words: &[Vec<u8>],
    script: &Script,
) -> Result<u32, Disconnected> {
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
    let mut peer = ScpPeer { io, errors: 0 };
    let outcome = match options.role {
        Role::Sink => sink::run(home, &mut peer, &options, names, whole).await,
        Role::Source => source::run(home, &mut peer, &options, names, whole).await,
    };
    match outcome {
        Ok(()) => Ok(u32::from(peer.errors > 0)),
        Err(ScpAbort::Failed) => Ok(1),
        Err(ScpAbort::Disconnected) => Err(Disconnected),
    }
}
