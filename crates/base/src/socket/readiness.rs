//! Which event loop reports that a socket is ready.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;

use tokio::io::unix::AsyncFd;

/// The registration of a socket with an event loop, which wakes the tasks that wait for the socket.
pub(super) type Readiness = AsyncFd<Arc<TcpStream>>;

/// Registers a socket with the current event loop.
#[expect(
    deprecated,
    reason = "the function that is to replace it is unsafe, because some types close their descriptor while it is \
              registered; a `TcpStream` does not"
)]
pub(super) fn register(stream: &Arc<TcpStream>) -> io::Result<Readiness> {
    AsyncFd::new(Arc::clone(stream))
}
