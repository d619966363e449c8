//! The server as the client's commands see it: one connection at a time, and a new one when it breaks.
//!
//! A connection that is lost stays lost: each caller with pending work on it gets [`RemoteError::ConnectionLost`],
//! calls [`Remote::link`] again and decides what is left to do. Only one caller dials; the others wait for the result.

pub mod prompts_above_progress;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::connect::{self, ConnectError, Credentials, Destination, Prompts, Route, SshProgram};
use crate::link::{
    ConnectionLost, Link, OpenError, OpenLimits, ProgramTransport, RemoteError, ReplyLimits, SharedChannel,
    SshHandler, SshTransport,
};
use crate::verbose;
use base::visible::printable_lines;
use prompts_above_progress::{PausableDisplay, PromptsAboveProgress};

/// The pauses before each attempt to connect again after a connection was lost: half a minute in all.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
    Duration::from_secs(16),
];

/// How much longer the system's ssh may take to sign in where somebody may have to confirm on a phone, or touch a key.
const CONFIRMATION: Duration = Duration::from_secs(120);
/// How long the system's ssh may take with all its prompts, which have no limit of their own.
const WITH_PROMPTS: Duration = Duration::from_secs(24 * 3600);

/// The attempts to connect, each with the pause before it: those of [`PAUSES`], and more with the last pause until
/// `retry_for` has passed.
struct Attempts {
    number: usize,
    until: Instant,
    retry_for: Duration,
}

impl Attempts {
    fn new(retry_for: Duration) -> Self {
        Self {
            number: 0,
            until: Instant::now() + retry_for,
            retry_for,
        }
    }

    /// The pause before the next attempt, and which attempt that is. `None`: there are no more.
    fn next(&mut self, now: Instant) -> Option<(Duration, String)> {
        let pause = match PAUSES.get(self.number) {
            Some(pause) => *pause,
            None if now < self.until => *PAUSES.last()?,
            None => return None,
        };
        self.number += 1;
        let which = match self.retry_for.is_zero() {
            true => format!("{} of {}", self.number, PAUSES.len()),
            false => {
                let left = self.until.saturating_duration_since(now).as_secs();
                format!("attempt {}, for {left} s more", self.number)
            }
        };
        Some((pause, which))
    }

    /// The same for the first connection, which is not tried for longer than was asked for.
    fn next_at_first(&mut self, now: Instant) -> Option<(Duration, String)> {
        let left = self.until.saturating_duration_since(now);
        if left.is_zero() {
            return None;
        }
        let (pause, which) = self.next(now)?;
        Some((pause.min(left), which))
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFailure {
    /// Connecting or signing in failed.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The connection was made, but SFTP does not work on it.
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl ConnectFailure {
    /// The program's exit code for this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Connect(error) => error.exit_code(),
            Self::Open(_) => 1,
        }
    }

    /// Whether another attempt may succeed. It cannot if the user has to decide something.
    fn may_pass(&self) -> bool {
        match self {
            Self::Connect(error) => error.may_pass(),
            Self::Open(error) => matches!(
                error,
                OpenError::Transport(_)
                    | OpenError::Silent(_)
                    | OpenError::NoAnswer(..)
                    | OpenError::NotBegun(..)
                    | OpenError::ConnectionLost(_)
            ),
        }
    }

    /// Whether another attempt may succeed although there was never a connection: the server may not be up yet.
    fn may_pass_at_first(&self) -> bool {
        match self {
            Self::Connect(error) => error.may_pass_at_first(),
            Self::Open(_) => self.may_pass(),
        }
    }
}

/// A server, with the connection on which the user is signed in.
pub struct Remote {
    destination: Destination,
    credentials: Arc<Credentials>,
    prompts: Arc<dyn Prompts>,
    screen_prompts: Arc<PromptsAboveProgress>,
    link: Mutex<Arc<Link>>,
    /// For how long a lost connection is made again, at least.
    retry_for: Duration,
}

impl Remote {
    /// Connects and signs in, in one attempt.
    ///
    /// # Errors
    /// When a step fails; the error says which.
    pub async fn connect(
        destination: Destination,
        credentials: Credentials,
        prompts: Arc<dyn Prompts>,
    ) -> Result<Self, ConnectFailure> {
        Self::connect_within(destination, credentials, prompts, Duration::ZERO).await
    }

