//! Checks the free space before the first byte of a transfer.

use std::path::Path;

use super::context::TransferContext;
use super::decide::existing_entry;
use super::job::Job;
use super::part_file::already_here;
use super::remote_work::RemoteWork;
use super::spread;
use crate::link::{Answered as _, ConnectionLost, RemoteError, Space};
use crate::plan::{ExistingEntry, Policy};

/// The space that a transfer needs, and the space that is free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InsufficientSpace {
    /// The bytes that are to be written.
    pub needed: u64,
    /// The bytes that are free.
    pub free: u64,
}

/// Returns the missing space if downloads do not fit on the disk of this machine. `None`: they do, or the file system
/// does not report its size.
pub fn missing_space_here(jobs: &[Job], conflicts: Policy) -> Option<InsufficientSpace> {
    let above = jobs.first()?.local.ancestors().skip(1);
    let here = |above| {
        if above == Path::new("") {
            Path::new(".")
        } else {
            above
        }
    };
    let place = above.map(here).find(|above| above.exists())?;
    let disk = rustix::fs::statvfs(place).ok()?;
    // Some file systems do not report real sizes.
    if disk.f_blocks == 0 {
        return None;
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let total = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(job.size));
    if total <= free {
        return None;
    }
    // The whole files would not fit, but parts of them may exist already.
    let missing = |job: &Job| match conflicts {
        Policy::Skip if job.local.exists() => 0,
        _ => job.size.saturating_sub(already_here(&job.local)),
    };
    let needed = jobs
        .iter()
        .fold(0_u64, |sum, job| sum.saturating_add(missing(job)));
    (needed > free).then_some(InsufficientSpace { needed, free })
}

/// Returns the missing space if uploads do not fit on the server. `None`: they do, or the server does not report its
/// free space.
///
/// # Errors
/// When the connection is lost, and no other can be made.
pub async fn missing_space(
    context: &TransferContext,
    jobs: &[Job],
    space: Option<Space>,
) -> Result<Option<InsufficientSpace>, RemoteError> {
    let Some(space) = space else {
        return Ok(None);
    };
    let total = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(job.size));
    if total <= space.free {
        return Ok(None);
    }
    // The whole files would not fit, but parts of them may exist already.
    let mut needed = 0_u64;
    let skips = context.settings.conflicts == Policy::Skip;
    for job in jobs {
        let have = match there(context, &job.remote).await? {
            ExistingEntry::File(_) if skips => job.size,
            ExistingEntry::File(size) => size,
            // It may have grown under its temporary name.
            ExistingEntry::Nothing if job.size >= spread::SMALLEST => {
                match there(context, &job.temporary_path()).await? {
                    ExistingEntry::File(size) => size,
                    _ => 0,
                }
            }
            ExistingEntry::Nothing | ExistingEntry::Directory | ExistingEntry::Other => 0,
        };
        needed = needed.saturating_add(job.size.saturating_sub(have));
    }
    let free = space.free;
    Ok((needed > free).then_some(InsufficientSpace { needed, free }))
}

/// What the server has at a path. What cannot be looked at counts as nothing.
async fn there(context: &TransferContext, path: &[u8]) -> Result<ExistingEntry, ConnectionLost> {
    let looked = RemoteWork::LookThrough(path).run(context).await;
    Ok(existing_entry(looked.unless_refused()?.flatten()))
}
