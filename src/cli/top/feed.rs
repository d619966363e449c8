//! Asks the server once a second, on a thread of its own, so that keys work while the server does not answer.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use crate::cli::work;
use crate::control::client::Client;
use crate::ops::running::{DisconnectTarget, RunningServer, SessionView, StatusView};
use crate::ops::sessions;
use base::error::{Error, Result};

/// How often the server is asked.
const EVERY: Duration = Duration::from_secs(1);

/// What the server did at one moment.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TopSample {
    /// When the answer arrived.
    pub taken: Instant,
    /// The server as a whole.
    pub status: StatusView,
    /// Its sessions, oldest first.
    pub sessions: Vec<SessionView>,
}

impl TopSample {
    /// Asks the server.
    ///
    /// # Errors
    /// Returns an error if no server is running, or if it does not answer.
    pub async fn take(server: &dyn RunningServer) -> Result<Self> {
        let status = server.status().await?;
        let sessions = sessions::list(server).await?;
        Ok(Self {
            taken: Instant::now(),
            status,
            sessions,
        })
    }
}

/// News of the server.
#[derive(Debug)]
pub(super) enum FeedEvent {
    /// The server has answered.
    Sample(Box<TopSample>),
    /// The server has not answered, for this reason.
    Silent(Error),
    /// A session was disconnected, or could not be.
    Kicked(Result<usize>),
}

/// The thread that asks the server. It ends when this is dropped, or with the process.
pub(super) struct Feed {
    kicks: Sender<u64>,
    events: Receiver<FeedEvent>,
}

impl Feed {
    /// Starts the thread.
    ///
    /// # Errors
    /// Returns an error if there can be no thread.
    pub fn start(client: Client) -> Result<Self> {
        let (kicks, asked) = channel();
        let (news, events) = channel();
        let ask = move || ask(&client, &asked, &news);
        let thread = std::thread::Builder::new().name("top".into()).spawn(ask);
        thread.map_err(|error| Error::new("cannot start top").because(error))?;
        Ok(Self { kicks, events })
    }

    /// Has a session disconnected.
    pub fn kick(&self, id: u64) {
        // The thread lives as long as this.
        let _ = self.kicks.send(id);
    }

    /// Returns the news since the last call.
    pub fn events(&self) -> impl Iterator<Item = FeedEvent> {
        self.events.try_iter()
    }
}

/// Asks until nobody listens any more.
fn ask(client: &Client, kicks: &Receiver<u64>, news: &Sender<FeedEvent>) {
    loop {
        let event = match kicks.recv_timeout(EVERY) {
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => match work::wait(TopSample::take(client)).flatten() {
                Ok(sample) => FeedEvent::Sample(Box::new(sample)),
                Err(error) => FeedEvent::Silent(error),
            },
            Ok(id) => {
                let kicked = sessions::disconnect(DisconnectTarget::Session(id), client);
                FeedEvent::Kicked(work::wait(kicked).flatten())
            }
        };
        if news.send(event).is_err() {
            return;
        }
    }
}
