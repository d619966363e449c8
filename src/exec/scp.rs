//! Legacy scp (rcp's protocol, as implemented by OpenSSH's scp.c): the server's side of `scp -t` and `scp -f`.
//!
//! The states of the sink: *between records*, where a line is one of T (times of the next entry), C (a file), D (enter
//! a directory), E (leave it) or an error; *in a file*, where as many bytes follow as the record announced, and then a
//! byte that says whether the client could read the file. The source is the mirror image: after each record, and after
//! each file, it waits for a byte.
//!
//! A malformed record, or a name with a slash, ends the program with a message. An error in the home (no permission, no
//! space) concerns only that file; its bytes are still read, so that the protocol stays synchronised. The depth is
//! bounded by the length of a path, and the levels are kept in a list, not on the stack.

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

/// Runs scp with these words, which the script was expanded to; returns its exit status.
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
    // If the expansion has more words than the line, the line was quoted as for a shell.
    let first = words.len() - names.len();
    let whole = match words.len() == script.words.len() {
        true => script.unsplit(first).map(<[u8]>::to_vec),
        false => None,
    };
    let mut peer = ScpPeer::new(io, home);
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
