//! Conditional requests (RFC 9110, section 13): whether a request is carried out, given what the client believes about
//! the file. It does not read the file.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE};

use super::etag::{ETag, TagList};
use super::http_date;
use super::range::{RangeAnswer, RangeRequest};
use super::single_header::single;
use crate::storage::Metadata;

/// What a client can remember of a file: its tag and the time of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validators {
    /// The value of `ETag`.
    pub etag: ETag,
    /// The time of the last change, in seconds since 1970.
    pub modified: i64,
    /// The size of the file in bytes.
    pub size: u64,
}

/// What the conditions of a request say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreconditionVerdict {
    /// The request is carried out.
    Proceed,
    /// Status 304: the client has the file already.
    NotModified,
    /// Status 412: the file is not what the client believes.
    Failed,
}

/// Whether a request changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestEffect {
    /// GET or HEAD.
    Reads,
    /// Every other method.
    Changes,
}

impl Validators {
    /// Returns those of a file whose metadata was read at `now`, in seconds since 1970.
    pub fn of(file: &Metadata, now: i64) -> Self {
        Self {
            etag: ETag::of(file, now),
            modified: file.mtime,
            size: file.size,
        }
    }

    /// Returns the value of `Last-Modified`; `None` if the time cannot be written.
    pub fn last_modified(&self) -> Option<String> {
        http_date::format(self.modified)
    }

    /// Decides about `Range`, which counts only if `If-Range` does not name another file (section 13.1.5).
    ///
    /// A date is compared with the tag's strictness: while the file is so young that its tag is weak, no date is exact
    /// enough to put parts together.
    pub fn range(&self, headers: &HeaderMap) -> RangeAnswer {
        let Ok(Some(range)) = single(headers, RANGE) else {
            return RangeAnswer::Whole;
        };
        if let Some(condition) = headers.get(IF_RANGE) {
            let condition = condition.as_bytes();
            let is_same = match ETag::parse(condition) {
                Some(tag) => tag.is_same_bytes(&self.etag),
                None => self.etag.is_strong() && http_date::parse(condition) == Some(self.modified),
            };
            if !is_same {
                return RangeAnswer::Whole;
            }
        }
        RangeRequest::parse(range, self.size)
    }
}

/// Decides about the conditions of a request in the order of section 13.2.2. `file` is what lies at the path, if
/// anything.
///
/// A list of tags that is malformed never lets a change pass, and never makes a client keep what it has. A date that
/// cannot be read is ignored, as the RFC asks.
pub fn verdict(headers: &HeaderMap, file: Option<&Validators>, effect: RequestEffect) -> PreconditionVerdict {
    let changes = effect == RequestEffect::Changes;
    if headers.contains_key(IF_MATCH) {
        let list = TagList::parse(headers.get_all(IF_MATCH).iter().map(|value| value.as_bytes()));
        let matches =
            list.is_some_and(|list| file.is_some_and(|file| list.has(&file.etag, ETag::is_same_bytes)));
        if !matches {
            return PreconditionVerdict::Failed;
        }
    } else if let Some(since) = date(headers, IF_UNMODIFIED_SINCE)
        && file.is_none_or(|file| file.modified > since)
    {
        return PreconditionVerdict::Failed;
    }
    if headers.contains_key(IF_NONE_MATCH) {
        let values = headers.get_all(IF_NONE_MATCH);
        let list = TagList::parse(values.iter().map(|value| value.as_bytes()));
        let matches = match list {
            Some(list) => file.is_some_and(|file| list.has(&file.etag, ETag::is_equivalent)),
            None => changes,
        };
        return match (matches, changes) {
            (false, _) => PreconditionVerdict::Proceed,
            (true, false) => PreconditionVerdict::NotModified,
            (true, true) => PreconditionVerdict::Failed,
        };
    }
    let is_unchanged = !changes
        && date(headers, IF_MODIFIED_SINCE)
            .is_some_and(|since| file.is_some_and(|file| is_unchanged_since(file, since)));
    match is_unchanged {
        true => PreconditionVerdict::NotModified,
        false => PreconditionVerdict::Proceed,
    }
}

/// Whether a file that a client fetched when it had the time `since` is certainly the same. Times are whole seconds: a
/// file with a weak tag may have been changed twice within one.
fn is_unchanged_since(file: &Validators, since: i64) -> bool {
    file.etag.is_strong() && file.modified <= since
}

