//! Asking a connection to end from outside: once, and with a reason.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

use crate::domain::event::FileEnd;

/// A request that a connection end, with its reason. Clones share the request.
#[derive(Debug, Default, Clone)]
pub struct EndRequest(Arc<EndRequestState>);

#[derive(Debug, Default)]
struct EndRequestState {
    asked: CancellationToken,
    reason: OnceLock<EndReason>,
}

#[derive(Debug)]
struct EndReason {
    sentence: String,
    /// How files end that are open then.
    files: FileEnd,
}

impl EndRequest {
    /// Asks the connection to end. If it was asked before, the earlier reason is kept.
    pub fn end(&self, reason: impl Into<String>) {
        self.end_files(FileEnd::Kicked, reason);
    }

    /// Does the same, and says how the files end that are open then.
    pub fn end_files(&self, files: FileEnd, reason: impl Into<String>) {
        let sentence = reason.into();
        // A second reason is ignored.
        let _ = self.0.reason.set(EndReason { sentence, files });
        self.0.asked.cancel();
    }

    /// Waits until the connection is asked to end.
    pub async fn asked(&self) {
        self.0.asked.cancelled().await;
    }

    /// Returns the reason for which the connection was asked to end, or `None` if it was not.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(|reason| reason.sentence.as_str())
    }

    /// Returns how files end that are open now, and that the client does not close any more.
    pub fn end_of_files(&self) -> FileEnd {
        self.0.reason.get().map_or(FileEnd::Lost, |reason| reason.files)
    }
}
