//! The connection of one run, as a transfer or another command sees it: work is done on it, and repeated on another one
//! when it breaks. This is the only place that repeats work; [`breaks`](super::breaks) decides how often.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Mutex;

use super::breaks::{Breaks, FruitlessBreaks, ProgressAtBreak};
use super::progress_hub::Totals;
use crate::link::{Link, RemoteError};
use crate::remote::Remote;
use crate::remote::connections::{ConnectionLease, Connections};

/// The connection of one run. It is made again when it is lost.
pub struct RunConnection {
    remote: Arc<Remote>,
    connections: Arc<Connections>,
    /// The counters that tell whether the run gets further.
    totals: Arc<Totals>,
    /// The breaks of the first connection since the last progress of the run.
    breaks: parking_lot::Mutex<FruitlessBreaks>,
    /// The reason why no connection could be made. Once it is known, nothing else waits for another attempt.
    gone: Mutex<Option<RemoteError>>,
}

impl RunConnection {
    /// A connection that has not broken yet, for a run that counts its progress in `totals`.
    pub fn new(remote: Arc<Remote>, connections: Arc<Connections>, totals: Arc<Totals>) -> Arc<Self> {
        Arc::new(Self {
            remote,
            connections,
            totals,
            breaks: parking_lot::Mutex::default(),
            gone: Mutex::new(None),
        })
    }

    /// The only connection of a command that transfers nothing.
    pub fn alone(remote: &Arc<Remote>) -> Arc<Self> {
        let connections = Connections::new(Arc::clone(remote), 1);
        Self::new(Arc::clone(remote), connections, Arc::default())
    }

    /// The first connection. While that is down, one beside it that is up; if none is, the first is made again.
    ///
    /// # Errors
    /// When none can be made now, or none could be made before in this run.
    pub async fn link(&self) -> Result<Arc<Link>, RemoteError> {
        if self.remote.is_down()
            && let Some(link) = self.connections.beside_first()
        {
            return Ok(link);
        }
        let first = self.first().await;
        // One beside it may have come up meanwhile.
        first.or_else(|failed| self.connections.beside_first().ok_or(failed))
    }

    /// The first connection; a new one if it is lost.
    async fn first(&self) -> Result<Arc<Link>, RemoteError> {
        let mut gone = self.gone.lock().await;
        if let Some(failed) = &*gone {
            return Err(failed.clone());
        }
        let outage = || {
            let progress = self.totals.progress();
            self.breaks.lock().broke(progress, Instant::now())
        };
        let link = self.remote.link_after(outage).await;
        *gone = link.as_ref().err().cloned();
        link
    }

    /// The connection for a job: the one with the fewest jobs of those that are up. If none is, the first is made again.
    ///
    /// # Errors
    /// When none can be made now, or none could be made before in this run.
    pub(super) async fn lease(&self) -> Result<ConnectionLease, RemoteError> {
        if let Some(lease) = self.connections.take().await {
            return Ok(lease);
        }
        let link = self.first().await?;
        Ok(self.connections.first(link))
    }

    /// The breaks that one file, or one operation on the server, has seen: none so far.
    pub fn breaks(&self) -> Breaks {
        Breaks::new(self.remote.retry_rule(), self.totals.progress())
    }

    /// The attempts at one piece of work, for work that keeps what it has reached when the connection breaks.
    pub fn attempts(self: &Arc<Self>) -> WorkAttempts {
        WorkAttempts {
            connection: Arc::clone(self),
            breaks: self.breaks(),
            steps: 0,
            again: false,
        }
    }

    /// Does work on the connection, and does it again on another one when that breaks. The work learns whether an earlier
    /// attempt may have been carried out.
    ///
    /// # Errors
    /// When the server refuses, or no connection can be made any more.
    pub async fn repeated<T, F>(
        self: &Arc<Self>,
        work: impl Fn(Arc<Link>, bool) -> F,
    ) -> Result<T, RemoteError>
    where
        F: Future<Output = Result<T, RemoteError>>,
    {
        let mut attempts = self.attempts();
        loop {
            let link = self.link().await?;
            let result = work(link, attempts.again).await;
            if !matches!(result, Err(RemoteError::ConnectionLost(_))) {
                attempts.advanced();
                return result;
            }
            if !attempts.allow_another() {
                return result;
            }
        }
    }
}

/// The attempts at one piece of work of a run.
pub struct WorkAttempts {
    connection: Arc<RunConnection>,
    breaks: Breaks,
    /// How many steps of the work are done.
    steps: u64,
    /// Whether the connection broke at an earlier attempt, which may have been carried out.
    again: bool,
}

impl WorkAttempts {
    /// The connection for the next attempt.
    ///
    /// # Errors
    /// When none can be made any more.
    pub async fn link(&self) -> Result<Arc<Link>, RemoteError> {
        self.connection.link().await
    }

    /// Whether the connection broke at an earlier attempt, which may have been carried out.
    pub fn is_again(&self) -> bool {
        self.again
    }

    /// Counts a step that is done and will not be repeated.
    pub fn advanced(&mut self) {
        self.steps = self.steps.saturating_add(1);
        self.connection.totals.operation_ended();
    }

    /// Counts a break of the connection, and returns whether another attempt is worth it.
    pub fn allow_another(&mut self) -> bool {
        self.again = true;
        self.breaks.allow_another(ProgressAtBreak {
            run: self.connection.totals.progress(),
            file: self.steps,
        })
    }
}
