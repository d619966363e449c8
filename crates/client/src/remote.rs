//! The server as the client's commands see it: one connection at a time, and a new one when it breaks.
//!
//! A connection that is lost stays lost: each caller with pending work on it gets [`RemoteError::ConnectionLost`],
//! calls [`Remote::link`] again and decides what is left to do. Only one caller dials; the others wait for the result.

pub mod connections;
mod dialer;
mod failure;
mod passing_failures;
pub mod prompts_above_progress;
mod retries;

pub use failure::ConnectFailure;
pub use retries::{Outage, RetryRule};

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

use crate::connect::{Credentials, Destination, Prompts};
use crate::link::{ConnectionLost, Link, RemoteError};
use crate::verbose;
use base::visible::printable_lines;
use dialer::{ConnectionRole, Dialer};
use prompts_above_progress::{PausableDisplay, PromptsAboveProgress};
use retries::{ATTEMPTS, Attempts, PAUSES};

/// A server, with the connection on which the user is signed in.
pub struct Remote {
    dialer: Dialer,
    prompts: Arc<dyn Prompts>,
    screen_prompts: Arc<PromptsAboveProgress>,
    link: Mutex<Arc<Link>>,
    /// Whether somebody makes the lost connection again at the moment.
    reconnecting: AtomicBool,
    /// What decides how long a lost connection is made again.
    retry_rule: RetryRule,
    /// The pauses before the attempts to make a lost connection again.
    pauses: [Duration; ATTEMPTS],
    /// The hints that were shown while connecting again.
    hints: parking_lot::Mutex<HashSet<String>>,
}

/// Marks a connection as one that is made again, until this is dropped.
struct Reconnecting<'a>(&'a AtomicBool);

impl<'a> Reconnecting<'a> {
    fn begin(mark: &'a AtomicBool) -> Self {
        mark.store(true, Ordering::Relaxed);
        Self(mark)
    }
}

