//! The window that we grant (RFC 4254, section 5.2): the credit for what the client sends, which is returned as the
//! data is consumed.
//!
//! Each byte that arrives is *waiting* until it is *consumed*: that of a WRITE when it was executed, that of a READ
//! when its reply was taken, that of a command's input when the command has read it. So what waits is bounded by what
//! was granted. A channel begins with [`MINIMUM`], which is not charged; when its work begins it gets [`USUAL`], and up
//! to [`LARGEST`] if it consumes much, as far as the budget allows. When the user's credit is nearly used up, a channel
//! returns half of its own as it consumes data. If the user has a rate for uploads, less is granted.
//!
//! Always: `open + waiting + owed == MINIMUM + reserved + slot + excess_total`, where *open* is what the client may
//! still send, *owed* what was consumed and not given back yet, *slot* the one packet of the connection that no window
//! has room for, and *excess_total* what was sent without a grant.
//!
//! A client may send more than it was granted: as in OpenSSH, a tenth of the window is tolerated.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::connection_budget::{ConnectionBudget, MINIMUM, Reservation, WindowExceeded};

/// The window of a channel at work, in bytes: what one TCP connection has under way on most links.
const USUAL: usize = 2 << 20;
/// The largest window, in bytes: more than a fast long-distance link has under way, so that a client never waits in a
/// long upload.
const LARGEST: usize = 16 << 20;
/// The window is opened again when three of the largest packets were consumed, or half of the window, as OpenSSH
/// does.
const UPDATE_WINDOW_AT: usize = 3 * 65_535;

/// The window that we have granted the client on one channel.
#[derive(Debug)]
pub struct ReceiveWindow {
    reserved: Reservation,
    open: usize,
    owed: usize,
    /// The bytes that were consumed in all.
    consumed: u64,
    /// The bytes that came beyond the window since the last message that fitted into it.
    excess_in_a_row: usize,
    /// The bytes that came beyond the window and were not consumed yet.
    excess_total: usize,
    slot: Option<LargePacketSlot>,
}

/// The connection's permit for one large packet, and how much of the packet has not arrived yet.
#[derive(Debug)]
struct LargePacketSlot {
    _permit: OwnedSemaphorePermit,
    bytes: usize,
}

/// What a channel needs to receive the rest of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum PacketRoom {
    /// The client may send this many bytes more; 0 if its window is already large enough.
    Open(u32),
    /// The window cannot be opened far enough: the packet needs the connection's slot for large packets.
    NeedsSlot,
}

impl ReceiveWindow {
    /// Creates the window of a channel that was opened with [`MINIMUM`].
    pub fn new(budget: &Arc<ConnectionBudget>) -> Self {
        Self {
            reserved: Reservation::nothing(budget),
            open: MINIMUM,
            owed: 0,
            consumed: 0,
            excess_in_a_row: 0,
            excess_total: 0,
            slot: None,
        }
    }

    /// Returns the budget of the connection that the channel belongs to.
    pub fn budget(&self) -> &Arc<ConnectionBudget> {
        self.reserved.budget()
    }

    fn size(&self) -> usize {
        MINIMUM + self.reserved.bytes()
    }

    /// Returns the largest size of the window. If the user has a rate, less is sent ahead.
    fn largest(&self) -> usize {
        let sent_ahead = self.budget().upload_rate().sent_ahead();
        sent_ahead.map_or(LARGEST, |bytes| bytes.clamp(MINIMUM, LARGEST))
    }

    /// Opens the window for work that begins; returns by how many bytes.
    pub fn begin(&mut self) -> u32 {
        let more = USUAL.min(self.largest()) - MINIMUM;
        self.owed += self.reserved.grow_within_share(more);
        self.give()
    }

