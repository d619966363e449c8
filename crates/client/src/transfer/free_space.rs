//! Whether there is room, checked before the first byte of a transfer.

use std::path::Path;

use super::context::TransferContext;
use super::decide::existing_entry;
use super::job::Job;
use super::part_file::already_here;
use crate::link::{RemoteError, Space};
use crate::plan::{ExistingEntry, Policy};

/// How much room a transfer needs, and how much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InsufficientSpace {
    /// The bytes that are to be written.
    pub needed: u64,
    /// The bytes that are free.
    pub free: u64,
}

/// Checks whether downloads fit on the disk of this machine. `None`: they do, or the disk does not say.
pub fn lacks_room_here(jobs: &[Job], conflicts: Policy) -> Option<InsufficientSpace> {
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
    // Some file systems only pretend to have sizes.
    if disk.f_blocks == 0 {
        return None;
    }
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let total = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(job.size));
    if total <= free {
        return None;
    }
    // It would not fit if nothing were there, but much of it may be there.
    let missing = |job: &Job| match conflicts {
        Policy::Skip if job.local.exists() => 0,
        _ => job.size.saturating_sub(already_here(&job.local)),
    };
    let needed = jobs
        .iter()
        .fold(0_u64, |sum, job| sum.saturating_add(missing(job)));
    (needed > free).then_some(InsufficientSpace { needed, free })
}

/// Checks whether all jobs fit into the room that the server has told of. `None`: they do, or it does not say.
///
/// # Errors
/// When the server cannot be asked what is there already.
pub async fn lacks_room(
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
    // It would not fit if nothing were there, but much of it may be there.
    let link = context.link().await?;
    let mut needed = 0_u64;
    for job in jobs {
        let have = match existing_entry(link.look(&job.remote).await.unwrap_or_default()) {
            ExistingEntry::File(size) => size,
            ExistingEntry::Nothing | ExistingEntry::Directory | ExistingEntry::Other => 0,
        };
        needed = needed.saturating_add(job.size.saturating_sub(have));
    }
    let free = space.free;
    Ok((needed > free).then_some(InsufficientSpace { needed, free }))
}
