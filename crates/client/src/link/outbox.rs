//! The queue of packets for the server. One task takes them and is the only one to wait for the server's window.

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// The size up to which small packets are put together, in bytes: what every SSH server takes in one packet of its own
/// (RFC 4253, section 6.1).
const TOGETHER: usize = 32 << 10;

/// The end of the queue where packets are put in. It needs no limit of its own: each packet has a caller that waits for
/// its reply, and transfers have a permit for each.
pub type Outbox = mpsc::UnboundedSender<Bytes>;

/// The end of the queue where packets are taken out.
pub struct OutgoingPackets {
    queue: mpsc::UnboundedReceiver<Bytes>,
    /// The packet that did not fit to those before it.
    next: Option<Bytes>,
}

impl OutgoingPackets {
    /// Makes an empty queue, and returns both of its ends.
    pub fn queue() -> (Outbox, Self) {
        let (outbox, queue) = mpsc::unbounded_channel();
        (outbox, Self { queue, next: None })
    }

    /// Waits for the next packet. Small ones that are there already come together. `None`: the outbox was dropped.
    pub async fn next(&mut self) -> Option<Bytes> {
        let first = match self.next.take() {
            Some(packet) => packet,
            None => self.queue.recv().await?,
        };
        if first.len() >= TOGETHER {
            return Some(first);
        }
        let mut together = BytesMut::from(first);
        while let Ok(more) = self.queue.try_recv() {
            if together.len() + more.len() > TOGETHER {
                self.next = Some(more);
                break;
            }
            together.extend_from_slice(&more);
        }
        Some(together.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn small_packets_leave_together_and_in_order() {
        let (outbox, mut packets) = OutgoingPackets::queue();
        for (byte, size) in [(1, 10), (2, TOGETHER - 10), (3, 1), (4, TOGETHER), (5, 7)] {
            outbox.send(vec![byte; size].into()).unwrap();
        }
        drop(outbox);
        let mut sizes = Vec::new();
        let mut stream = Vec::new();
        while let Some(packet) = packets.next().await {
            sizes.push(packet.len());
            stream.extend_from_slice(&packet);
        }
        assert_eq!(sizes, [TOGETHER, 1, TOGETHER, 7]);
        assert!(stream.is_sorted());
    }
}