    /// Connects and signs in, and tries that again for this long if the server does not answer. A lost connection is
    /// made again for at least as long.
    ///
    /// # Errors
    /// When a step fails at the last attempt, or in a way that does not pass; the error says which.
    pub async fn connect_within(
        destination: Destination,
        credentials: Credentials,
        prompts: Arc<dyn Prompts>,
        retry_for: Duration,
    ) -> Result<Self, ConnectFailure> {
        let screen_prompts = Arc::new(PromptsAboveProgress::new(prompts));
        let prompts = Arc::clone(&screen_prompts) as Arc<dyn Prompts>;
        let screen = Arc::clone(&prompts);
        verbose::show_with(Arc::new(move |line: &str| screen.show(line)));
        let credentials = Arc::new(credentials);
        let mut attempts = Attempts::new(retry_for);
        let link = loop {
            let error = match dial(&destination, &credentials, &prompts).await {
                Ok(link) => break link,
                Err(error) => error,
            };
            let next = attempts.next_at_first(Instant::now());
            let Some((pause, which)) = next.filter(|_| error.may_pass_at_first()) else {
                return Err(error);
            };
            let wait = pause.as_secs_f32();
            prompts.show(&format!("{error}; connecting again in {wait:.1} s ({which})"));
            tokio::time::sleep(pause).await;
        };
        Ok(Self {
            destination,
            credentials,
            prompts,
            screen_prompts,
            link: Mutex::new(Arc::new(link)),
            retry_for,
        })
    }

