//! How far a session has come with a file, in a few words.

use crate::ops::running::WorkView;
use base::size::Size;

/// Returns `40% of 1.0 GiB`, or `12.0 MiB` if the size is not known; for a hash, whose progress is not known, its size.
pub fn progress(work: &WorkView) -> String {
    match work.size {
        Some(size) if work.kind == "hashing" => Size(size).to_string(),
        Some(size) if size > 0 => {
            let percent = u128::from(work.position.min(size)) * 100 / u128::from(size);
            format!("{percent}% of {}", Size(size))
        }
        Some(_) | None => Size(work.bytes).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn progress_is_told_as_far_as_it_is_known() {
        let check = |kind: &str, size: Option<u64>, expected: &str| {
            let work = WorkView {
                kind: kind.to_owned(),
                path: "/f".to_owned(),
                bytes: 2048,
                position: 700,
                size,
                duration: Duration::ZERO,
            };
            assert_eq!(progress(&work), expected, "{kind} {size:?}");
        };
        check("reading", Some(1000), "70% of 1000 B");
        check("reading", Some(100), "100% of 100 B");
        check("reading", Some(0), "2.0 KiB");
        check("writing", None, "2.0 KiB");
        check("hashing", Some(1024), "1.0 KiB");
    }
}
