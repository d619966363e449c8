//! Which event loop reports that a socket is ready.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// What the event loop reports: also urgent data, which a read does not return (see [`has_urgent_data`]).
const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE).add(Interest::PRIORITY);

/// The registration of a socket with an event loop, which wakes the tasks that wait for the socket.
pub(super) type Readiness = AsyncFd<Arc<TcpStream>>;

/// Registers a socket with the current event loop.
#[expect(
    deprecated,
    reason = "the function that is to replace it is unsafe, because some types close their descriptor while it is \
              registered; a `TcpStream` does not"
)]
pub(super) fn register(stream: &Arc<TcpStream>) -> io::Result<Readiness> {
    AsyncFd::with_interest(Arc::clone(stream), INTEREST)
}

/// Returns whether the peer has sent urgent data (RFC 6093) since the socket was registered. A read ends before such a
/// byte, and the next one continues behind it; so a read that fills only a part of its buffer does not mean then that
/// the socket is empty.
pub(super) fn has_urgent_data(readiness: &Readiness) -> bool {
    readiness.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
}
