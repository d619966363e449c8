//! Reads a directory ahead: after a full reply to READDIR was sent, and while its client reads it, the thread of the
//! connection has nothing else to do, so it reads the names that the client asks for next.
//!
//! This happens only on a thread that serves one connection alone. There it delays nobody but the same client, by the time
//! that the next READDIR would take anyway. What is read ahead is bounded, and charged to the user, for each directory.
//! If the client asks late, or has changed something meanwhile, the attributes of these names are read again, and names that
//! are gone are left out: so a client always sees what it has done itself.

use std::sync::Arc;

use sftp_wire::{Packet, Request};

use super::channel_state::SessionOwner;
use super::handles::{NamesPrefetch, RawHandle};
use super::queue::ChannelQueue;
use super::request_io;
use super::requests::directories;
use super::session::Sftp;

/// Returns the directory that is to be read ahead when this packet was answered, if there is one.
pub(super) fn directory_of(sftp: &mut Sftp, packet: &[u8]) -> Option<RawHandle> {
    let Packet::Request {
        request: Request::Readdir { handle },
        ..
    } = Packet::decode(packet)
    else {
        return None;
    };
    let handle = RawHandle::from_wire(handle);
    let directory = sftp.handles.dir(handle)?;
    matches!(directory.prefetch, NamesPrefetch::Wanted).then_some(handle)
}

/// Reads a directory ahead once the connection has sent its replies, and waits for the client.
pub(super) fn begin(queue: &Arc<ChannelQueue>, handle: RawHandle) {
    let waiting = Arc::clone(queue);
    queue.start(async move { read(&waiting, handle) });
}

fn read(queue: &ChannelQueue, handle: RawHandle) {
    let mut state = queue.state();
    // A request that waits is not delayed.
    if !state.pending.is_empty() {
        return;
    }
    let SessionOwner::Channel(sftp) = &mut state.owner else {
        return;
    };
    let elsewhere = request_io::access(&mut sftp.handles, handle);
    let io = elsewhere.as_ref().unwrap_or(&queue.io);
    if let Some(permit) = io.enter()
        && permit.is_alone()
    {
        directories::prefetch(sftp, handle);
    }
}
