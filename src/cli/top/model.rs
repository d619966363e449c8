//! What the live view shows: the last samples, the rates between them, the selected session, and an open question.

use std::cmp::Reverse;
use std::collections::VecDeque;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::feed::{FeedEvent, TopSample};
use super::mounts::DeviceMounts;
use crate::ops::running::{SessionView, StatusView, WorkView};

/// The number of samples that are kept, one a second: rates are those of the last five seconds.
const SAMPLES: usize = 6;
/// The number of samples, one a second, after which a message goes by itself.
const MESSAGE_SAMPLES: usize = 10;
/// The number of sessions that the keys for a page move by.
const PAGE: usize = 10;

/// The state of the live view.
pub(super) struct TopModel {
    /// The last samples, oldest first; there is always one.
    samples: VecDeque<TopSample>,
    /// Where file systems are mounted.
    pub mounts: DeviceMounts,
    /// The number of the selected session, and its place among the rows when it was last seen.
    selected: Option<u64>,
    selected_at: usize,
    order: RowOrder,
    /// The session that is to be disconnected if the user says so.
    asking: Option<u64>,
    message: Option<TopMessage>,
    /// Why the server has not answered the last time.
    silent: Option<String>,
}

/// A message about what has just happened.
struct TopMessage {
    text: String,
    /// The number of samples for which it is still shown.
    samples_left: usize,
}

/// The order of the sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RowOrder {
    /// The oldest one comes first.
    Age,
    /// The one with the highest rate comes first.
    Rate,
}

/// What the program does because of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyEffect {
    /// Nothing, except for what is shown.
    None,
    /// It ends.
    Quit,
    /// It has this session disconnected.
    Kick(u64),
}

/// A session with its rates.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SessionRow<'a> {
    /// The session.
    pub session: &'a SessionView,
    /// The rates of the connection, if two samples have it.
    pub rates: Option<ShownRates>,
    /// The files that it works on.
    pub files: Vec<FileRow<'a>>,
    /// Whether the keys act on it.
    pub is_selected: bool,
}

/// A file that a session works on, with its rate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FileRow<'a> {
    /// What is done with the file.
    pub work: &'a WorkView,
    /// The bytes in a second.
    pub rate: u64,
}

/// Bytes in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ShownRates {
    /// From the client.
    pub up: u64,
    /// To the client.
    pub down: u64,
}

impl TopModel {
    /// Creates the state from a first sample.
    pub fn new(first: TopSample, mounts: DeviceMounts) -> Self {
        let mut model = Self {
            samples: VecDeque::from([first]),
            mounts,
            selected: None,
            selected_at: 0,
            order: RowOrder::Age,
            asking: None,
            message: None,
            silent: None,
        };
        model.select_again();
        model
    }

