//! The body of an archive: what its writer sends, with an end that cannot be mistaken. If the writer goes away before it has
//! said that the archive is complete, the body fails, and the connection is aborted.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::mpsc;

/// The pieces that wait for the client: the one that is read ahead.
const WAITING: usize = 1;

/// What the writer sends.
enum ArchivePiece {
    Bytes(Bytes),
    End,
}

/// The writer's side.
pub(super) struct PieceSender(mpsc::Sender<ArchivePiece>);

/// The client, or its connection, is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client has left")]
pub(super) struct ClientGone;

/// The writer has ended before the archive was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the archive cannot be completed")]
struct ArchiveBroken;

impl PieceSender {
    /// Sends bytes, and waits until there is room for them.
    pub(super) async fn send(&self, bytes: Bytes) -> Result<(), ClientGone> {
        let sent = self.0.send(ArchivePiece::Bytes(bytes)).await;
        sent.map_err(|_| ClientGone)
    }

    /// Says that the archive is complete.
    pub(super) async fn end(self) -> Result<(), ClientGone> {
        let sent = self.0.send(ArchivePiece::End).await;
        sent.map_err(|_| ClientGone)
    }
}

/// Returns both sides of a body.
pub(super) fn channel() -> (PieceSender, Body) {
    let (sender, receiver) = mpsc::channel(WAITING);
    let pieces = stream::try_unfold(receiver, |mut receiver| async move {
        match receiver.recv().await {
            Some(ArchivePiece::Bytes(bytes)) => Ok(Some((bytes, receiver))),
            Some(ArchivePiece::End) => Ok(None),
            None => Err(ArchiveBroken),
        }
    });
    (PieceSender(sender), Body::from_stream(pieces))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn only_a_complete_archive_ends_well() {
        for is_complete in [true, false] {
            let (sender, body) = channel();
            let writing = async move {
                sender.send(Bytes::from_static(b"ab")).await.unwrap();
                sender.send(Bytes::from_static(b"c")).await.unwrap();
                if is_complete {
                    sender.end().await.unwrap();
                }
            };
            let (collected, ()) = tokio::join!(body.collect(), writing);
            assert_eq!(
                collected.ok().map(|all| all.to_bytes().len()),
                is_complete.then_some(3)
            );
        }
        let (sender, body) = channel();
        drop(body);
        assert_eq!(sender.send(Bytes::new()).await, Err(ClientGone));
    }
}
