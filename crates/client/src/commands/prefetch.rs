//! Requests directories of the server ahead of the code that walks through them, so that many directories share the
//! round trips to a distant server. Replies come in the order of the requests, so that a directory comes before those
//! in it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::link::Link;
use crate::link::RemoteError;

/// The number of directories that are requested at once.
const AT_ONCE: usize = 16;

/// The request that is made for each directory.
pub(super) type Query<R> =
    fn(Arc<Link>, Vec<u8>) -> Pin<Box<dyn Future<Output = Result<R, RemoteError>> + Send>>;

/// A directory, what the walker knows about it, and the server's reply.
pub(super) struct Prefetched<T, R> {
    pub path: Vec<u8>,
    pub known: T,
    pub answer: Result<R, RemoteError>,
}

type PendingQuery<T, R> = (Vec<u8>, T, JoinHandle<Result<R, RemoteError>>);

/// The directories whose requests wait or are under way.
pub(super) struct Prefetch<T, R> {
    link: Arc<Link>,
    ask: Query<R>,
    waiting: VecDeque<(Vec<u8>, T)>,
    asked: VecDeque<PendingQuery<T, R>>,
}

impl<T, R: Send + 'static> Prefetch<T, R> {
    pub fn new(link: &Arc<Link>, ask: Query<R>) -> Self {
        Self {
            link: Arc::clone(link),
            ask,
            waiting: VecDeque::new(),
            asked: VecDeque::new(),
        }
    }

    pub fn push(&mut self, path: Vec<u8>, known: T) {
        self.waiting.push_back((path, known));
    }

    /// The next directory with its answer. `None`: there are no more.
    pub async fn next(&mut self) -> Option<Prefetched<T, R>> {
        while self.asked.len() < AT_ONCE
            && let Some((path, known)) = self.waiting.pop_front()
        {
            let asking = (self.ask)(Arc::clone(&self.link), path.clone());
            // The task is not ended when this is dropped: it would leave a directory open on the server.
            let asking = tokio::spawn(asking);
            self.asked.push_back((path, known, asking));
        }
        let (path, known, asking) = self.asked.pop_front()?;
        // The task is never aborted.
        let answer = asking
            .await
            .unwrap_or(Err(RemoteError::UnexpectedReply("an answer")));
        Some(Prefetched { path, known, answer })
    }
}
