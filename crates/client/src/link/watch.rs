//! The limit on how long a server may leave requests without an answer.
//!
//! Keepalives notice a connection that is dead. This notices a server that is alive, and whose SFTP hangs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::inbox::Inbox;

/// How often the limits are checked.
const LOOK: Duration = Duration::from_secs(5);

/// How long a server may be silent while it owes an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplyLimits {
    /// The limit while only requests wait that take a moment, on a slow disk a minute.
    pub usual: Duration,
    /// The limit while a request waits that may take as long as the file is large: a hash, a copy, closing a file.
    pub long: Duration,
}

impl Default for ReplyLimits {
    /// Five minutes, more than any disk sleeps; and half a day, in which even slow disks read terabytes.
    fn default() -> Self {
        Self {
            usual: Duration::from_secs(300),
            long: Duration::from_secs(12 * 3600),
        }
    }
}

/// Watches an inbox, as long as it lives.
pub(super) struct ReplyWatch(JoinHandle<()>);

impl ReplyWatch {
    /// Loses the connection when a limit is over.
    pub(super) fn start(inbox: Arc<Inbox>, limits: ReplyLimits) -> Self {
        Self(tokio::spawn(async move {
            let pause = LOOK.min(limits.usual / 4);
            loop {
                let before = Instant::now();
                tokio::time::sleep(pause).await;
                if before.elapsed() > pause + LOOK {
                    // This program was stopped (Ctrl-Z), and replies may wait to be read.
                    continue;
                }
                let Some(silence) = inbox.silence() else {
                    continue;
                };
                let limit = match silence.long {
                    true => limits.long,
                    false => limits.usual,
                };
                if silence.lasts >= limit {
                    inbox.lose(&format!(
                        "it has not answered a request for {} seconds",
                        silence.lasts.as_secs()
                    ));
                    return;
                }
            }
        }))
    }
}

impl Drop for ReplyWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}
