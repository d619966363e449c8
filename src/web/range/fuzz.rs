//! The body of the fuzz target for `Range`: no input makes the parser panic, and a part lies within the file.

use super::{LONGEST, RangeAnswer, RangeRequest};

/// Parses `data`, of which the first eight bytes are the size of the file.
pub fn fuzz_range(data: &[u8]) {
    let Some((size, header)) = data.split_first_chunk::<8>() else {
        return;
    };
    for size in [u64::from_be_bytes(*size), 1000] {
        let answer = RangeRequest::parse(header, size);
        if let RangeAnswer::Part(range) = answer {
            assert!(range.first <= range.last && range.last < size);
            assert!(range.len() >= 1 && range.len() <= size);
            // The part is the answer to the header that asks for it alone.
            let alone = format!("bytes={}-{}", range.first, range.last);
            assert_eq!(RangeRequest::parse(alone.as_bytes(), size), answer);
        }
        if size == 0 || header.len() > LONGEST {
            assert_eq!(answer, RangeAnswer::Whole);
        }
    }
}
