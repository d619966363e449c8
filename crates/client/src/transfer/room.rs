//! Is there room? Looked at before the first byte of an upload.

use std::path::Path;

use super::decide::there;
use super::part::already_here;
use super::{Engine, Job};
use crate::plan::{Policy, There};
use crate::remote::failed::Failed;
use crate::remote::space::Space;

/// There is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom {
    /// What is to be written, in bytes.
    pub needed: u64,
    /// What is free, in bytes.
    pub free: u64,
}

/// Looks whether downloads fit on the disk of this machine. `None`: they do, or it does not say.
pub fn lacks_room_here(jobs: &[Job], conflicts: Policy) -> Option<NoRoom> {
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
    // It does not fit as if nothing were there; much of it may be there.
    let missing = |job: &Job| match conflicts {
        Policy::Skip if job.local.exists() => 0,
        _ => job.size.saturating_sub(already_here(&job.local)),
    };
    let needed = jobs
        .iter()
        .fold(0_u64, |sum, job| sum.saturating_add(missing(job)));
    (needed > free).then_some(NoRoom { needed, free })
}

impl Engine {
    /// Looks whether all of these fit into the room that the server has told of. `None`: they do, or it does not say.
    ///
    /// # Errors
    /// When the server cannot be asked what is there already.
    pub async fn lacks_room(&self, jobs: &[Job], space: Option<Space>) -> Result<Option<NoRoom>, Failed> {
        let Some(space) = space else {
            return Ok(None);
        };
        let total = jobs.iter().fold(0_u64, |sum, job| sum.saturating_add(job.size));
        if total <= space.free {
            return Ok(None);
        }
        // It does not fit as if nothing were there; much of it may be there.
        let link = self.link().await?;
        let mut needed = 0_u64;
        for job in jobs {
            let have = match there(link.look(&job.remote).await.unwrap_or_default()) {
                There::File(size) => size,
                There::Nothing | There::Directory | There::Other => 0,
            };
            needed = needed.saturating_add(job.size.saturating_sub(have));
        }
        let free = space.free;
        Ok((needed > free).then_some(NoRoom { needed, free }))
    }
}
