//! Temporary names, under which uploads grow that replace a file: their ending, and what a run knows about them.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use sftp_wire::Owner;
use tokio::sync::{Mutex, OnceCell};

use super::part_file::with_ending;
use crate::link::{Answered as _, Link, RemoteError};
use crate::names::{last, parent};

/// The ending of the temporary name.
pub const TEMPORARY_ENDING: &str = ".homeport.part";
/// The most names of a directory that are read to learn how many links a file has.
const MAX_NAMES: usize = 20_000;
/// How many directories are remembered: files of few directories are under way at the same time.
const DIRECTORIES: usize = 8;

/// The numbers of links of the files of a directory, by their names. `None`: the directory cannot be listed.
type LinkCounts = Option<Arc<HashMap<Vec<u8>, u64>>>;

/// The temporary name of a path, on the server or on this machine. A name that would be too long is shortened.
pub fn temporary_name(path: &[u8]) -> Vec<u8> {
    let path = with_ending(Path::new(OsStr::from_bytes(path)), TEMPORARY_ENDING);
    path.into_os_string().into_vec()
}

/// What a run knows about temporary names on its server.
#[derive(Default)]
pub(super) struct TemporaryNames {
    /// Whether the server has refused to rename one. Then no other file is sent in vain.
    refused: AtomicBool,
    /// The bytes of files that are under way under temporary names.
    under_way: AtomicU64,
    /// The owner of files that this user creates.
    owner: OnceCell<Option<Owner>>,
    link_counts: Mutex<VecDeque<(Vec<u8>, LinkCounts)>>,
}

impl TemporaryNames {
    /// Remembers that the server does not rename files.
    pub(super) fn refuse(&self) {
        self.refused.store(true, Ordering::Relaxed);
    }

    /// Whether the server has refused to rename one.
    pub(super) fn are_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// The owner of files that this user creates. `look` finds it out, once in a run.
    pub(super) async fn owner(
        &self,
        look: impl Future<Output = Result<Option<Owner>, RemoteError>>,
    ) -> Result<Option<Owner>, RemoteError> {
        self.owner.get_or_try_init(|| look).await.copied()
    }

    /// The number of links of a file, as its directory's listing tells it. `None`: that is not known.
    pub(super) async fn links(&self, link: &Link, path: &[u8]) -> Result<Option<u64>, RemoteError> {
        let (directory, name) = (parent_or_here(path), last(path));
        let mut remembered = self.link_counts.lock().await;
        let known = remembered.iter().find(|(known, _)| known == directory);
        let counts = match known {
            Some((_, counts)) => counts.clone(),
            None => {
                let counts = link_counts(link, directory).await?;
                remembered.truncate(DIRECTORIES - 1);
                remembered.push_front((directory.to_vec(), counts.clone()));
                counts
            }
        };
        Ok(counts.and_then(|counts| counts.get(name).copied()))
    }
}

async fn link_counts(link: &Link, directory: &[u8]) -> Result<LinkCounts, RemoteError> {
    let listed = link.list_some(directory, MAX_NAMES).await.unless_refused()?;
    let Some(listed) = listed else {
        return Ok(None);
    };
    let counts = listed
        .into_iter()
        .filter_map(|entry| Some((entry.name.to_vec(), link_count(&entry.long)?)));
    Ok(Some(Arc::new(counts.collect())))
}

/// The number of links in a line of `ls -l`: the second word.
fn link_count(line: &[u8]) -> Option<u64> {
    let mut words = line
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mode = words.next()?;
    let count = std::str::from_utf8(words.next()?).ok()?.parse().ok()?;
    mode.starts_with(b"-").then_some(count)
}

/// Room for a file under a temporary name, which is taken as long as this lives.
pub(super) struct ClaimedRoom<'a> {
    names: &'a TemporaryNames,
    bytes: u64,
}

impl<'a> ClaimedRoom<'a> {
    /// Claims room for `bytes`, if so much is free beside what is claimed already.
    pub(super) fn claim(names: &'a TemporaryNames, bytes: u64, free: u64) -> Option<Self> {
        let before = names.under_way.fetch_add(bytes, Ordering::Relaxed);
        // Dropping it gives the room back.
        let claimed = Self { names, bytes };
        (before.saturating_add(bytes) <= free).then_some(claimed)
    }
}

impl Drop for ClaimedRoom<'_> {
    fn drop(&mut self) {
        self.names.under_way.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The directory of a path. One that is relative lies in the directory where the session began.
pub(super) fn parent_or_here(path: &[u8]) -> &[u8] {
    match parent(path) {
        b"" => b".",
        directory => directory,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_links_is_the_second_word_of_a_file() {
        for (line, links) in [
            ("-rw-r--r--    1 root     root         6 Jan  1 00:00 f", Some(1)),
            ("-rw-r--r-- 2 a b 6 Jan  1 00:00 f", Some(2)),
            ("-rw-r--r--+   1 root     root         6 Jan  1 00:00 f", Some(1)),
            ("lrwxrwxrwx    1 root     root         6 Jan  1 00:00 f", None),
            ("-rw-r--r--    ? root     root         6 Jan  1 00:00 f", None),
            ("f", None),
            ("", None),
        ] {
            assert_eq!(link_count(line.as_bytes()), links, "{line}");
        }
    }

    #[test]
    fn a_temporary_name_is_never_too_long_and_keeps_its_ending() {
        assert_eq!(temporary_name(b"d/f"), b"d/f.homeport.part");
        assert_eq!(temporary_name(b"/f"), b"/f.homeport.part");
        let long = [&b"d/"[..], &[b'x'; 255]].concat();
        let name = temporary_name(&long);
        assert!(name.starts_with(b"d/xxx") && name.ends_with(b".homeport.part"));
        assert_eq!(name.len(), "d/".len() + 255);
        let other = [&b"d/"[..], &[b'x'; 254], b"y"].concat();
        assert_ne!(name, temporary_name(&other));
    }

    #[test]
    fn room_is_claimed_for_all_files_together() {
        let names = TemporaryNames::default();
        let first = ClaimedRoom::claim(&names, 60, 100);
        assert!(first.is_some() && ClaimedRoom::claim(&names, 50, 100).is_none());
        drop(first);
        assert!(ClaimedRoom::claim(&names, 100, 100).is_some());
    }
}
