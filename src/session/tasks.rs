//! The tasks of one connection: its commands, and the SFTP requests that wait. They are polled together with the
//! connection, and so by the thread that serves it: they use that thread's time and not the event loop's, none of them
//! waits for a lock that a callback holds, and all of them end with the connection.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::stream::{FuturesUnordered, Stream};
use parking_lot::Mutex;

use super::stream::BoxFuture;

/// Starts tasks of one connection. A clone starts tasks of the same connection.
#[derive(Clone)]
pub struct TaskStarter(Arc<Mutex<StartedTasks>>);

/// What was started since the connection was polled last.
struct StartedTasks {
    /// `None` once the connection has ended. A channel starts one task at a time, so these are few.
    tasks: Option<Vec<BoxFuture<'static, ()>>>,
    /// Wakes the connection.
    waker: Option<Waker>,
}

/// The tasks of one connection. Dropping this ends them.
pub struct ConnectionTasks {
    starter: TaskStarter,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
    /// Whether the tasks were polled before the connection the last time.
    were_first: bool,
}

impl TaskStarter {
    /// Starts a task. It is dropped at once if the connection has ended.
    pub fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut started = self.0.lock();
        let Some(tasks) = &mut started.tasks else {
            return;
        };
        tasks.push(Box::pin(task));
        let waker = started.waker.take();
        drop(started);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl ConnectionTasks {
    /// Creates the tasks of a connection that has started none yet.
    pub fn new() -> Self {
        let started = StartedTasks {
            tasks: Some(Vec::new()),
            waker: None,
        };
        Self {
            starter: TaskStarter(Arc::new(Mutex::new(started))),
            running: FuturesUnordered::new(),
            were_first: false,
        }
    }

    /// Returns what starts tasks of this connection.
    pub fn starter(&self) -> TaskStarter {
        self.starter.clone()
    }

    /// Polls a connection and its tasks. Every second time the tasks are the first ones, because a connection that
    /// always has something to do uses up what one poll may do.
    pub fn poll_with<T>(
        &mut self,
        cx: &mut Context<'_>,
        connection: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        self.were_first = !self.were_first;
        if self.were_first {
            self.poll(cx);
        }
        let polled = connection(cx);
        // Whatever the connection has started begins now.
        if polled.is_pending() {
            self.poll(cx);
        }
        polled
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        loop {
            self.take_started(cx);
            if self.running.is_empty() {
                return;
            }
            while let Poll::Ready(Some(())) = Pin::new(&mut self.running).poll_next(cx) {}
            let nothing_started = self.starter.0.lock().tasks.as_ref().is_none_or(Vec::is_empty);
            if nothing_started {
                return;
            }
        }
    }

    fn take_started(&mut self, cx: &Context<'_>) {
        let mut started = self.starter.0.lock();
        match &mut started.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        if let Some(tasks) = &mut started.tasks {
            self.running.extend(tasks.drain(..));
        }
    }

    /// Ends all tasks, and those that are started from now on.
    pub fn end(&mut self) {
        // A task may hold what starts tasks, so it is dropped without the lock, and nothing stays in a circle.
        let started = self.starter.0.lock().tasks.take();
        drop(started);
        self.running.clear();
    }
}

impl Default for ConnectionTasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ConnectionTasks {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::ThreadId;
    use std::time::Duration;

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::{mpsc, oneshot};

    fn event_loop() -> Runtime {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    }

    /// A task runs on the thread that polls its connection, and goes with it to another event loop.
    #[test]
    fn tasks_go_with_their_connection() {
        let (first, second) = (event_loop(), event_loop());
        let mut tasks = ConnectionTasks::new();
        let (ask, mut asked) = mpsc::channel::<oneshot::Sender<ThreadId>>(1);
        let starter = tasks.starter();
        let mut to_start = Some(async move {
            while let Some(reply) = asked.recv().await {
                reply.send(std::thread::current().id()).unwrap();
            }
        });
        for event_loop in [&first, &second, &first] {
            let ask = ask.clone();
            tasks = event_loop.block_on(async {
                let (leave, mut left) = oneshot::channel();
                let starter = starter.clone();
                let started = to_start.take();
                let polling = event_loop.spawn(async move {
                    let mut started = started;
                    std::future::poll_fn(|cx| {
                        tasks.poll_with(cx, |cx| {
                            if let Some(task) = started.take() {
                                starter.start(task);
                            }
                            Pin::new(&mut left).poll(cx)
                        })
                    })
                    .await
                    .unwrap();
                    (tasks, std::thread::current().id())
                });
                let (reply, replied) = oneshot::channel();
                ask.send(reply).await.unwrap();
                let worker = replied.await.unwrap();
                leave.send(()).unwrap();
                let (back, polled_by) = polling.await.unwrap();
                assert_eq!(worker, polled_by);
                back
            });
        }
        drop(tasks);
        assert!(ask.is_closed(), "the task has ended with its connection");
    }

    /// A connection that always has something to do leaves its tasks a part of each second poll.
    #[tokio::test]
    async fn a_busy_connection_does_not_starve_its_tasks() {
        let mut tasks = ConnectionTasks::new();
        let done = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&done);
        tasks.starter().start(async move {
            loop {
                tokio::task::coop::consume_budget().await;
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let busy = std::future::poll_fn(|cx| {
            tasks.poll_with(cx, |cx| {
                // It works until its budget is used up, whatever is left of it.
                let mut work = std::pin::pin!(async {
                    for _ in 0..10_000 {
                        tokio::task::coop::consume_budget().await;
                    }
                });
                let _ = work.as_mut().poll(cx);
                Poll::<()>::Pending
            })
        });
        let over = tokio::time::timeout(Duration::from_millis(200), busy).await;
        assert!(over.is_err());
        assert!(done.load(Ordering::Relaxed) > 1_000, "{done:?}");
    }

    /// A task that is started from outside of a poll is not forgotten, and one that never ran is dropped.
    #[tokio::test]
    async fn tasks_are_started_and_dropped_at_any_time() {
        let mut tasks = ConnectionTasks::new();
        let starter = tasks.starter();
        let mut polling = tokio::spawn(async move {
            std::future::poll_fn(|cx| tasks.poll_with(cx, |_| Poll::<()>::Pending)).await;
        });
        let early = tokio::time::timeout(Duration::from_millis(20), &mut polling).await;
        assert!(early.is_err());
        let (report, reported) = oneshot::channel();
        starter.start(async move { report.send(1).unwrap() });
        assert_eq!(reported.await, Ok(1));
        polling.abort();
        assert!(polling.await.unwrap_err().is_cancelled());
        // After the end, and in a circle before it.
        let (report, reported) = oneshot::channel::<()>();
        starter.start(async move { drop(report) });
        assert!(reported.await.is_err());
        let tasks = ConnectionTasks::new();
        let (report, reported) = oneshot::channel::<()>();
        let itself = tasks.starter();
        tasks.starter().start(async move { drop((itself, report)) });
        drop(tasks);
        assert!(reported.await.is_err());
    }
}
