//! Whether the server's commands see the files of its SFTP server, where they cannot hash the beginning of a file:
//! small files beside it, and in the directories above, are compared as a whole.

use super::Link;
use super::error::{Answered as _, ConnectionLost};
use super::file_head::{CommandView, md5_of, read_head};
use super::hash::{Extent, HashKind, HashQuestion};
use super::hash_routes::HashRoute;
use super::hashing::hash_by;
use crate::names::{is_single_name, join, parent};
use sftp_wire::FileType;

/// How many directories are looked into: that of the file, and those above it.
const DIRECTORIES: usize = 4;
/// How many names of a directory are looked at. The first ones are as good as any other.
const NAMES: usize = 1_000;
/// How many files of a directory are compared.
const FILES: usize = 3;
/// The sizes of files that are compared, in bytes: a shorter one may be equal by chance, a longer one takes time.
const SIZES: std::ops::RangeInclusive<u64> = 1..=(1 << 20);
/// From this size on, in bytes, two files are not equal by chance.
const DISTINCT: u64 = 64;

/// What small files near this one say about the server's commands.
pub(super) async fn view_of_neighbours(link: &Link, path: &[u8]) -> Result<CommandView, ConnectionLost> {
    let mut view = CommandView::Unknown;
    let mut directory = parent(path);
    for _ in 0..DIRECTORIES {
        for (file, size) in small_files(link, directory, path).await? {
            match compared(link, &file, size).await? {
                CommandView::Unknown => {}
                same @ CommandView::SameFile(_) => return Ok(same),
                // It may just have been changed.
                other @ CommandView::OtherFile => view = other,
            }
        }
        let above = parent(directory);
        if above == directory {
            break;
        }
        directory = above;
    }
    Ok(view)
}

/// The paths and sizes of some small files of a directory, other than this one. A directory that cannot be listed has
/// none.
async fn small_files(
    link: &Link,
    directory: &[u8],
    path: &[u8],
) -> Result<Vec<(Vec<u8>, u64)>, ConnectionLost> {
    let directory_or_here: &[u8] = if directory.is_empty() { b"." } else { directory };
    let listed = link.list_some(directory_or_here, NAMES).await.unless_refused()?;
    let small = listed.unwrap_or_default().into_iter().filter_map(|entry| {
        let size = entry.attrs.size.filter(|size| SIZES.contains(size))?;
        let file = join(directory, &entry.name);
        let is_file = entry.attrs.file_type() == Some(FileType::Regular);
        (is_file && is_single_name(&entry.name) && file != path).then_some((file, size))
    });
    let mut small: Vec<(Vec<u8>, u64)> = small.collect();
    small.sort_by_key(|(_, size)| (*size < DISTINCT, *size));
    small.truncate(FILES);
    Ok(small)
}

/// Compares the whole content of a file with what a command says about it.
async fn compared(link: &Link, path: &[u8], size: u64) -> Result<CommandView, ConnectionLost> {
    // One byte more shows whether the file has grown.
    let content = read_head(link, path, size.saturating_add(1)).await?;
    let Some(content) = content.filter(|content| content.len() as u64 == size) else {
        return Ok(CommandView::Unknown);
    };
    let question = HashQuestion {
        path,
        handle: None,
        extent: Extent::AllOf(size),
        expected: Some(size),
        kind: HashKind::Md5,
    };
    let seen = hash_by(link, HashRoute::Command, &question).await.ok();
    if link.channel.is_lost() {
        return Err(link.channel.lost());
    }
    Ok(match seen {
        None => CommandView::Unknown,
        seen if seen == md5_of(&content) => CommandView::SameFile(seen),
        Some(_) => CommandView::OtherFile,
    })
}