    /// Counts bytes that have arrived.
    ///
    /// # Errors
    /// Returns an error if the client ignores the window.
    pub fn receive(&mut self, bytes: usize) -> Result<(), WindowExceeded> {
        // An empty message does not show that the client respects the window.
        if bytes == 0 {
            return Ok(());
        }
        match self.open.checked_sub(bytes) {
            Some(rest) => {
                self.open = rest;
                self.excess_in_a_row = 0;
                Ok(())
            }
            None => {
                self.excess_in_a_row += bytes - self.open;
                self.excess_total += bytes - self.open;
                self.open = 0;
                (self.excess_in_a_row <= self.size() / 10)
                    .then_some(())
                    .ok_or(WindowExceeded)
            }
        }
    }

    /// Records that waiting bytes were consumed; returns by how many bytes to open the window now, or 0 if that is not
    /// worth a message yet.
    pub fn consume(&mut self, bytes: usize) -> u32 {
        self.consumed = self.consumed.saturating_add(bytes as u64);
        self.owed += bytes;
        let ungranted = self.excess_total.min(self.owed);
        self.excess_total -= ungranted;
        self.owed -= ungranted;
        if let Some(slot) = &mut self.slot {
            let back = slot.bytes.min(self.owed);
            slot.bytes -= back;
            self.owed -= back;
            if slot.bytes == 0 {
                self.slot = None;
            }
        }
        if self.owed == 0 || self.owed < UPDATE_WINDOW_AT && self.open >= self.size() / 2 {
            return 0;
        }
        self.resize();
        self.give()
    }

    /// Grants more to a channel that consumes much, and takes some back when little is left.
    fn resize(&mut self) {
        if self.budget().memory().is_short_of_credit() && self.reserved.bytes() > 0 {
            let less = (self.reserved.bytes() / 2).min(self.owed);
            self.owed -= less;
            self.reserved.shrink(less);
            return;
        }
        let largest = self.largest();
        let excess = self.size().saturating_sub(largest);
        if excess > 0 {
            // The user has got a lower rate since.
            let less = excess.min(self.owed).min(self.reserved.bytes());
            self.owed -= less;
            self.reserved.shrink(less);
            return;
        }
        let earned = usize::try_from(self.consumed / 2).unwrap_or(usize::MAX);
        let wanted = earned.clamp(USUAL, LARGEST).min(largest);
        let more = wanted.saturating_sub(self.size());
        if more > 0 {
            let grown = self.reserved.grow_within_share(more);
            // What may be sent ahead is paid for like what was sent.
            self.budget().upload_rate().charge(grown);
            self.owed += grown;
        }
    }

    fn give(&mut self) -> u32 {
        let given = std::mem::take(&mut self.owed);
        self.open += given;
        // The sum is at most the largest window and a packet.
        u32::try_from(given).unwrap_or(u32::MAX)
    }

    /// Returns what the channel needs for a packet of which a part has arrived and `missing` bytes have not. Nothing
    /// else waits.
    pub fn window_for_rest_of_packet(&mut self, missing: usize) -> PacketRoom {
        let short = missing.saturating_sub(self.open);
        if short > self.owed {
            let deficit = short - self.owed;
            if self.slot.is_some() {
                // The slot was taken for this packet, which has not arrived completely.
                return PacketRoom::Open(0);
            }
            if !self.reserved.grow(deficit) {
                return PacketRoom::NeedsSlot;
            }
            self.owed += deficit;
        }
        PacketRoom::Open(if short > 0 { self.give() } else { 0 })
    }

