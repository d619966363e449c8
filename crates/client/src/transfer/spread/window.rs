//! Which range of a file comes next when several connections carry it, and how far the file is whole.
//!
//! The *front* is the offset up to which every byte has arrived. No range ends further than [`WINDOW`] beyond it, so a
//! file whose transfer has ended in any way, even by a power cut, has holes only in its last [`WINDOW`] bytes.

use std::ops::Range;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::transfer::file_sink::ContiguousFront;

/// How far beyond the front a range may end, in bytes. It bounds what an interrupted transfer sends again.
pub(in crate::transfer) const WINDOW: u64 = 64 << 20;
/// The size of a range, in bytes: large enough that the disks on both sides read and write in order, and so small that
/// sixteen connections have one each within [`WINDOW`].
const RANGE: u64 = 4 << 20;

/// The ranges of a file that are handed out, and those that have arrived. This is the arithmetic alone.
#[derive(Debug)]
struct RangeWindow {
    front: ContiguousFront,
    /// The offset of the first byte that was not handed out.
    next: u64,
    end: u64,
}

impl RangeWindow {
    fn new(range: Range<u64>) -> Self {
        let mut window = Self {
            front: ContiguousFront::default(),
            next: range.start,
            end: range.end,
        };
        window.front.add(0, range.start);
        window
    }

    /// Whether all of the file was handed out.
    fn is_exhausted(&self) -> bool {
        self.next >= self.end
    }

    /// Hands out the next range. `None`: the window is full, or nothing is left.
    fn take(&mut self) -> Option<Range<u64>> {
        let length = RANGE.min(self.end.saturating_sub(self.next));
        let range = self.next..self.next.saturating_add(length);
        if length == 0 || range.end > self.front.whole.saturating_add(WINDOW) {
            return None;
        }
        self.next = range.end;
        Some(range)
    }

    fn arrived(&mut self, offset: u64, length: u32) {
        self.front.add(offset, offset.saturating_add(u64::from(length)));
    }

    /// Forgets everything beyond `front`: it is handed out again.
    fn restart(&mut self, front: u64) {
        *self = Self::new(front..self.end);
    }
}

#[derive(Debug)]
struct SharedRangesState {
    window: RangeWindow,
    stopped: bool,
}

/// The ranges of one file, as the connections share them that carry it.
#[derive(Debug)]
pub(in crate::transfer) struct SharedRanges {
    state: Mutex<SharedRangesState>,
    /// The front. It is also sent when the ranges are stopped.
    report: watch::Sender<u64>,
}

impl SharedRanges {
    pub fn new(range: Range<u64>) -> Self {
        let (report, _) = watch::channel(range.start);
        let state = SharedRangesState {
            window: RangeWindow::new(range),
            stopped: false,
        };
        Self {
            state: Mutex::new(state),
            report,
        }
    }

    /// The offset up to which every byte has arrived.
    pub fn front(&self) -> u64 {
        self.state.lock().window.front.whole
    }

    /// Reports the front, whenever it moves.
    pub fn fronts(&self) -> watch::Receiver<u64> {
        self.report.subscribe()
    }

    /// The next range, once the window allows it. `None`: nothing is left, or the ranges were stopped. Nothing is lost
    /// if this is cancelled.
    pub async fn next(&self) -> Option<Range<u64>> {
        let mut moved = self.report.subscribe();
        loop {
            moved.borrow_and_update();
            {
                let mut state = self.state.lock();
                if state.stopped || state.window.is_exhausted() {
                    return None;
                }
                if let Some(range) = state.window.take() {
                    // Another that waits may find nothing left.
                    if state.window.is_exhausted() {
                        self.report.send_modify(|_| {});
                    }
                    return Some(range);
                }
            }
            moved.changed().await.ok()?;
        }
    }