    /// The connection; a new one if the last is lost, after five attempts or as many as the time allows.
    ///
    /// # Errors
    /// The last attempt's error, if no connection can be made.
    pub async fn link(&self) -> Result<Arc<Link>, RemoteError> {
        let mut current = self.link.lock().await;
        if !current.channel.is_lost() {
            return Ok(Arc::clone(&current));
        }
        let mut lost = current.channel.lost();
        let notice = current.channel.notice();
        if !notice.is_empty() {
            self.show(&printable_lines(&notice, 5, 500));
        }
        let mut attempts = Attempts::new(self.retry_for);
        while let Some((pause, which)) = attempts.next(Instant::now()) {
            let wait = pause.as_secs_f32();
            self.show(&format!("{lost}; connecting again in {wait} s ({which})"));
            self.wait(pause).await;
            match dial(&self.destination, &self.credentials, &self.prompts).await {
                Ok(link) => {
                    *current = Arc::new(link);
                    self.show("connected again");
                    return Ok(Arc::clone(&current));
                }
                Err(error) => {
                    let goes_on = error.may_pass();
                    lost = ConnectionLost(error.to_string().into());
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Err(lost.into())
    }

    /// Waits before an attempt to connect, and has the display count down.
    async fn wait(&self, pause: Duration) {
        self.screen_prompts.reconnecting(Some(Instant::now() + pause));
        tokio::time::sleep(pause).await;
        self.screen_prompts.reconnecting(None);
    }

    /// The current connection if it is up. This never reconnects, prompts or waits.
    pub fn link_now(&self) -> Option<Arc<Link>> {
        let current = self.link.try_lock().ok()?;
        (!current.channel.is_lost()).then(|| Arc::clone(&current))
    }

    /// Makes this display the one that draws on the screen, as long as it lives: messages and prompts go through it.
    pub fn set_display(&self, screen: std::sync::Weak<dyn PausableDisplay>) {
        self.screen_prompts.set_display(screen);
    }

    /// Shows a message to the user.
    pub fn show(&self, message: &str) {
        self.prompts.show(message);
    }

    /// Waits until cancelled prompts have ended.
    pub async fn wait_for_questions(&self) {
        let screen_prompts = Arc::clone(&self.screen_prompts);
        // The closure cannot panic.
        let _ = tokio::task::spawn_blocking(move || screen_prompts.wait()).await;
    }

    /// The prompts for the user.
    pub fn prompts(&self) -> &Arc<dyn Prompts> {
        &self.prompts
    }

    /// The name of the user on the server.
    pub fn user(&self) -> &str {
        &self.destination.sign_in.user
    }

    /// The host as it was given on the command line.
    pub fn name(&self) -> &str {
        &self.destination.given
    }

    /// Sends a disconnect message, and closes the connection.
    pub async fn close(&self) {
        self.link.lock().await.close().await;
    }
}

async fn dial(
    destination: &Destination,
    credentials: &Arc<Credentials>,
    prompts: &Arc<dyn Prompts>,
) -> Result<Link, ConnectFailure> {
    let limits = OpenLimits {
        answer: destination.connect_timeout,
        replies: ReplyLimits::default(),
    };
    if let Route::Ssh(program) = &destination.route {
        return dial_by_ssh(program, destination, credentials, Arc::clone(prompts)).await;
    }
    let wiring = SharedChannel::default();
    let events = |callbacks| SshHandler::new(callbacks, wiring.clone());
    let connection = connect::connect(destination, credentials, Arc::clone(prompts), events).await?;
    Ok(Link::open(Box::new(SshTransport::new(connection, wiring)), limits).await?)
}

/// Lets the system's ssh connect and sign in. It has its own limits, and ours for the whole.
async fn dial_by_ssh(
    program: &SshProgram,
    destination: &Destination,
    credentials: &Arc<Credentials>,
    prompts: Arc<dyn Prompts>,
) -> Result<Link, ConnectFailure> {
    let (process, stream) = connect::start_ssh(program, credentials, prompts)?;
    let process = Arc::new(process);
    let limit = match destination.batch {
        true => destination.connect_timeout,
        false => destination.connect_timeout + CONFIRMATION,
    };
    let limits = OpenLimits {
        answer: WITH_PROMPTS,
        replies: ReplyLimits::default(),
    };
    let transport = Box::new(ProgramTransport::new(Arc::clone(&process), stream));
    match process.within(limit, Link::open(transport, limits)).await {
        Some(Ok(link)) => {
            process.signed_in();
            Ok(link)
        }
        Some(Err(OpenError::Silent(_))) => Err(process.failure(destination, None).into()),
        Some(Err(error)) => Err(error.into()),
        None => Err(process.failure(destination, Some(limit)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_go_on_until_the_time_has_passed() {
        for (retry_for, expected) in [(0, 5), (10, 5), (60, 7), (600, 41)] {
            let mut attempts = Attempts::new(Duration::from_secs(retry_for));
            let mut now = attempts.until - Duration::from_secs(retry_for);
            let mut count = 0;
            while let Some((pause, _)) = attempts.next(now) {
                now += pause;
                count += 1;
            }
            assert_eq!(count, expected, "{retry_for}");
        }
        let which = |retry_for| {
            let mut attempts = Attempts::new(Duration::from_secs(retry_for));
            let now = attempts.until - Duration::from_secs(retry_for);
            attempts.next(now).unwrap().1
        };
        let mut first = Attempts::new(Duration::from_secs(1));
        let begin = first.until - Duration::from_secs(1);
        let pauses = [0, 500, 999, 1000].map(|after| {
            let next = first.next_at_first(begin + Duration::from_millis(after));
            next.map(|(pause, _)| pause.as_millis())
        });
        // No pause is longer than what is left.
        assert_eq!(pauses, [Some(500), Some(500), Some(1), None]);
        assert!(
            Attempts::new(Duration::ZERO)
                .next_at_first(Instant::now())
                .is_none()
        );
        assert_eq!(which(0), "1 of 5");
        assert_eq!(which(600), "attempt 1, for 600 s more");
    }
}
