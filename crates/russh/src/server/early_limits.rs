//! What a client may send before it has signed in, and the size of a KEXINIT at any time.

use super::Session;
use crate::Error;

/// The packet size that every implementation must accept (RFC 4253, section 6.1). Larger packets are accepted after the
/// sign-in. No KEXINIT may be larger, as it is kept until the key exchange is over.
const MAX_EARLY_PACKET: usize = 35_000;
/// The number of key exchanges that a client may start before it has signed in. No client needs one, and each costs the
/// server a signature.
const MAX_EARLY_EXCHANGES: u32 = 2;

impl Session {
    fn is_signed_in(&self) -> bool {
        let enc = self.common.encrypted.as_ref();
        enc.is_some_and(|enc| Self::automatic_rekey_eligible(&enc.state))
    }

    /// The size of the largest packet that the client may send now; 0 stands for the usual limit.
    pub(crate) fn packet_limit(&self) -> usize {
        match self.is_signed_in() {
            true => 0,
            false => MAX_EARLY_PACKET,
        }
    }

    /// Checks a KEXINIT of this length before anything of it is kept.
    pub(crate) fn check_kexinit(&mut self, length: usize) -> Result<(), Error> {
        if length > MAX_EARLY_PACKET {
            return Err(Error::PacketSize(length));
        }
        let repeated = self.common.encrypted.is_some() && !self.kex.active();
        if repeated && !self.is_signed_in() {
            self.early_exchanges += 1;
            if self.early_exchanges > MAX_EARLY_EXCHANGES {
                return Err(Error::EarlyExchanges);
            }
        }
        Ok(())
    }
}
