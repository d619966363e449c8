//! Finds where the last lines of a file of the server begin, by reading it backwards.

use crate::link::{OpenFile, ReadAhead, RemoteError};

/// The size of the pieces in which a file is searched backwards, in bytes.
const PIECE: u64 = 64 << 10;

/// How often the size of a file that is cut meanwhile is asked for.
const LOOKS: usize = 5;

/// The offset at which the last lines begin. A file that was cut meanwhile is looked at again. The inner error says what
/// is wrong with the file.
///
/// # Errors
/// When the server refuses, or the connection is lost.
pub(super) async fn start_of_lines(file: &OpenFile, lines: u64) -> Result<Result<u64, String>, RemoteError> {
    let mut end = size_of(file).await?;
    for _ in 0..LOOKS {
        if let Some(start) = search_back(file, end, lines).await? {
            return Ok(Ok(start));
        }
        let now = size_of(file).await?;
        if now >= end {
            break;
        }
        end = now;
    }
    Ok(Err(format!(
        "the server says that it has {end} bytes, and sends none from its end (hint: cat shows what there is)"
    )))
}

async fn size_of(file: &OpenFile) -> Result<u64, RemoteError> {
    Ok(file.attributes().await?.size.unwrap_or(0))
}

/// The offset at which the last lines begin, of a file of this size. `None`: there is nothing where the file is said to
/// have bytes. Searching on would take as long as the size is large.
async fn search_back(file: &OpenFile, size: u64, lines: u64) -> Result<Option<u64>, RemoteError> {
    if lines == 0 {
        return Ok(Some(size));
    }
    let (mut end, mut last, mut seen) = (size, size, 0);
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        let piece = read_range(file, start, end).await?;
        if piece.is_empty() && start > 0 {
            return Ok(None);
        }
        if end == size {
            // Some files, such as those of sysfs, have fewer bytes than they say.
            last = start.saturating_add(piece.len() as u64);
        }
        for (at, byte) in piece.iter().enumerate().rev() {
            let offset = start + at as u64;
            // The line end at the very end of the file ends the last line, and begins no other.
            if *byte == b'\n' && offset + 1 < last {
                seen += 1;
                if seen == lines {
                    return Ok(Some(offset + 1));
                }
            }
        }
        end = start;
    }
    Ok(Some(0))
}

/// The bytes of a range, or fewer if the file has become shorter.
async fn read_range(file: &OpenFile, start: u64, end: u64) -> Result<Vec<u8>, RemoteError> {
    let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
    let mut reader = file.reader(start, ReadAhead::FEW);
    let mut bytes = Vec::new();
    while bytes.len() < length
        && let Some(more) = reader.next().await?
    {
        bytes.extend_from_slice(&more);
    }
    bytes.truncate(length);
    Ok(bytes)
}
