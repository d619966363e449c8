//! The server as the client's commands see it: one connection at a time, made anew when it breaks.
//!
//! A connection that is lost stays lost: whoever had work on it gets [`Failed::Lost`], asks for [`Remote::link`] again
//! and decides what is still to be done. Only one of them dials; the others wait for the result.

pub mod aside;
pub mod failed;
pub mod files;
pub mod prove;
pub mod space;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::connect::{ConnectError, Credentials, Destination, Prompts, connect};
use super::link::{Events, Link, OpenError, Wiring};
use super::printable::printable_lines;
use aside::{Aside, Screen};
use failed::Failed;

/// Before each new attempt to connect after a connection was lost: half a minute in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unconnected {
    /// It was not made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// It was made, and is of no use.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Unconnected {
    /// Of the program.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(error) => error.exit_code(),
            Self::Open(_) => 1,
        }
    }

    /// Would another attempt make sense? Not where somebody has to decide something.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connect(error) => error.may_pass(),
            Self::Open(error) => matches!(
                error,
                OpenError::Ssh(_) | OpenError::Silent(_) | OpenError::Lost(_)
            ),
        }
    }
}

/// A server that somebody is signed in to.
pub struct Remote {
    destination: Destination,
    credentials: Credentials,
    prompts: Arc<dyn Prompts>,
    aside: Arc<Aside>,
    link: Mutex<Arc<Link>>,
}

impl Remote {
    /// Connects and signs in.
    ///
    /// # Errors
    /// Says which step failed.
    pub async fn connect(
        destination: Destination,
        credentials: Credentials,
        prompts: Arc<dyn Prompts>,
    ) -> Result<Self, Unconnected> {
        let aside = Arc::new(Aside::new(prompts));
        let prompts = Arc::clone(&aside) as Arc<dyn Prompts>;
        let link = dial(&destination, &credentials, &prompts).await?;
        Ok(Self {
            destination,
            credentials,
            prompts,
            aside,
            link: Mutex::new(Arc::new(link)),
        })
    }

    /// The connection; a new one if the last is lost, after up to five attempts.
    ///
    /// # Errors
    /// When none can be made; the last reason is given.
    pub async fn link(&self) -> Result<Arc<Link>, Failed> {
        let mut current = self.link.lock().await;
        if !current.is_lost() {
            return Ok(Arc::clone(&current));
        }
        let mut lost = current.lost();
        let notice = current.notice();
        if !notice.is_empty() {
            self.tell(&printable_lines(&notice, 5, 500));
        }
        for (number, pause) in PAUSES.iter().enumerate() {
            self.tell(&format!(
                "{lost}; connecting again ({} of {})",
                number + 1,
                PAUSES.len()
            ));
            tokio::time::sleep(*pause).await;
            match dial(&self.destination, &self.credentials, &self.prompts).await {
                Ok(link) => {
                    *current = Arc::new(link);
                    self.tell("connected again");
                    return Ok(Arc::clone(&current));
                }
                Err(error) => {
                    let goes_on = error.may_pass();
                    lost = super::link::Lost(error.to_string().into());
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Err(lost.into())
    }

    /// The connection, if there is one and nobody is making another: for what nobody waits for, or is asked for.
    pub fn link_now(&self) -> Option<Arc<Link>> {
        let current = self.link.try_lock().ok()?;
        (!current.is_lost()).then(|| Arc::clone(&current))
    }

    /// From now on this one draws on the screen, as long as it lives: what is said and asked goes by way of it.
    pub fn beside(&self, screen: std::sync::Weak<dyn Screen>) {
        self.aside.beside(screen);
    }

    /// Says something to the person, if there is one.
    pub fn tell(&self, message: &str) {
        self.prompts.tell(message);
    }

    /// Waits until no question is open that nobody wants an answer to any more.
    pub async fn questions_end(&self) {
        let aside = Arc::clone(&self.aside);
        // It cannot panic.
        let _ = tokio::task::spawn_blocking(move || aside.wait()).await;
    }

    /// Who can be asked.
    pub fn prompts(&self) -> &Arc<dyn Prompts> {
        &self.prompts
    }

    /// As it was given on the command line.
    pub fn name(&self) -> &str {
        &self.destination.given
    }

    /// Says goodbye.
    pub async fn close(&self) {
        self.link.lock().await.close().await;
    }
}

async fn dial(
    destination: &Destination,
    credentials: &Credentials,
    prompts: &Arc<dyn Prompts>,
) -> Result<Link, Unconnected> {
    let wiring = Wiring::default();
    let events = |callbacks| Events::new(callbacks, wiring.clone());
    let connection = connect(destination, credentials, Arc::clone(prompts), events).await?;
    Ok(Link::open(connection, wiring).await?)
}
