//! Formats numbers: those of bytes, which are parsed as well, and those of other things.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// A size on the command line: `512`, `10MiB`, `1GiB`, `1G`; `K M G T P` are powers of 1024, as in `df` and `quota`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = || {
            Error::new(format!("\"{}\" is not a size", text.escape_debug()))
                .hint("a number of bytes, or with a unit: 512, 10MiB, 1GiB, 1G")
        };
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad())?;
        let shift = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kib" | "kb" => 10,
            "m" | "mib" | "mb" => 20,
            "g" | "gib" | "gb" => 30,
            "t" | "tib" | "tb" => 40,
            "p" | "pib" | "pb" => 50,
            _ => return Err(bad()),
        };
        number.checked_mul(1 << shift).map(Size).ok_or_else(bad)
    }
}

/// Returns a number with its noun, whose plural has an s: `1 user`, `2 users`.
pub fn counted<N: fmt::Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Displays the size in the largest unit that leaves at least 1, with one decimal, as in `1.0 GiB`; bytes as they are,
/// as in `512 B`.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let power = self.0.max(1).ilog2() / 10;
        match power.checked_sub(1).and_then(|i| units.get(i as usize)) {
            None => write!(f, "{} B", self.0),
            // One decimal needs at most the 53 bits of a double's precision.
            #[allow(clippy::cast_precision_loss)]
            Some(unit) => write!(f, "{:.1} {unit}", self.0 as f64 / (1u64 << (10 * power)) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_noun_has_its_plural() {
        for (number, expected) in [
            (0, "0 users"),
            (1, "1 user"),
            (2, "2 users"),
            (10_000, "10000 users"),
        ] {
            assert_eq!(counted::<usize>(number, "user"), expected);
        }
        assert_eq!(counted(1_u64, "byte"), "1 byte");
    }
}
