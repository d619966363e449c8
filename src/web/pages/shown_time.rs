//! How pages show times: in UTC, to the minute.

use jiff::Timestamp;

/// Formats a time for people.
pub fn minute(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Formats a time for programs, as the attribute `datetime` has it.
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        let time = Timestamp::from_second(784_111_777).unwrap();
        assert_eq!(minute(time), "1994-11-06 08:49");
        assert_eq!(iso(time), "1994-11-06T08:49:37Z");
    }
}
