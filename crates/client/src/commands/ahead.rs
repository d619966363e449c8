//! Directories of the server, some ahead of who walks through them: over a far link each takes some round trips, which
//! many share. They come in the order in which they were found, so that a directory comes before those in it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinHandle;

use crate::link::Link;
use crate::remote::failed::Failed;

/// Directories that are asked for at once.
const AT_ONCE: usize = 16;

/// What is asked of a directory.
pub(super) type Ask<R> = fn(Arc<Link>, Vec<u8>) -> Pin<Box<dyn Future<Output = Result<R, Failed>> + Send>>;

/// A directory, what the walker knows of it, and its answer.
pub(super) struct Answered<T, R> {
    pub path: Vec<u8>,
    pub known: T,
    pub answer: Result<R, Failed>,
}

type Asked<T, R> = (Vec<u8>, T, JoinHandle<Result<R, Failed>>);

/// Directories that wait, and those that are asked for.
pub(super) struct Ahead<T, R> {
    link: Arc<Link>,
    ask: Ask<R>,
    waiting: VecDeque<(Vec<u8>, T)>,
    asked: VecDeque<Asked<T, R>>,
}

impl<T, R: Send + 'static> Ahead<T, R> {
    pub fn new(link: &Arc<Link>, ask: Ask<R>) -> Self {
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

    /// The next one; `None`: that was all.
    pub async fn next(&mut self) -> Option<Answered<T, R>> {
        while self.asked.len() < AT_ONCE
            && let Some((path, known)) = self.waiting.pop_front()
        {
            let asking = (self.ask)(Arc::clone(&self.link), path.clone());
            // Not ended with this: it would leave a directory open on the server.
            let asking = tokio::spawn(asking);
            self.asked.push_back((path, known, asking));
        }
        let (path, known, asking) = self.asked.pop_front()?;
        // Nothing aborts it.
        let answer = asking.await.unwrap_or(Err(Failed::Nonsense("an answer")));
        Some(Answered { path, known, answer })
    }
}
