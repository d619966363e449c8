//! Dates of HTTP (RFC 9110, section 5.6.7), in seconds since 1970.

use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};

/// The longest text that is taken for a date. The form of today has 29 characters.
const LONGEST: usize = 64;

/// Formats a time such as `Sun, 06 Nov 1994 08:49:37 GMT`; `None` for one before the year 0 or after 9999.
pub fn format(seconds: i64) -> Option<String> {
    let time = Timestamp::from_second(seconds).ok()?;
    DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

/// Parses a date. The two obsolete forms, which no client of today sends, are not dates here: what depends on a date
/// that cannot be read is done as without it.
pub fn parse(text: &[u8]) -> Option<i64> {
    if text.len() > LONGEST {
        return None;
    }
    let time = DateTimeParser::new().parse_timestamp(text.trim_ascii()).ok()?;
    Some(time.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_standard() {
        assert_eq!(
            format(784_111_777).as_deref(),
            Some("Sun, 06 Nov 1994 08:49:37 GMT")
        );
        assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(parse(b" Thu, 01 Jan 1970 00:00:00 GMT "), Some(0));
        assert_eq!(format(i64::MAX), None);
        for text in [
            "",
            "yesterday",
            "784111777",
            "1994-11-06T08:49:37Z",
            "Sun, 06 Nov",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(&[b'('; 1000]), None);
    }
}
