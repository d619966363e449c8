//! The replies of a channel that are computed beside its later requests, and are sent when they are known. Only requests
//! whose definition says so are answered like that; all others are answered in their order.

use std::collections::VecDeque;

use bytes::Bytes;

/// The most hashes of one channel that are computed beside its requests, or wait to be sent. A further one is answered
/// in its order, so that what a client can have under way is bounded.
const MOST_BESIDE: usize = 2;

/// The replies of one channel that are sent when they are known.
#[derive(Debug, Default)]
pub(super) struct RepliesBeside {
    under_way: usize,
    ready: VecDeque<Bytes>,
}

impl RepliesBeside {
    /// Counts a reply as under way. `false`: there are too many.
    pub(super) fn begin(&mut self) -> bool {
        let may_begin = self.under_way + self.ready.len() < MOST_BESIDE;
        self.under_way += usize::from(may_begin);
        may_begin
    }

    /// Takes a reply that was under way.
    pub(super) fn end(&mut self, reply: Bytes) {
        self.under_way = self.under_way.saturating_sub(1);
        self.ready.push_back(reply);
    }

    /// Returns the next reply to send.
    pub(super) fn take_ready(&mut self) -> Option<Bytes> {
        self.ready.pop_front()
    }

    /// Returns whether no reply is under way or waits.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way == 0 && self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_beside_are_few_until_they_are_sent() {
        let mut beside = RepliesBeside::default();
        assert!(beside.is_empty() && beside.begin() && beside.begin());
        assert!(!beside.begin());
        beside.end(Bytes::from_static(b"reply"));
        assert!(!beside.begin(), "it has not been sent");
        assert_eq!(beside.take_ready().as_deref(), Some(&b"reply"[..]));
        assert!(beside.begin() && !beside.is_empty());
        for _ in 0..2 {
            beside.end(Bytes::new());
            assert_eq!(beside.take_ready(), Some(Bytes::new()));
        }
        assert!(beside.is_empty());
    }
}
