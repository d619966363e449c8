//! The header `Range` of a download (RFC 9110, section 14). It is a parser without I/O: it does not know files, and
//! whether the header counts at all is decided by `If-Range` in [`super::preconditions`].

#[doc(hidden)]
pub mod fuzz;

/// The longest header in bytes that is looked at. A player or a browser sends some 30; RFC 9110 allows to ignore
/// others.
const LONGEST: usize = 4096;

/// The most ranges in one header that are looked at: more are an attack (section 14.2) or a mistake.
const MOST_RANGES: usize = 64;

/// Bytes of a file from `first` to `last`, both included.
///
/// Invariant: `first <= last`, and `last` is smaller than the size of the file for which the range was parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// The offset of the first byte.
    pub first: u64,
    /// The offset of the last byte.
    pub last: u64,
}

/// What a request with a header `Range` is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RangeAnswer {
    /// The whole file with status 200: the header is malformed, too long, of another unit, or asks for several parts.
    Whole,
    /// One part with status 206.
    Part(ByteRange),
    /// Status 416: no range has a byte of the file.
    Unsatisfiable,
}

/// The header `Range` of a request.
#[derive(Debug)]
pub struct RangeRequest;

/// One element of the header.
enum RangeSpec {
    /// `first-` or `first-last`.
    From { first: u64, last: u64 },
    /// `-length`: the last bytes of the file.
    Last { length: u64 },
}

impl ByteRange {
    /// Returns the number of bytes, at least 1.
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> u64 {
        // `last - first` is smaller than the size of a file, so 1 more fits.
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    /// Formats the value of `Content-Range` for a file of this size.
    pub fn content_range(&self, size: u64) -> String {
        format!("bytes {}-{}/{size}", self.first, self.last)
    }
}

impl RangeAnswer {
    /// Formats the value of `Content-Range` for status 416.
    pub fn unsatisfied(size: u64) -> String {
        format!("bytes */{size}")
    }
}

impl RangeRequest {
    /// Decides about the header for a file of `size` bytes.
    ///
    /// Ranges that overlap or touch are taken together. If several remain, the answer is the whole file, as section
    /// 14.2 allows: nothing but PDF viewers and attackers asks for `multipart/byteranges`. An empty file is sent as a
    /// whole, because some clients send a range with every request.
    pub fn parse(header: &[u8], size: u64) -> RangeAnswer {
        if size == 0 || header.len() > LONGEST {
            return RangeAnswer::Whole;
        }
        let Some(specs) = specs(header) else {
            return RangeAnswer::Whole;
        };
        let mut parts: Vec<ByteRange> = specs.iter().filter_map(|spec| spec.within(size)).collect();
        parts.sort_unstable_by_key(|part| part.first);
        let mut parts = parts.into_iter();
        let Some(mut whole) = parts.next() else {
            return RangeAnswer::Unsatisfiable;
        };
        for part in parts {
            if part.first > whole.last.saturating_add(1) {
                return RangeAnswer::Whole;
            }
            whole.last = whole.last.max(part.last);
        }
        RangeAnswer::Part(whole)
    }
}

impl RangeSpec {
    /// Parses an element; `None` if it does not have the form.
    fn parse(text: &[u8]) -> Option<Self> {
        let at = text.iter().position(|&byte| byte == b'-')?;
        let (first, rest) = text.split_at_checked(at)?;
        let (_, last) = rest.split_at_checked(1)?;
        match (first, last) {
            (b"", b"") => None,
            (b"", length) => Some(Self::Last {
                length: number(length)?,
            }),
            (first, b"") => Some(Self::From {
                first: number(first)?,
                last: u64::MAX,
            }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From { first, last })
            }
        }
    }

    /// Returns the bytes that a file of `size` bytes has of it, which must not be 0.
    fn within(&self, size: u64) -> Option<ByteRange> {
        let end = size.checked_sub(1)?;
        match *self {
            Self::From { first, last } => (first <= end).then(|| ByteRange {
                first,
                last: last.min(end),
            }),
            Self::Last { length: 0 } => None,
            Self::Last { length } => Some(ByteRange {
                first: size.saturating_sub(length),
                last: end,
            }),
        }
    }
}

