//! The entries of a shared directory, as its page shows them.

use crate::domain::path::VirtualPath;
use crate::exec::home_session::HomeSession;
use crate::storage::FileKind;
use crate::web::error::{WebError, WebErrorKind};

/// The most entries of a page. Whoever wants more fetches the zip.
const MOST_SHOWN: usize = 5000;

/// What an entry takes in memory besides its name, in bytes.
const ENTRY: usize = 128;

/// An entry of a shared directory: a file or a directory. Links are left out, as in archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SharedEntry {
    pub(super) name: Vec<u8>,
    pub(super) is_directory: bool,
    /// The size in bytes; 0 for a directory.
    pub(super) size: u64,
    /// The time of the last change, in seconds since 1970.
    pub(super) mtime: i64,
}

/// The entries of a shared directory, or the first that were found.
#[derive(Debug)]
pub(super) struct SharedListing {
    /// Directories first, by their names.
    pub(super) entries: Vec<SharedEntry>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

/// Reads a directory.
///
/// # Errors
/// Returns an error if it cannot be read, or if there is no memory for it.
pub(super) async fn list(home: &HomeSession, directory: &VirtualPath) -> Result<SharedListing, WebError> {
    let opened = home.open_dir(directory).await;
    let mut listing = opened.map_err(|_| WebError::not_found())?;
    let mut entries: Vec<SharedEntry> = Vec::new();
    let mut is_cut = false;
    loop {
        let read = home.entries(listing).await;
        let (rest, found) = read.map_err(|_| WebError::not_found())?;
        if found.is_empty() {
            break;
        }
        listing = rest;
        for entry in found {
            let is_directory = match entry.meta.kind {
                FileKind::Directory => true,
                FileKind::File => false,
                FileKind::Symlink | FileKind::Special => continue,
            };
            if entries.len() == MOST_SHOWN {
                is_cut = true;
                break;
            }
            if !home.charge_memory(ENTRY.saturating_add(entry.name.len())) {
                return Err(WebError::new(
                    WebErrorKind::Busy,
                    "there is no memory for this page at the moment: try again",
                ));
            }
            entries.push(SharedEntry {
                name: entry.name,
                is_directory,
                size: if is_directory { 0 } else { entry.meta.size },
                mtime: entry.meta.mtime,
            });
        }
        if is_cut {
            break;
        }
    }
    entries.sort_by(|a, b| (!a.is_directory, &a.name).cmp(&(!b.is_directory, &b.name)));
    Ok(SharedListing { entries, is_cut })
}