impl Drop for Reconnecting<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The reason for which there is no connection, without its hint if that was shown before.
fn with_new_hint<'a>(why: &'a str, shown: &mut HashSet<String>) -> Cow<'a, str> {
    match why.rsplit_once(" (hint: ") {
        Some((reason, hint)) if !shown.insert(hint.to_owned()) => reason.into(),
        _ => why.into(),
    }
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
        Self::connect_by(destination, credentials, prompts, RetryRule::Count).await
    }

    /// Connects and signs in. If the rule gives a time, that is tried again for this long if the server does not answer.
    /// A lost connection is made again by the same rule.
    ///
    /// # Errors
    /// When a step fails at the last attempt, or in a way that does not pass; the error says which.
    pub async fn connect_by(
        destination: Destination,
        credentials: Credentials,
        prompts: Arc<dyn Prompts>,
        retry_rule: RetryRule,
    ) -> Result<Self, ConnectFailure> {
        let screen_prompts = Arc::new(PromptsAboveProgress::new(prompts));
        let prompts = Arc::clone(&screen_prompts) as Arc<dyn Prompts>;
        let screen = Arc::clone(&prompts);
        verbose::show_with(Arc::new(move |line: &str| screen.show(line)));
        let dialer = Dialer::new(destination, Arc::new(credentials), Arc::clone(&prompts));
        let mut attempts = Attempts::new(retry_rule, PAUSES, Outage::new(Instant::now()));
        let mut hints = HashSet::new();
        let link = loop {
            let error = match dialer.dial(attempts.limit(Instant::now())).await {
                Ok(link) => break link,
                Err(error) => error,
            };
            if retry_rule == RetryRule::Count || !error.may_pass_at_first() {
                return Err(error);
            }
            let Some(next) = attempts.next(Instant::now()) else {
                return Err(error);
            };
            let (wait, which) = (next.seconds(), &next.which);
            let error = error.to_string();
            let error = with_new_hint(&error, &mut hints);
            prompts.show(&format!("{error}; connecting again in {wait} s ({which})"));
            tokio::time::sleep(next.pause).await;
        };
        Ok(Self {
            dialer,
            prompts,
            screen_prompts,
            link: Mutex::new(Arc::new(link)),
            reconnecting: AtomicBool::new(false),
            retry_rule,
            pauses: PAUSES,
            hints: parking_lot::Mutex::default(),
        })
    }

    /// Replaces the pauses before the attempts to make a lost connection again, which take half a minute in all.
    pub fn set_pauses(&mut self, pauses: [Duration; ATTEMPTS]) {
        self.pauses = pauses;
    }

    /// Replaces what decides how long a lost connection is made again.
    pub fn set_retry_rule(&mut self, rule: RetryRule) {
        self.retry_rule = rule;
    }

    /// What decides how long a lost connection is made again.
    pub fn retry_rule(&self) -> RetryRule {
        self.retry_rule
    }

    /// Why there can be no connection beside this one. `None`: there can, unless the server refuses it.
    pub fn why_alone(&self) -> Option<&'static str> {
        self.dialer.why_alone()
    }

    /// Makes another connection beside this one, without asking the user anything. It is made again by the same rule.
    ///
    /// # Errors
    /// When a step fails, or would need an answer of the user.
    pub async fn connect_beside(&self) -> Result<Self, ConnectFailure> {
        let dialer = self.dialer.beside();
        let link = dialer.dial(None).await?;
        Ok(Self {
            dialer,
            prompts: Arc::clone(&self.prompts),
            screen_prompts: Arc::clone(&self.screen_prompts),
            link: Mutex::new(Arc::new(link)),
            reconnecting: AtomicBool::new(false),
            retry_rule: self.retry_rule,
            pauses: self.pauses,
            hints: parking_lot::Mutex::default(),
        })
    }

    /// The connection; a new one if the last is lost, for a caller that takes each break for the first one.
    ///
    /// # Errors
    /// The last attempt's error, if no connection can be made.
    pub async fn link(&self) -> Result<Arc<Link>, RemoteError> {
        self.link_after(|| Outage::new(Instant::now())).await
    }

    /// The connection; a new one if the last is lost, after five attempts or as many as the time allows. `outage` is
    /// called only if it is lost.
    ///
    /// # Errors
    /// The last attempt's error, if no connection can be made.
    pub async fn link_after(&self, outage: impl FnOnce() -> Outage) -> Result<Arc<Link>, RemoteError> {
        let mut current = self.link.lock().await;
        if !current.channel.is_lost() {
            return Ok(Arc::clone(&current));
        }
        let mut lost = current.channel.lost();
        let mut why = lost.to_string();
        let notice = current.channel.notice();
        if !notice.is_empty() {
            self.show(&printable_lines(&notice, 5, 500));
        }
        let _reconnecting = Reconnecting::begin(&self.reconnecting);
        let mut attempts = Attempts::new(self.retry_rule, self.pauses, outage());
        while let Some(next) = attempts.next(Instant::now()) {
            let (wait, which) = (next.seconds(), &next.which);
            let whose = match self.dialer.role {
                ConnectionRole::First => "",
                ConnectionRole::Beside => "one of several connections: ",
            };
            let reason = with_new_hint(&why, &mut self.hints.lock()).into_owned();
            self.show(&format!(
                "{whose}{reason}; connecting again in {wait} s ({which})"
            ));
            self.wait(next.pause).await;
            match self.dialer.dial(attempts.limit(Instant::now())).await {
                Ok(link) => {
                    *current = Arc::new(link);
                    self.show(&format!("{whose}connected again"));
                    return Ok(Arc::clone(&current));
                }
                Err(error) => {
                    let goes_on = error.may_pass();
                    why = error.to_string();
                    lost = ConnectionLost(why.as_str().into());
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
        if self.dialer.role == ConnectionRole::Beside {
            // Others go on meanwhile.
            tokio::time::sleep(pause).await;
            return;
        }
        self.screen_prompts.reconnecting(Some(Instant::now() + pause));
        tokio::time::sleep(pause).await;
        self.screen_prompts.reconnecting(None);
    }

    /// The current connection if it is up. This never reconnects, prompts or waits.
    pub fn link_now(&self) -> Option<Arc<Link>> {
        let current = self.link.try_lock().ok()?;
        (!current.channel.is_lost()).then(|| Arc::clone(&current))
    }

    /// Whether the connection is known to be lost, and nobody makes it again at the moment.
    pub fn is_lost(&self) -> bool {
        self.link.try_lock().is_ok_and(|link| link.channel.is_lost())
    }

    /// Whether the connection is known to be lost, or is made again at the moment.
    pub fn is_down(&self) -> bool {
        self.reconnecting.load(Ordering::Relaxed) || self.is_lost()
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
        &self.dialer.destination.sign_in.user
    }

    /// The server, and how it is reached.
    pub fn destination(&self) -> &Destination {
        &self.dialer.destination
    }

    /// The host as it was given on the command line.
    pub fn name(&self) -> &str {
        &self.dialer.destination.given
    }

    /// Sends a disconnect message, and closes the connection.
    pub async fn close(&self) {
        self.link.lock().await.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_shown_once() {
        let mut shown = HashSet::new();
        let why = "cannot connect to \"a\": refused (hint: is the server running?)";
        for expected in [
            why,
            "cannot connect to \"a\": refused",
            "cannot connect to \"a\": refused",
        ] {
            assert_eq!(with_new_hint(why, &mut shown), expected);
        }
        let other = "cannot find the host (hint: check the name)";
        assert_eq!(with_new_hint(other, &mut shown), other);
        assert_eq!(with_new_hint("it was closed", &mut shown), "it was closed");
    }
}