    /// Takes news of the server in.
    pub fn take(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Sample(sample) => {
                // A server that was started again counts from 0, and has other sessions.
                if self
                    .newest()
                    .is_some_and(|newest| newest.status.since != sample.status.since)
                {
                    self.samples.clear();
                }
                self.samples.push_back(*sample);
                if self.samples.len() > SAMPLES {
                    self.samples.pop_front();
                }
                self.silent = None;
                self.age_message();
                self.select_again();
            }
            FeedEvent::Silent(error) => self.silent = Some(error.to_string()),
            FeedEvent::Kicked(Ok(_)) => self.say("the session was disconnected"),
            FeedEvent::Kicked(Err(error)) => self.say(&error.to_string()),
        }
    }

    fn say(&mut self, text: &str) {
        self.message = Some(TopMessage {
            text: text.to_owned(),
            samples_left: MESSAGE_SAMPLES,
        });
    }

    fn age_message(&mut self) {
        if let Some(message) = &mut self.message {
            message.samples_left = message.samples_left.saturating_sub(1);
        }
        if self
            .message
            .as_ref()
            .is_some_and(|message| message.samples_left == 0)
        {
            self.message = None;
        }
    }

    /// Takes a key in.
    pub fn key(&mut self, key: KeyEvent) -> KeyEffect {
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return KeyEffect::Quit;
        }
        if let Some(id) = self.asking {
            match key.code {
                KeyCode::Char('y' | 'Y') => {
                    self.asking = None;
                    return KeyEffect::Kick(id);
                }
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => self.asking = None,
                _ => {}
            }
            return KeyEffect::None;
        }
        self.message = None;
        match key.code {
            KeyCode::Char('q') => return KeyEffect::Quit,
            KeyCode::Char('k') => {
                self.asking = self.selected;
                if self.asking.is_none() {
                    self.say("there is no session to disconnect");
                }
            }
            KeyCode::Char('s') => {
                self.order = match self.order {
                    RowOrder::Age => RowOrder::Rate,
                    RowOrder::Rate => RowOrder::Age,
                };
                self.select_again();
            }
            KeyCode::Up => self.select(self.selected_at.saturating_sub(1)),
            KeyCode::Down => self.select(self.selected_at.saturating_add(1)),
            KeyCode::PageUp => self.select(self.selected_at.saturating_sub(PAGE)),
            KeyCode::PageDown => self.select(self.selected_at.saturating_add(PAGE)),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(usize::MAX),
            _ => {}
        }
        KeyEffect::None
    }

    fn newest(&self) -> Option<&TopSample> {
        self.samples.back()
    }

    /// Returns the server as a whole.
    pub fn status(&self) -> Option<&StatusView> {
        self.newest().map(|sample| &sample.status)
    }

    /// Returns the rates of files, of all sessions together.
    pub fn rates(&self) -> Option<ShownRates> {
        let (old, new, seconds) = self.interval()?;
        let (old, new) = (&old.status, &new.status);
        Some(ShownRates {
            up: rate(old.bytes_up, new.bytes_up, seconds),
            down: rate(old.bytes_down, new.bytes_down, seconds),
        })
    }

    /// Returns the order of the rows.
    pub fn order(&self) -> RowOrder {
        self.order
    }

    /// Returns the session that the user is asked about.
    pub fn asking(&self) -> Option<&SessionView> {
        let id = self.asking?;
        self.newest()?.sessions.iter().find(|session| session.id == id)
    }

    /// Returns what the user should know.
    pub fn message(&self) -> Option<&str> {
        let message = self.message.as_ref().map(|message| &*message.text);
        self.silent.as_deref().or(message)
    }

    /// Returns the sessions in the order in which they are shown.
    pub fn rows(&self) -> Vec<SessionRow<'_>> {
        let sessions = self
            .newest()
            .map(|sample| &sample.sessions[..])
            .unwrap_or_default();
        let mut rows: Vec<SessionRow<'_>> = sessions.iter().map(|session| self.row(session)).collect();
        if self.order == RowOrder::Rate {
            let sum = |rates: ShownRates| rates.up.saturating_add(rates.down);
            // Sessions with equal rates stay in the order of their age.
            rows.sort_by_key(|row| Reverse(row.rates.map_or(0, sum)));
        }
        rows
    }

    fn row<'a>(&self, session: &'a SessionView) -> SessionRow<'a> {
        let before = self.before(session.id);
        let rates = before.and_then(|(old, seconds)| {
            Some(ShownRates {
                up: rate(old.bytes_in?, session.bytes_in?, seconds),
                down: rate(old.bytes_out?, session.bytes_out?, seconds),
            })
        });
        let file = |work: &'a WorkView| {
            let before = before.and_then(|(old, seconds)| {
                let is_same = |old: &&WorkView| {
                    old.path == work.path && old.kind == work.kind && old.bytes <= work.bytes
                };
                Some(rate(old.work.iter().find(is_same)?.bytes, work.bytes, seconds))
            });
            // A file that was opened since then has the rate of its own time.
            let rate = before.unwrap_or_else(|| rate(0, work.bytes, work.duration.as_secs_f64().max(1.0)));
            FileRow { work, rate }
        };
        SessionRow {
            session,
            rates,
            files: session.work.iter().map(file).collect(),
            is_selected: self.selected == Some(session.id),
        }
    }

    /// Returns a session as it was in the oldest sample that has it, and how many seconds ago that was.
    fn before(&self, id: u64) -> Option<(&SessionView, f64)> {
        let newest = self.newest()?;
        let mut older = self.samples.iter().take(self.samples.len().saturating_sub(1));
        older.find_map(|sample| {
            let session = sample.sessions.iter().find(|session| session.id == id)?;
            Some((session, seconds_between(sample, newest)))
        })
    }

    /// Returns the oldest and the newest sample, and the seconds between them; `None` if there is only one.
    fn interval(&self) -> Option<(&TopSample, &TopSample, f64)> {
        let (oldest, newest) = (self.samples.front()?, self.samples.back()?);
        let seconds = seconds_between(oldest, newest);
        (seconds > 0.0).then_some((oldest, newest, seconds))
    }

    /// Selects the row at this place, or the last one.
    fn select(&mut self, at: usize) {
        let ids: Vec<u64> = self.rows().iter().map(|row| row.session.id).collect();
        let at = at.min(ids.len().saturating_sub(1));
        self.selected = ids.get(at).copied();
        self.selected_at = at;
    }

    /// Keeps the same session selected. If it is gone, the one that took its place is.
    fn select_again(&mut self) {
        let found = self.rows().iter().position(|row| row.is_selected);
        self.select(found.unwrap_or(self.selected_at));
        if self.asking.is_some() && self.asking().is_none() {
            self.asking = None;
            self.say("the session has ended by itself");
        }
    }
}

fn seconds_between(old: &TopSample, new: &TopSample) -> f64 {
    new.taken.saturating_duration_since(old.taken).as_secs_f64()
}

/// Returns the bytes in a second.
fn rate(old: u64, new: u64, seconds: f64) -> u64 {
    if seconds <= 0.0 {
        return 0;
    }
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is shown with two digits"
    )]
    let rate = (new.saturating_sub(old) as f64 / seconds) as u64;
    rate
}

#[cfg(test)]
pub(super) mod tests;