    /// An offset that is handed out late: in the last range of the window, or of the file.
    pub fn late_offset(&self) -> u64 {
        let window = &self.state.lock().window;
        let last = window.front.whole.saturating_add(WINDOW).min(window.end);
        last.saturating_sub(RANGE).max(window.front.whole)
    }

    /// Whether the byte at this offset was handed out.
    pub fn has_handed_out(&self, offset: u64) -> bool {
        self.state.lock().window.next > offset
    }

    /// Waits until there is nothing more to hand out.
    pub async fn exhausted(&self) {
        let mut moved = self.report.subscribe();
        loop {
            moved.borrow_and_update();
            {
                let state = self.state.lock();
                if state.stopped || state.window.is_exhausted() {
                    return;
                }
            }
            if moved.changed().await.is_err() {
                return;
            }
        }
    }

    /// Adds bytes that have arrived.
    pub fn arrived(&self, offset: u64, length: u32) {
        let front = {
            let mut state = self.state.lock();
            state.window.arrived(offset, length);
            state.window.front.whole
        };
        self.report.send_if_modified(|reported| {
            let moves = front > *reported;
            *reported = front.max(*reported);
            moves
        });
    }

    /// Hands out nothing more: what is under way ends, and then the connections stop.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.report.send_modify(|_| {});
    }

    pub fn is_stopped(&self) -> bool {
        self.state.lock().stopped
    }

    /// Goes on after [`SharedRanges::stop`], with the first byte that has not arrived.
    pub fn restart(&self) {
        let mut state = self.state.lock();
        let front = state.window.front.whole;
        state.window.restart(front);
        state.stopped = false;
    }
}

/// The ranges that one connection carries, one after the other.
pub(in crate::transfer) enum Ranges<'a> {
    /// The one range that it carries alone, until it was handed out.
    Own(Option<Range<u64>>),
    /// Those that it shares with other connections.
    Shared {
        /// The first of them, if it was taken already.
        first: Option<Range<u64>>,
        /// Those from which it takes the others.
        ranges: &'a SharedRanges,
    },
}

impl Ranges<'_> {
    /// The next range. `None`: nothing is left, or `refused` is cancelled. Then bytes that were handed out do not arrive,
    /// and a window that is full stays full: nobody may wait for it.
    pub async fn next_unless(&mut self, refused: &CancellationToken) -> Option<Range<u64>> {
        match self {
            Self::Own(range) => range.take(),
            Self::Shared { first, ranges } => match first.take() {
                Some(first) => Some(first),
                None => tokio::select! {
                    biased;
                    () = refused.cancelled() => None,
                    range = ranges.next() => range,
                },
            },
        }
    }

    /// Hands out nothing more, because the source has ended.
    pub fn stop(&self) {
        if let Self::Shared { ranges, .. } = self {
            ranges.stop();
        }
    }

    pub fn are_stopped(&self) -> bool {
        matches!(self, Self::Shared { ranges, .. } if ranges.is_stopped())
    }
}

/// The offset to which a file on the server has to be cut before an upload of it goes on, because its ranges were
/// interrupted: it may have holes beyond.
#[derive(Debug, Default)]
pub(in crate::transfer) struct UncutFront(Mutex<Option<u64>>);

impl UncutFront {
    pub fn set(&self, front: u64) {
        *self.0.lock() = Some(front);
    }

    pub fn get(&self) -> Option<u64> {
        *self.0.lock()
    }

