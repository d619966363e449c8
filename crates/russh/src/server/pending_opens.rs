//! The channels that the client opens and whose answer has not been sent yet.
//!
//! The handler answers an open through [`super::ChannelOpenHandle`], and answers wait while keys are exchanged. So a
//! client could make any number of opens wait, and close channels that do not exist yet.

use std::collections::HashMap;

use crate::ChannelId;

/// The number of opens that may wait for their answer at the same time. Further ones are refused at once.
const MAX_PENDING_OPENS: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct PendingOpens {
    /// Whether the client has closed the channel before it got an answer.
    cancelled: HashMap<ChannelId, bool>,
}

impl PendingOpens {
    /// Adds an open. Returns false if too many are waiting.
    pub(crate) fn add(&mut self, channel: ChannelId) -> bool {
        if self.cancelled.len() >= MAX_PENDING_OPENS {
            return false;
        }
        self.cancelled.insert(channel, false);
        true
    }

    /// Cancels an open whose channel the client closes. Returns true the first time.
    pub(crate) fn cancel(&mut self, channel: ChannelId) -> bool {
        match self.cancelled.get_mut(&channel) {
            Some(cancelled) => !std::mem::replace(cancelled, true),
            None => false,
        }
    }

    /// Removes an open that is answered now. Returns false if it was cancelled.
    pub(crate) fn remove(&mut self, channel: ChannelId) -> bool {
        self.cancelled.remove(&channel) == Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_are_limited_and_can_be_cancelled() {
        let mut opens = PendingOpens::default();
        let most = u32::try_from(MAX_PENDING_OPENS).unwrap();
        assert!((0..most).all(|id| opens.add(ChannelId(id))));
        assert!(!opens.add(ChannelId(most)));
        assert!(!opens.cancel(ChannelId(most)));
        assert!(opens.cancel(ChannelId(3)));
        assert!(!opens.cancel(ChannelId(3)));
        assert!(!opens.remove(ChannelId(3)));
        assert!(opens.remove(ChannelId(4)));
        assert!(opens.add(ChannelId(most)));
    }
}
