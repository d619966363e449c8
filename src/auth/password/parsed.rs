//! What the schemes have in common: the trait of their hashes, and the arithmetic of their costs.

use std::time::Duration;

use super::memory::Memory;

/// The longest password in bytes. It is longer than any passphrase, and limits the work that a peer can cause.
pub const MAX_PASSWORD: usize = 1024;

/// Parses the text of a hash; the error says what is wrong with it.
pub(super) type Parse = fn(&str) -> Result<Box<dyn ParsedHash>, String>;

/// A hash whose text is valid, and whose cost is within the limits.
pub(super) trait ParsedHash {
    /// Returns how long a verification takes at most on a slow processor, whatever the password is.
    fn cost(&self) -> Duration;

    /// Returns whether the password matches, or `None` if there is not enough memory.
    fn matches(&self, password: &[u8], memory: &mut Memory) -> Option<bool>;

    /// Whether every byte of the password counts.
    fn covers(&self, _password: &[u8]) -> bool {
        true
    }
}

/// Returns a cost from the number of units of work and the nanoseconds that each takes on a slow processor.
pub(super) fn work(units: u64, nanos: u64) -> Duration {
    Duration::from_nanos(units.saturating_mul(nanos))
}

/// Compares two hashes in a time that does not depend on where they differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    let differences = one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b));
    one.len() == other.len() && std::hint::black_box(differences) == 0
}

/// Returns the error about a hash whose text does not have the form of its scheme.
pub(super) fn damaged(form: &str) -> String {
    format!("it is damaged or cut off: expected {form}")
}