    /// Returns the offset once.
    pub fn take(&self) -> Option<u64> {
        self.0.lock().take()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What happens to a window: ranges are taken, the one with this number arrives in pieces, or all begins again.
    #[derive(Debug, Clone)]
    enum WindowEvent {
        Take,
        Arrive(prop::sample::Index),
        Restart,
    }

    fn event() -> impl Strategy<Value = WindowEvent> {
        prop_oneof![
            6 => Just(WindowEvent::Take),
            6 => any::<prop::sample::Index>().prop_map(WindowEvent::Arrive),
            1 => Just(WindowEvent::Restart),
        ]
    }

    proptest! {
        #[test]
        fn ranges_follow_each_other_within_the_window(
            start in 0..2 * WINDOW,
            length in 0..4 * WINDOW,
            events in prop::collection::vec(event(), 0..300),
        ) {
            let end = start + length;
            let mut window = RangeWindow::new(start..end);
            let (mut next, mut under_way) = (start, Vec::<Range<u64>>::new());
            for event in events {
                match event {
                    WindowEvent::Take => match window.take() {
                        Some(range) => {
                            prop_assert_eq!(range.start, next);
                            prop_assert!(range.end > range.start && range.end <= end);
                            prop_assert!(range.end <= window.front.whole + WINDOW);
                            next = range.end;
                            under_way.push(range);
                        }
                        None => prop_assert!(
                            window.is_exhausted() || next + RANGE > window.front.whole + WINDOW,
                            "a full window"
                        ),
                    },
                    WindowEvent::Arrive(which) if !under_way.is_empty() => {
                        let range = under_way.swap_remove(which.index(under_way.len()));
                        let (half, rest) = ((range.end - range.start) / 2, (range.end - range.start).div_ceil(2));
                        window.arrived(range.start + half, u32::try_from(rest).unwrap());
                        window.arrived(range.start, u32::try_from(half).unwrap());
                    }
                    WindowEvent::Arrive(_) => {}
                    WindowEvent::Restart => {
                        next = window.front.whole;
                        window.restart(next);
                        under_way.clear();
                    }
                }
                // The front is the first byte that is under way, or was not handed out.
                let first = under_way.iter().map(|range| range.start).min().unwrap_or(next);
                prop_assert_eq!(window.front.whole, first);
            }
        }
    }

    #[tokio::test]
    async fn a_full_window_waits_for_the_front() {
        let ranges = SharedRanges::new(0..WINDOW + 2 * RANGE);
        let mut taken = Vec::new();
        let late = ranges.late_offset();
        for _ in 0..WINDOW / RANGE {
            assert!(!ranges.has_handed_out(late));
            taken.extend(ranges.next().await);
        }
        assert!(ranges.has_handed_out(late));
        let waiting = ranges.next();
        tokio::pin!(waiting);
        let soon = std::time::Duration::from_millis(50);
        assert!(
            tokio::time::timeout(soon, &mut waiting).await.is_err(),
            "the window is full"
        );
        // The second range does not move the front, but the first does.
        for range in [&taken[1], &taken[0]] {
            ranges.arrived(range.start, u32::try_from(RANGE).unwrap());
        }
        assert_eq!(waiting.await, Some(WINDOW..WINDOW + RANGE));
        assert_eq!(ranges.front(), 2 * RANGE);
        ranges.stop();
        assert_eq!(ranges.next().await, None);
        ranges.exhausted().await;
        ranges.restart();
        assert_eq!(ranges.next().await, Some(2 * RANGE..3 * RANGE));
    }

    #[tokio::test]
    async fn a_connection_that_has_failed_does_not_wait_for_a_full_window() {
        let shared = SharedRanges::new(0..2 * WINDOW);
        let (failed, works) = (CancellationToken::new(), CancellationToken::new());
        let share = || Ranges::Shared {
            first: None,
            ranges: &shared,
        };
        let mut ranges = share();
        for _ in 0..WINDOW / RANGE {
            assert!(ranges.next_unless(&failed).await.is_some());
        }
        let limit = std::time::Duration::from_secs(10);
        let waiting = async {
            let mut other = share();
            tokio::time::timeout(limit, other.next_unless(&works)).await
        };
        let failing = async {
            let next = tokio::time::timeout(limit, ranges.next_unless(&failed));
            let (next, ()) = tokio::join!(next, async { failed.cancel() });
            // This is what a connection does that has failed.
            shared.stop();
            next
        };
        let (other, next) = tokio::join!(waiting, failing);
        assert_eq!((other, next), (Ok(None), Ok(None)));
    }
}