/// Splits the header into its elements; `None` if it is malformed, of another unit, or has too many of them.
fn specs(header: &[u8]) -> Option<Vec<RangeSpec>> {
    let header = header.trim_ascii();
    let (unit, list) = header.split_at_checked(b"bytes=".len())?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut specs = Vec::new();
    for element in list.split(|&byte| byte == b',') {
        // A list may have empty elements (section 5.6.1).
        let element = element.trim_ascii();
        if element.is_empty() {
            continue;
        }
        if specs.len() == MOST_RANGES {
            return None;
        }
        specs.push(RangeSpec::parse(element)?);
    }
    (!specs.is_empty()).then_some(specs)
}

/// Parses digits. A number that is too large for 64 bits is the largest one, as it is larger than every file.
fn number(digits: &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number
            .saturating_mul(10)
            .saturating_add(u64::from(digit.saturating_sub(b'0')));
    }
    (!digits.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, size: u64, expected: RangeAnswer) {
        assert_eq!(
            RangeRequest::parse(header.as_bytes(), size),
            expected,
            "{header:.80} of {size} bytes"
        );
    }

    fn part(first: u64, last: u64) -> RangeAnswer {
        RangeAnswer::Part(ByteRange { first, last })
    }

    #[test]
    fn one_range_is_a_part() {
        for (header, size, expected) in [
            ("bytes=0-499", 1000, part(0, 499)),
            ("bytes=5-", 1000, part(5, 999)),
            ("bytes=0-", 1000, part(0, 999)),
            ("bytes=999-", 1000, part(999, 999)),
            ("bytes=-1", 1000, part(999, 999)),
            ("bytes=-5000", 1000, part(0, 999)),
            ("bytes=10-5000", 1000, part(10, 999)),
            ("BYTES= 1-2 ", 1000, part(1, 2)),
            ("bytes=0-99999999999999999999999", 1000, part(0, 999)),
            ("bytes=-99999999999999999999999", 1000, part(0, 999)),
            ("bytes=0-18446744073709551615", u64::MAX, part(0, u64::MAX - 1)),
        ] {
            check(header, size, expected);
        }
    }

    #[test]
    fn ranges_that_touch_are_one() {
        check("bytes=0-4,5-9", 100, part(0, 9));
        check("bytes=50-,,0-60 ,", 100, part(0, 99));
        check("bytes=7-7,7-7,7-7", 100, part(7, 7));
        check("bytes=0-4,500-", 100, part(0, 4));
        check("bytes=0-4,6-9", 100, RangeAnswer::Whole);
        check("bytes=-1,0-0", 100, RangeAnswer::Whole);
    }

    #[test]
    fn what_lies_behind_the_end_cannot_be_sent() {
        check("bytes=1000-", 1000, RangeAnswer::Unsatisfiable);
        check("bytes=-0", 1000, RangeAnswer::Unsatisfiable);
        check("bytes=99999999999999999999999-", 1000, RangeAnswer::Unsatisfiable);
        check("bytes=2000-3000,-0", 1000, RangeAnswer::Unsatisfiable);
        assert_eq!(RangeAnswer::unsatisfied(1000), "bytes */1000");
    }

    #[test]
    fn an_empty_file_is_sent_as_a_whole() {
        check("bytes=0-", 0, RangeAnswer::Whole);
        check("bytes=-5", 0, RangeAnswer::Whole);
    }

    #[test]
    fn malformed_headers_are_ignored() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-b",
            "bytes=5-3",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=1 - 2",
            "bytes=0-1,x",
            "lines=0-1",
            "bytes 0-1",
        ] {
            check(header, 1000, RangeAnswer::Whole);
        }
    }

    #[test]
    fn a_million_ranges_cost_nothing() {
        check(
            &format!("bytes={}", "0-0,".repeat(1_000_000)),
            1000,
            RangeAnswer::Whole,
        );
        check(&format!("bytes={}", "0-0,".repeat(65)), 1000, RangeAnswer::Whole);
        check(&format!("bytes={}", "0-0,".repeat(64)), 1000, part(0, 0));
    }

    #[test]
    fn a_part_is_described() {
        let range = ByteRange { first: 5, last: 9 };
        assert_eq!(
            (range.len(), range.content_range(10).as_str()),
            (5, "bytes 5-9/10")
        );
    }
}
