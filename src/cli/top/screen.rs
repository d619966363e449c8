//! The terminal: taken with [`Screen::open`], and given back as it was when the screen is dropped, whatever happens.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::model::TopModel;
use super::view;
use base::error::{Error, Result};

/// The exit code after a second SIGHUP, if the first one could not be answered: 128 and the number of the signal.
const GONE: i32 = 129;

/// The terminal, while the view is shown.
pub(super) struct Screen {
    terminal: DefaultTerminal,
    /// Set by a signal that asks the program to end.
    ended: Arc<AtomicBool>,
}

/// What the user has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Input {
    /// A key was pressed.
    Key(KeyEvent),
    /// The program was asked to end.
    Quit,
    /// Nothing that matters. The size of the terminal may have changed.
    Nothing,
}

/// What the terminal itself has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TerminalState {
    /// It is gone, as when a connection breaks.
    HungUp,
    /// There is something to read.
    Readable,
    /// It is there, and nothing has come.
    Quiet,
}

fn unusable(error: io::Error) -> Error {
    Error::new("cannot use the terminal").because(error)
}

/// Waits until the terminal has something to read or is gone, at most this long.
fn state(limit: Duration) -> io::Result<TerminalState> {
    let stdin = io::stdin();
    let mut looks = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match poll(&mut looks, Some(&limit)) {
        // After a signal, the next round looks which it was.
        Ok(0) | Err(Errno::INTR) => return Ok(TerminalState::Quiet),
        Ok(_) => {}
        Err(errno) => return Err(errno.into()),
    }
    let [look] = &looks;
    match look.revents().intersects(PollFlags::HUP | PollFlags::ERR) {
        true => Ok(TerminalState::HungUp),
        false => Ok(TerminalState::Readable),
    }
}

/// Returns whether an event can be read at once.
fn has_event() -> Result<bool> {
    match event::poll(Duration::ZERO) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(false),
        polled => polled.map_err(unusable),
    }
}

impl Screen {
    /// Takes the terminal. A panic gives it back before its message is printed.
    ///
    /// # Errors
    /// Returns an error if the terminal does not let itself be used; it is then as it was.
    pub fn open() -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        // A terminal that is gone needs nothing given back.
        signal_hook::flag::register_conditional_shutdown(SIGHUP, GONE, Arc::clone(&ended))
            .map_err(unusable)?;
        for signal in [SIGTERM, SIGHUP, SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&ended)).map_err(unusable)?;
        }
        let terminal = ratatui::try_init().map_err(|error| {
            // Something may have been changed before it failed.
            let _ = ratatui::try_restore();
            unusable(error)
        })?;
        Ok(Self { terminal, ended })
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// Returns an error if the terminal is gone.
    pub fn draw(&mut self, model: &TopModel) -> Result<()> {
        self.terminal
            .draw(|frame| view::draw(frame.buffer_mut(), model))
            .map(|_| ())
            .map_err(unusable)
    }

    /// Waits for the user, at most this long.
    ///
    /// # Errors
    /// Returns an error if the terminal is gone.
    pub fn wait(&self, limit: Duration) -> Result<Input> {
        if self.ended.load(Ordering::Relaxed) {
            return Ok(Input::Quit);
        }
        // The library reads a terminal that is gone again and again without an end, so it is asked only after a look. It may
        // have read more keys than one before.
        if state(Duration::ZERO).map_err(unusable)? == TerminalState::HungUp {
            return Ok(Input::Quit);
        }
        if !has_event()? {
            match state(limit).map_err(unusable)? {
                TerminalState::HungUp => return Ok(Input::Quit),
                TerminalState::Readable if has_event()? => {}
                TerminalState::Readable | TerminalState::Quiet => return Ok(Input::Nothing),
            }
        }
        Ok(match event::read().map_err(unusable)? {
            Event::Key(key) if key.kind != KeyEventKind::Release => Input::Key(key),
            _ => Input::Nothing,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // The cursor was hidden while the view was drawn.
        let _ = self.terminal.show_cursor();
        let _ = ratatui::try_restore();
    }
}
