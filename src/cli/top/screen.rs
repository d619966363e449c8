//! The terminal: taken with [`Screen::open`], and given back as it was when the screen is dropped, whatever happens.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use super::model::TopModel;
use super::view;
use base::error::{Error, Result};

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

fn unusable(error: std::io::Error) -> Error {
    Error::new("cannot use the terminal").because(error)
}

impl Screen {
    /// Takes the terminal. A panic gives it back before its message is printed.
    ///
    /// # Errors
    /// Returns an error if the terminal does not let itself be used; it is then as it was.
    pub fn open() -> Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
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
        match event::poll(limit) {
            Ok(true) => {}
            Ok(false) => return Ok(Input::Nothing),
            // A signal has come; the next round looks which.
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return Ok(Input::Nothing),
            Err(error) => return Err(unusable(error)),
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
