//! Takes `..` out of a path, as the kernel would follow it.

use std::borrow::Cow;
use std::sync::Arc;

use super::folders::FolderMount;
use super::routes::JoinedStorages;
use crate::domain::path::{PathError, VirtualPath};
use crate::storage::{Error, Result};

/// The most prefixes of one path that are looked up because of `..`. Real paths have a few; the longest possible path
/// could ask for more than a thousand.
const MAX_PROOFS: usize = 128;

/// The beginning of a path that has no `..`.
struct Prefix<'a> {
    names: Vec<Vec<u8>>,
    /// How many of the names are known to be directories.
    proven: usize,
    /// The storage in which a link was followed: the path does not leave it.
    linked: Option<Option<&'a Arc<FolderMount>>>,
}

/// Returns the path without `..`. It ends in `/.` if it ended in `..`, because that name can be neither removed nor
/// renamed.
///
/// # Errors
/// Fails if a name before `..` is not a directory.
pub(super) fn without_up(joined: &JoinedStorages, path: &VirtualPath) -> Result<VirtualPath> {
    let mut prefix = Prefix {
        names: Vec::new(),
        proven: 0,
        linked: None,
    };
    let (mut proofs, mut tail): (usize, &[u8]) = (0, b"");
    for component in path.components() {
        match component {
            b".." => {
                if prefix.proven < prefix.names.len() {
                    proofs += 1;
                    if proofs > MAX_PROOFS {
                        return Err(Error::LinkLoop);
                    }
                    prove(joined, &mut prefix)?;
                }
                prefix.names.pop();
                prefix.proven = prefix.names.len();
                tail = b"/.";
            }
            // These are only at the end.
            b"" if tail.is_empty() => tail = b"/",
            b"." => tail = b"/.",
            b"" => {}
            name => {
                prefix.names.push(name.to_vec());
                tail = b"";
            }
        }
    }
    let plain = [&b"/"[..], &prefix.names.join(&b'/'), tail].concat();
    let plain = VirtualPath::parse(&plain).map_err(not_a_path)?;
    stays(joined, &prefix, &plain)?;
    Ok(plain)
}

/// Proves that a prefix is a directory, and resolves its links.
fn prove<'a>(joined: &'a JoinedStorages, prefix: &mut Prefix<'a>) -> Result<()> {
    let place = VirtualPath::parse(&prefix.names.join(&b'/')).map_err(not_a_path)?;
    let folder = prefix.names.first().and_then(|name| joined.folders.named(name));
    let route = joined.route_of_plain(Cow::Borrowed(&place));
    if route.is_folder_itself() {
        return Ok(());
    }
    let storage = joined.storage(route.folder)?;
    match storage.prove_directory(&route.path) {
        Err(Error::LinkLoop) => {}
        proof => return proof,
    }
    stays(joined, prefix, &place)?;
    let real = storage.real_path(&route.path)?;
    if real == route.path.without_tail() {
        return Err(Error::LinkLoop);
    }
    storage.prove_directory(&real)?;
    let root = prefix.names.first().filter(|_| folder.is_some()).cloned();
    let below = real.components().filter(|name| !name.is_empty());
    prefix.names = root.into_iter().chain(below.map(<[u8]>::to_vec)).collect();
    prefix.linked = Some(folder);
    Ok(())
}

/// Checks that a path has not left the storage in which one of its links was followed.
fn stays(joined: &JoinedStorages, prefix: &Prefix<'_>, plain: &VirtualPath) -> Result<()> {
    let Some(linked) = prefix.linked else {
        return Ok(());
    };
    let folder = plain
        .split_first()
        .and_then(|(name, _)| joined.folders.named(name));
    let stays = match (linked, folder) {
        (None, None) => true,
        (Some(linked), Some(folder)) => Arc::ptr_eq(linked, folder),
        (None, Some(_)) | (Some(_), None) => false,
    };
    match stays {
        true => Ok(()),
        false => Err(Error::NotFound),
    }
}

/// Returns the kernel's error for text that is not a path.
pub(super) fn not_a_path(error: PathError) -> Error {
    match error {
        PathError::TooLong => Error::NameTooLong,
        PathError::Nul => Error::Invalid,
    }
}