    /// Gives the connection's slot to this channel until as many bytes were consumed; returns by how many bytes to open
    /// the window.
    pub fn take_slot(&mut self, permit: OwnedSemaphorePermit, missing: usize) -> u32 {
        let bytes = missing.saturating_sub(self.open + self.owed);
        if bytes > 0 && self.slot.is_none() {
            self.owed += bytes;
            self.slot = Some(LargePacketSlot {
                _permit: permit,
                bytes,
            });
        }
        self.give()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::budget::{ServerBudget, UserBudget};
    use crate::session::rate::Rates;

    fn window() -> ReceiveWindow {
        ReceiveWindow::new(&ConnectionBudget::unlimited())
    }

    #[test]
    fn what_waits_is_never_more_than_what_was_granted() {
        let mut window = window();
        let granted = MINIMUM + window.begin() as usize;
        assert_eq!(granted, USUAL);
        window.receive(granted).unwrap();
        assert_eq!(window.receive(1 + USUAL / 10), Err(WindowExceeded));
        // Nothing is returned until something was consumed.
        assert_eq!(window.open, 0);
        assert_eq!(window.consume(1000), 0, "the excess is paid first");
    }

    #[test]
    fn empty_messages_do_not_hide_what_exceeds_the_window() {
        let mut window = window();
        window.receive(MINIMUM).unwrap();
        let sent = (0..1000).take_while(|_| window.receive(0).and(window.receive(1000)).is_ok());
        assert_eq!(sent.count(), MINIMUM / 10 / 1000);
    }

    #[test]
    fn a_channel_that_consumes_much_may_send_more() {
        let mut window = window();
        window.begin();
        let mut sent = 0;
        while sent < 200 << 20 {
            window.receive(100_000).unwrap();
            window.consume(100_000);
            sent += 100_000;
        }
        assert!(window.size() > 15 << 20, "{}", window.size());
        assert!(window.size() <= LARGEST);
        let used = window.open + window.owed;
        assert_eq!(used, window.size(), "nothing waits");
    }

    #[test]
    fn a_user_with_a_rate_sends_less_ahead() {
        let user = UserBudget::of(&Arc::new(ServerBudget::new(10, 1 << 30)));
        let set = |up| user.rates.set_usual(Rates { up, down: None });
        let transfer = |window: &mut ReceiveWindow| {
            for _ in 0..1000 {
                window.receive(MINIMUM / 2).unwrap();
                window.consume(MINIMUM / 2);
            }
            assert_eq!(window.open + window.owed, window.size());
            window.size()
        };
        set(Some(1 << 20));
        let budget = ConnectionBudget::of(&user);
        let mut window = ReceiveWindow::new(&budget);
        assert_eq!(window.begin() as usize, (512 << 10) - MINIMUM);
        assert_eq!(transfer(&mut window), 512 << 10);
        // A reload changes the rate while the channel is at work.
        set(Some(8 << 20));
        assert_eq!(transfer(&mut window), 4 << 20);
        set(Some(1024));
        assert_eq!(transfer(&mut window), MINIMUM);
        set(None);
        assert!(transfer(&mut window) > LARGEST - (1 << 20));
    }

    #[test]
    fn without_credit_a_channel_has_its_minimum_and_a_large_packet_gets_through() {
        let budget = ConnectionBudget::with(0);
        let (mut one, mut other) = (ReceiveWindow::new(&budget), ReceiveWindow::new(&budget));
        assert_eq!((one.begin(), other.begin()), (0, 0));
        let packet = 256 * 1024;
        for window in [&mut one, &mut other] {
            window.receive(MINIMUM).unwrap();
            assert_eq!(
                window.window_for_rest_of_packet(packet - MINIMUM),
                PacketRoom::NeedsSlot
            );
        }
        let permit = budget.large_packet().try_acquire_owned().unwrap();
        assert_eq!(one.take_slot(permit, packet - MINIMUM) as usize, packet - MINIMUM);
        assert!(budget.large_packet().try_acquire_owned().is_err());
        one.receive(packet - MINIMUM).unwrap();
        assert_eq!(one.consume(packet) as usize, MINIMUM);
        let permit = budget.large_packet().try_acquire_owned().unwrap();
        assert_eq!(
            other.take_slot(permit, packet - MINIMUM) as usize,
            packet - MINIMUM
        );
    }

    #[test]
    fn a_user_short_of_credit_gets_some_of_it_back() {
        let budget = ConnectionBudget::with(8 << 20);
        let mut first = ReceiveWindow::new(&budget);
        first.begin();
        let before = first.size();
        let mut rest = Reservation::nothing(&budget);
        while rest.grow(1 << 14) {}
        first.receive(before / 2 + 1).unwrap();
        first.consume(before / 2 + 1);
        assert!(first.size() < before);
        assert_eq!(first.open + first.owed, first.size());
        drop((first, rest));
        assert!(Reservation::nothing(&budget).grow(2 << 20), "all came back");
    }
}
