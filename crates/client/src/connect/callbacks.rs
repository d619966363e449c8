//! What the handler of a connection calls while keys are agreed on and the user signs in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::host_key::HostKeyCheck;
use super::prompts::AsyncPrompts;
use base::visible::printable_lines;

/// How many lines and characters of a banner are shown, and how many banners: a server may send as many as it likes.
const BANNER_LINES: usize = 40;
const BANNER_LENGTH: usize = 4096;
const BANNERS: usize = 4;

/// The callbacks for the caller's handler, whose `check_server_key` and `auth_banner` are one line each.
pub struct Callbacks {
    /// Checks the server's host key, for `check_server_key`.
    pub host_key: HostKeyCheck,
    /// Shows the banners that the server sends before the sign-in, for `auth_banner`.
    pub banner: Banner,
}

/// Shows the banners of a server, which arrive before the sign-in.
pub struct Banner {
    prompts: Arc<AsyncPrompts>,
    shown: AtomicUsize,
}

impl Banner {
    pub(super) fn new(prompts: &Arc<AsyncPrompts>) -> Self {
        Self {
            prompts: Arc::clone(prompts),
            shown: AtomicUsize::new(0),
        }
    }

    /// Shows the text, escaped for the terminal and shortened.
    pub fn show(&self, text: &str) {
        let text = printable_lines(text.as_bytes(), BANNER_LINES, BANNER_LENGTH);
        if !text.is_empty() && self.shown.fetch_add(1, Ordering::Relaxed) < BANNERS {
            self.prompts.show(&text);
        }
    }
}
