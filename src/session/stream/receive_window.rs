//! The window that we grant (RFC 4254, section 5.2): credit for what the client sends, given back as it is used up.
//!
//! Each byte that comes is *waiting* until it is *consumed*: a WRITE's when it was executed, a READ's when its reply
//! was taken, a command's input when the command has done with it. So what waits is bounded by what was granted. A
//! channel begins with [`MINIMUM`], which is charged to nobody; when its work begins it gets [`USUAL`], and up to
//! [`LARGEST`] as it consumes much, as far as the budget allows. When the user's credit is nearly used up a channel
//! gives half of its own back with what it consumes, for others.
//!
//! Always: `open + waiting + owed == MINIMUM + reserved + slot + excess`, where *open* is what the client may still
//! send, *owed* what was consumed and not given back yet, *slot* the one packet of the connection that fits nowhere
//! else, and *excess* what was sent without a grant.
//!
//! What may go wrong: a client that sends more than it may. As in OpenSSH, a tenth of the window is let pass.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::connection_budget::{ConnectionBudget, MINIMUM, Reservation, WindowExceeded};

/// The window of a channel at work: what one TCP connection holds on most links.
const USUAL: usize = 2 << 20;
/// More than a far, fast link holds: a client never waits for window in a long upload.
const LARGEST: usize = 16 << 20;
/// The window is opened again when three of the largest packets were consumed, or half of the window, as OpenSSH
/// does.
const WORTH_TELLING: usize = 3 * 65_535;

/// The window that we have granted the client on one channel.
#[derive(Debug)]
pub struct ReceiveWindow {
    reserved: Reservation,
    open: usize,
    owed: usize,
    /// The bytes that were consumed in all.
    consumed: u64,
    /// Sent in spite of a shut window, one message after the other.
    exceeded: usize,
    /// The part of what waits that was not granted.
    excess: usize,
    slot: Option<LargePacketSlot>,
}

/// The connection's right to one large packet, and how much of the packet has not come yet.
#[derive(Debug)]
struct LargePacketSlot {
    _permit: OwnedSemaphorePermit,
    bytes: usize,
}

/// What a channel needs for a packet whose end has not come.
#[derive(Debug, PartialEq, Eq)]
pub enum PacketRoom {
    /// The client may send so many bytes more; 0 if it may send enough already.
    Open(u32),
    /// Only the connection's slot for large packets is left for it.
    NeedsSlot,
}

impl ReceiveWindow {
    /// The window of a channel that was opened with [`MINIMUM`].
    pub fn new(budget: &Arc<ConnectionBudget>) -> Self {
        Self {
            reserved: Reservation::nothing(budget),
            open: MINIMUM,
            owed: 0,
            consumed: 0,
            exceeded: 0,
            excess: 0,
            slot: None,
        }
    }

    /// The connection's budget.
    pub fn budget(&self) -> &Arc<ConnectionBudget> {
        self.reserved.budget()
    }

    fn size(&self) -> usize {
        MINIMUM + self.reserved.bytes()
    }

    /// Opens the window for work that begins; returns how much more the client may send.
    pub fn begin(&mut self) -> u32 {
        self.owed += self.reserved.grow_fairly(USUAL - MINIMUM);
        self.give()
    }

    /// Counts bytes that have come.
    ///
    /// # Errors
    /// When the client ignores the window.
    pub fn receive(&mut self, bytes: usize) -> Result<(), WindowExceeded> {
        // An empty message says nothing of whether the client heeds the window.
        if bytes == 0 {
            return Ok(());
        }
        match self.open.checked_sub(bytes) {
            Some(rest) => {
                self.open = rest;
                self.exceeded = 0;
                Ok(())
            }
            None => {
                self.exceeded += bytes - self.open;
                self.excess += bytes - self.open;
                self.open = 0;
                (self.exceeded <= self.size() / 10)
                    .then_some(())
                    .ok_or(WindowExceeded)
            }
        }
    }

    /// Bytes that have come were used up; returns how far the window is to be opened now, if that is worth telling.
    pub fn consume(&mut self, bytes: usize) -> u32 {
        self.consumed = self.consumed.saturating_add(bytes as u64);
        self.owed += bytes;
        let ungranted = self.excess.min(self.owed);
        self.excess -= ungranted;
        self.owed -= ungranted;
        if let Some(slot) = &mut self.slot {
            let back = slot.bytes.min(self.owed);
            slot.bytes -= back;
            self.owed -= back;
            if slot.bytes == 0 {
                self.slot = None;
            }
        }
        if self.owed == 0 || self.owed < WORTH_TELLING && self.open >= self.size() / 2 {
            return 0;
        }
        self.resize();
        self.give()
    }

    /// Gives a channel that consumes much more, and takes some back where there is little left.
    fn resize(&mut self) {
        if self.budget().memory().is_short_of_credit() && self.reserved.bytes() > 0 {
            let less = (self.reserved.bytes() / 2).min(self.owed);
            self.owed -= less;
            self.reserved.shrink(less);
            return;
        }
        let earned = usize::try_from(self.consumed / 2).unwrap_or(usize::MAX);
        let wanted = earned.clamp(USUAL, LARGEST);
        let more = wanted.saturating_sub(self.size());
        if more > 0 {
            self.owed += self.reserved.grow_fairly(more);
        }
    }

    fn give(&mut self) -> u32 {
        let given = std::mem::take(&mut self.owed);
        self.open += given;
        // Never more than the largest window and a packet.
        u32::try_from(given).unwrap_or(u32::MAX)
    }

    /// The client has sent a part of a packet, and `missing` bytes of it have not come; nothing else waits.
    pub fn room_for(&mut self, missing: usize) -> PacketRoom {
        let short = missing.saturating_sub(self.open);
        if short > self.owed {
            let deficit = short - self.owed;
            if self.slot.is_some() {
                // It was taken for this packet, and is still on its way.
                return PacketRoom::Open(0);
            }
            if !self.reserved.grow(deficit) {
                return PacketRoom::NeedsSlot;
            }
            self.owed += deficit;
        }
        PacketRoom::Open(if short > 0 { self.give() } else { 0 })
    }

    /// The connection's slot is this channel's until as much has come back; returns how far the window is to be opened.
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

    fn window() -> ReceiveWindow {
        ReceiveWindow::new(&ConnectionBudget::roomy())
    }

    #[test]
    fn what_waits_is_never_more_than_what_was_granted() {
        let mut window = window();
        let granted = MINIMUM + window.begin() as usize;
        assert_eq!(granted, USUAL);
        window.receive(granted).unwrap();
        assert_eq!(window.receive(1 + USUAL / 10), Err(WindowExceeded));
        // Nothing is given back until something was consumed.
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
    fn who_consumes_much_may_send_more() {
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
    fn without_credit_a_channel_has_its_minimum_and_a_large_packet_gets_through() {
        let budget = ConnectionBudget::with(0);
        let (mut one, mut other) = (ReceiveWindow::new(&budget), ReceiveWindow::new(&budget));
        assert_eq!((one.begin(), other.begin()), (0, 0));
        let packet = 256 * 1024;
        for window in [&mut one, &mut other] {
            window.receive(MINIMUM).unwrap();
            assert_eq!(window.room_for(packet - MINIMUM), PacketRoom::NeedsSlot);
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
