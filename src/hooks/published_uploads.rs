//! The uploads that were published last, so that an event that comes late does not publish the same bytes again.
//!
//! The event of an upload follows its last byte, with a digest by seconds. In the meantime an earlier event of the same
//! file may have had these bytes checked, and published them.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::path::PathBuf;

use crate::domain::path::VirtualPath;
use crate::storage::local::readable::FileState;

use super::upload_place::UploadPlace;

/// The most uploads that are remembered, some hundred bytes each: more than are published while a digest is computed.
const MOST: usize = 1024;

/// The uploads that were published last.
#[derive(Default)]
pub(super) struct PublishedUploads(Mutex<VecDeque<PublishedUpload>>);

/// An upload that a hook has published.
#[derive(PartialEq, Eq)]
struct PublishedUpload {
    hook: String,
    home: PathBuf,
    path: VirtualPath,
    state: FileState,
}

impl PublishedUpload {
    fn new(hook: &str, place: &UploadPlace, state: FileState) -> Self {
        Self {
            hook: hook.to_owned(),
            home: place.home().to_owned(),
            path: place.path.clone(),
            state,
        }
    }
}

impl PublishedUploads {
    /// Remembers that a hook has published a file there, and the state in which the file is since.
    pub(super) fn add(&self, hook: &str, place: &UploadPlace, state: FileState) {
        let mut uploads = self.0.lock();
        if uploads.len() >= MOST {
            uploads.pop_front();
        }
        uploads.push_back(PublishedUpload::new(hook, place, state));
    }

    /// Returns whether a hook has published this file there, and nothing has changed it since.
    pub(super) fn contains(&self, hook: &str, place: &UploadPlace, state: FileState) -> bool {
        self.0.lock().contains(&PublishedUpload::new(hook, place, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hooks::entry::{EntryFile, HexBytes};
    use crate::storage::local::LocalStorage;

    #[test]
    fn a_file_counts_as_published_until_it_changes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let local = LocalStorage::open(dir.path()).unwrap();
        let state = || {
            let path = VirtualPath::parse(b"/a").unwrap();
            local.file_state(&path).unwrap()
        };
        let place = |name: &[u8]| {
            let file = EntryFile {
                home: HexBytes(dir.path().as_os_str().as_encoded_bytes().to_vec()),
                path: HexBytes(name.to_vec()),
                device: 1,
                inode: 2,
                folder: None,
            };
            UploadPlace::of(&file).unwrap()
        };
        let published = PublishedUploads::default();
        let before = state();
        assert!(!published.contains("hook", &place(b"/a"), before));
        published.add("hook", &place(b"/a"), before);
        assert!(published.contains("hook", &place(b"/a"), state()));
        assert!(!published.contains("other", &place(b"/a"), state()));
        assert!(!published.contains("hook", &place(b"/b"), state()));
        std::fs::write(dir.path().join("a"), "12").unwrap();
        assert!(!published.contains("hook", &place(b"/a"), state()));
        for _ in 0..MOST {
            published.add("hook", &place(b"/b"), before);
        }
        assert_eq!(published.0.lock().len(), MOST);
        assert!(!published.contains("hook", &place(b"/a"), before));
    }
}
