//! One large file over several connections: on a far link each connection is bounded by its own windows.
//!
//! A transfer is spread in *rounds*. In a round the connection of the attempt and its helpers take ranges from
//! [`window`], each as fast as it can, so that a slow one delays nobody by more than its own ranges. A round ends when
//! everything has arrived, or when a connection fails. Then nothing more is handed out, what is under way on the others
//! arrives, and the file is cut to its front, so that its size never says more than its bytes. The next round begins
//! there.
//!
//! What may go wrong:
//! - A helper is lost: the pool makes it again, and it may help in a later round. One that breaks again and again without
//!   progress is not used any more.
//! - A helper is refused what the first connection may do: the file goes on without helpers, and if the first connection is
//!   refused it too, that is the error.
//! - The connection of the attempt is lost: the attempt ends as any other. What is to be cut is remembered, and cut before
//!   the next attempt looks at the file.
//! - The program is killed: nothing can be cut. [`kept_beginning`](super::kept_beginning) does not trust the last
//!   [`WINDOW`](window::WINDOW) bytes of a file that may have been spread.
//! - A helper opens another file under the same name, because a load balancer has chosen another server for it. For a
//!   download its attributes differ, and it does not help. Before a helper writes, it has to find a
//!   [`Mark`](mark::Mark) that the first connection has written where the data comes later: before it sends anything in a
//!   round, and for a helper that comes too late for that, where the helper is to begin. If the helper does not find it,
//!   large files go over one connection for the rest of the run.
//!
//! Uploads are spread only under temporary names, downloads always have one.

pub(super) mod download;
mod mark;
pub(super) mod upload;
pub(super) mod window;

use std::pin::Pin;
use std::task::Poll;

/// The size from which on a file is spread, in bytes: below, the time for connecting is not worth it.
pub(super) const SMALLEST: u64 = 64 << 20;
/// How many bytes each connection gets at least.
const PER_CONNECTION: u64 = 16 << 20;
/// How many rounds in a row may break without progress before the file goes on without helpers.
const FRUITLESS: usize = 5;

/// How a helper has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HelperFailure {
    /// Its connection was lost.
    Lost,
    /// The server, or this machine, refused something, or the helper sees another file.
    Refused,
}

/// How many connections may help the one of the attempt.
#[derive(Debug)]
struct HelperCount {
    most: usize,
    fruitless: usize,
}

impl HelperCount {
    /// The count for a run with this many connections.
    fn of(connections: usize) -> Self {
        Self {
            most: connections.saturating_sub(1),
            fruitless: 0,
        }
    }

    /// The number of helpers for the bytes that are left.
    fn for_bytes(&self, left: u64) -> usize {
        let useful = usize::try_from(left / PER_CONNECTION).unwrap_or(usize::MAX);
        self.most.min(useful.saturating_sub(1))
    }

    /// Takes note of a round that a helper has ended.
    fn broke(&mut self, failure: HelperFailure, progress: bool) {
        self.fruitless = if progress { 0 } else { self.fruitless + 1 };
        if failure == HelperFailure::Refused || self.fruitless >= FRUITLESS {
            self.most = 0;
        }
    }
}

/// Whether the failures of helpers say that something was refused, or only that connections were lost. `None`: there
/// were none.
fn worst(failures: impl IntoIterator<Item = Option<HelperFailure>>) -> Option<HelperFailure> {
    failures
        .into_iter()
        .flatten()
        .reduce(|one, other| match (one, other) {
            (HelperFailure::Lost, HelperFailure::Lost) => HelperFailure::Lost,
            _ => HelperFailure::Refused,
        })
}

/// A future of many that are waited for together.
enum Joined<F: Future> {
    Running(Pin<Box<F>>),
    /// It has ended; its output is taken when all have.
    Ended(Option<F::Output>),
}

/// Waits for all futures together. There are at most as many as connections.
async fn join_all<F>(futures: Vec<F>) -> Vec<F::Output>
where
    F: Future,
    F::Output: Unpin,
{
    let mut joined: Vec<Joined<F>> = futures
        .into_iter()
        .map(|future| Joined::Running(Box::pin(future)))
        .collect();
    std::future::poll_fn(move |context| {
        let mut all = true;
        for one in &mut joined {
            if let Joined::Running(future) = one {
                match future.as_mut().poll(context) {
                    Poll::Ready(output) => *one = Joined::Ended(Some(output)),
                    Poll::Pending => all = false,
                }
            }
        }
        if !all {
            return Poll::Pending;
        }
        let outputs = joined.iter_mut().filter_map(|one| match one {
            Joined::Running(_) => None,
            Joined::Ended(output) => output.take(),
        });
        Poll::Ready(outputs.collect())
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_connection_has_enough_to_do() {
        for (connections, mib, expected) in [
            (1, 1000, 0),
            (4, 64, 3),
            (4, 63, 2),
            (16, 64, 3),
            (16, 1000, 15),
            (4, 15, 0),
        ] {
            let helpers = HelperCount::of(connections);
            assert_eq!(helpers.for_bytes(mib << 20), expected, "{connections}, {mib}");
        }
    }

    #[test]
    fn helpers_that_only_break_are_given_up() {
        let mut helpers = HelperCount::of(4);
        for progress in [false, false, false, false, true, false, false, false, false] {
            helpers.broke(HelperFailure::Lost, progress);
            assert_eq!(helpers.for_bytes(1 << 30), 3);
        }
        helpers.broke(HelperFailure::Lost, false);
        assert_eq!(helpers.for_bytes(1 << 30), 0);
        let mut helpers = HelperCount::of(4);
        helpers.broke(HelperFailure::Refused, true);
        assert_eq!(helpers.for_bytes(1 << 30), 0);
    }

    #[test]
    fn a_refusal_is_worse_than_a_lost_connection() {
        use HelperFailure::{Lost, Refused};
        assert_eq!(worst([None, None]), None);
        assert_eq!(worst([Some(Lost), None]), Some(Lost));
        assert_eq!(worst([Some(Lost), Some(Refused), Some(Lost)]), Some(Refused));
    }

    #[tokio::test]
    async fn all_futures_run_together() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let mut sender = Some(sender);
        let mut receiver = Some(receiver);
        let futures = [0, 1].map(|number| {
            let (sender, receiver) = match number {
                0 => (None, receiver.take()),
                _ => (sender.take(), None),
            };
            async move {
                if let Some(sender) = sender {
                    sender.send(7).unwrap();
                }
                match receiver {
                    Some(receiver) => receiver.await.unwrap(),
                    None => number,
                }
            }
        });
        assert_eq!(join_all(futures.into_iter().collect()).await, [7, 1]);
    }
}
