//! The peer's window and packet size as it stated them when it opened a channel.
//!
//! russh keeps both, follows them, and tells the window at every later adjustment, but has no call that tells the
//! first value. Until the first adjustment, which some clients send only after a megabyte, we could not know how
//! much may be sent. `Session` is `Debug`, and its text holds the numbers: they are read from there, once for each
//! channel, by a reader that keeps nothing else of that text. A test against a real client fails if a new russh
//! prints them differently.

use std::fmt::{self, Write};

use russh::ChannelId;
use russh::server::Session;

/// What the peer said when it opened a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerWindow {
    /// Bytes that it takes before it adjusts the window.
    pub window: u32,
    /// The most that one packet may carry.
    pub max_packet: u32,
}

impl PeerWindow {
    /// Looks a confirmed channel up; `None` if russh prints it in a way that is not known.
    pub fn of(session: &Session, channel: ChannelId) -> Option<Self> {
        Self::find(channel, |scanner| write!(scanner, "{session:?}"))
    }

    fn find(channel: ChannelId, print: impl FnOnce(&mut Scanner) -> fmt::Result) -> Option<Self> {
        let mut scanner = Scanner::new(format!("sender_channel: {channel:?}, "));
        // Once both numbers are read, the scanner ends the printing with an error.
        if print(&mut scanner).is_ok() {
            let _ = scanner.advance();
        }
        Some(Self {
            window: scanner.window?,
            max_packet: scanner.max_packet?,
        })
    }
}

/// Finds two numbers in a text that comes in pieces, keeping only the end of what went by.
struct Scanner {
    /// What is looked for next.
    wanted: String,
    step: Step,
    tail: String,
    window: Option<u32>,
    max_packet: Option<u32>,
}

#[derive(Clone, Copy)]
enum Step {
    Channel,
    Window,
    MaxPacket,
}

/// Longer than any label, a number and the piece that completes them.
const KEPT: usize = 256;

impl Scanner {
    fn new(channel: String) -> Self {
        Self {
            wanted: channel,
            step: Step::Channel,
            tail: String::new(),
            window: None,
            max_packet: None,
        }
    }

    /// Takes the number behind the label, when it has gone by with the comma that ends it.
    fn number(&self, label: &str) -> Option<(u32, usize)> {
        let start = self.tail.find(label)? + label.len();
        let rest = self.tail.get(start..)?;
        let end = rest.find(',')?;
        Some((rest.get(..end)?.parse().ok()?, start + end))
    }

    fn advance(&mut self) -> fmt::Result {
        loop {
            let used = match self.step {
                Step::Channel => match self.tail.find(&self.wanted) {
                    Some(at) => {
                        self.step = Step::Window;
                        at + self.wanted.len()
                    }
                    None => return Ok(()),
                },
                Step::Window => match self.number("recipient_window_size: ") {
                    Some((window, used)) => {
                        self.window = Some(window);
                        self.step = Step::MaxPacket;
                        used
                    }
                    None => return Ok(()),
                },
                Step::MaxPacket => match self.number("recipient_maximum_packet_size: ") {
                    Some((max_packet, _)) => {
                        self.max_packet = Some(max_packet);
                        return Err(fmt::Error);
                    }
                    None => return Ok(()),
                },
            };
            self.tail.drain(..used);
        }
    }
}

impl Write for Scanner {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        self.tail.push_str(piece);
        if self.tail.len() > 2 * KEPT {
            // Not at each piece: a buffer is printed byte by byte.
            self.advance()?;
            let mut cut = self.tail.len().saturating_sub(KEPT);
            while !self.tail.is_char_boundary(cut) {
                cut += 1;
            }
            self.tail.drain(..cut);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_in_any_pieces() {
        let text = "… ChannelParams { recipient_channel: 0, sender_channel: ChannelId(1), recipient_window_size: 1, \
            sender_window_size: 5, recipient_maximum_packet_size: 6, …}, ChannelParams { recipient_channel: 0, \
            sender_channel: ChannelId(12), recipient_window_size: 2097152, sender_window_size: 7, \
            recipient_maximum_packet_size: 32768, sender_maximum_packet_size: 9 }";
        for size in [1, 3, 1000] {
            let mut scanner = Scanner::new("sender_channel: ChannelId(12), ".into());
            let chars: Vec<char> = text.chars().collect();
            let pieces = chars.chunks(size).map(|c| c.iter().collect::<String>());
            let stopped = pieces.map(|piece| scanner.write_str(&piece)).any(|r| r.is_err());
            assert!(stopped || scanner.advance().is_err());
            assert_eq!(
                (scanner.window, scanner.max_packet),
                (Some(2_097_152), Some(32_768))
            );
        }
    }
}