fn date(headers: &HeaderMap, name: http::HeaderName) -> Option<i64> {
    http_date::parse(headers.get(name)?.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::range::ByteRange;
    use super::*;
    use crate::storage::{FileKind, InodeId};

    const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
    const EARLIER: &str = "Sun, 06 Nov 1994 08:49:36 GMT";

    fn file(now: i64) -> Validators {
        let metadata = Metadata {
            kind: FileKind::File,
            mode: 0o100_644,
            size: 100,
            uid: 0,
            gid: 0,
            links: 1,
            inode: InodeId { device: 1, number: 7 },
            atime: 0,
            mtime: 784_111_777,
        };
        Validators::of(&metadata, now)
    }

    fn old() -> Validators {
        file(800_000_000)
    }

    fn young() -> Validators {
        file(784_111_777)
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn reads_are_conditional() {
        let tag = old().etag.to_string();
        let tag = tag.as_str();
        let weak = format!("W/{tag}");
        let check = |pairs: &[(&'static str, &str)], expected: PreconditionVerdict| {
            let found = verdict(&headers(pairs), Some(&old()), RequestEffect::Reads);
            assert_eq!(found, expected, "{pairs:?}");
        };
        check(&[], PreconditionVerdict::Proceed);
        check(&[("if-none-match", tag)], PreconditionVerdict::NotModified);
        check(
            &[("if-none-match", weak.as_str())],
            PreconditionVerdict::NotModified,
        );
        check(&[("if-none-match", "*")], PreconditionVerdict::NotModified);
        check(&[("if-none-match", "\"other\"")], PreconditionVerdict::Proceed);
        check(&[("if-none-match", "other")], PreconditionVerdict::Proceed);
        check(&[("if-modified-since", DATE)], PreconditionVerdict::NotModified);
        check(&[("if-modified-since", EARLIER)], PreconditionVerdict::Proceed);
        check(
            &[("if-modified-since", "yesterday")],
            PreconditionVerdict::Proceed,
        );
        let both = [("if-none-match", "\"other\""), ("if-modified-since", DATE)];
        check(&both, PreconditionVerdict::Proceed);
        check(
            &[("if-match", "\"other\""), ("if-none-match", tag)],
            PreconditionVerdict::Failed,
        );
    }

    #[test]
    fn changes_are_conditional() {
        let tag = old().etag.to_string();
        let tag = tag.as_str();
        let weak = format!("W/{tag}");
        let check =
            |pairs: &[(&'static str, &str)], there: PreconditionVerdict, missing: PreconditionVerdict| {
                let found =
                    [Some(&old()), None].map(|file| verdict(&headers(pairs), file, RequestEffect::Changes));
                assert_eq!(found, [there, missing], "{pairs:?}");
            };
        check(&[], PreconditionVerdict::Proceed, PreconditionVerdict::Proceed);
        check(
            &[("if-none-match", "*")],
            PreconditionVerdict::Failed,
            PreconditionVerdict::Proceed,
        );
        check(
            &[("if-none-match", "junk")],
            PreconditionVerdict::Failed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-match", "*")],
            PreconditionVerdict::Proceed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-match", tag)],
            PreconditionVerdict::Proceed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-match", weak.as_str())],
            PreconditionVerdict::Failed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-match", "junk")],
            PreconditionVerdict::Failed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-unmodified-since", DATE)],
            PreconditionVerdict::Proceed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-unmodified-since", EARLIER)],
            PreconditionVerdict::Failed,
            PreconditionVerdict::Failed,
        );
        check(
            &[("if-modified-since", DATE)],
            PreconditionVerdict::Proceed,
            PreconditionVerdict::Proceed,
        );
    }

    #[test]
    fn parts_are_only_put_together_if_the_file_is_the_same() {
        let part = RangeAnswer::Part(ByteRange { first: 5, last: 99 });
        let check = |file: &Validators, condition: &str, expected: RangeAnswer| {
            let headers = headers(&[("range", "bytes=5-"), ("if-range", condition)]);
            assert_eq!(file.range(&headers), expected, "{condition}");
        };
        check(&old(), &old().etag.to_string(), part);
        check(&old(), DATE, part);
        check(&old(), EARLIER, RangeAnswer::Whole);
        check(&old(), &format!("W/{}", old().etag), RangeAnswer::Whole);
        check(&old(), "\"other\"", RangeAnswer::Whole);
        check(&old(), "junk", RangeAnswer::Whole);
        check(&young(), &young().etag.to_string(), RangeAnswer::Whole);
        check(&young(), DATE, RangeAnswer::Whole);
        assert_eq!(young().range(&headers(&[("range", "bytes=5-")])), part);
        assert_eq!(old().range(&headers(&[])), RangeAnswer::Whole);
        let twice = headers(&[("range", "bytes=5-"), ("range", "bytes=6-")]);
        assert_eq!(old().range(&twice), RangeAnswer::Whole);
    }

    #[test]
    fn a_young_file_is_sent_again() {
        let asked = headers(&[("if-modified-since", DATE)]);
        assert_eq!(
            verdict(&asked, Some(&young()), RequestEffect::Reads),
            PreconditionVerdict::Proceed
        );
        assert_eq!(old().last_modified().as_deref(), Some(DATE));
    }
}
