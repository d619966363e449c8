//! Checks that there is room at the target, before the first byte is sent.

use std::sync::Arc;

use super::options::Trees;
use crate::link::{Answered as _, Link, RemoteError, Space};
use crate::names::parent;
use crate::plan::Policy;
use crate::transfer::free_space::{InsufficientSpace, missing_space, missing_space_here};
use crate::transfer::{Direction, Job, TransferContext};
use base::error::{Error, Result};
use base::size::Size;

/// Checks that there is room for all files.
///
/// # Errors
/// When there is not, or the connection is lost. Where nobody knows how much room there is, nothing is checked.
pub(super) async fn check_room(context: &TransferContext, trees: &Trees, jobs: &[Job]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let lack = match trees.direction {
        Direction::Down => missing_space_here(jobs, Policy::Overwrite),
        Direction::Up => {
            let lack = missing_on_server(context, &trees.remote, jobs).await;
            lack.map_err(|failed| Error::new("cannot look for room").because(failed))?
        }
    };
    let Some(lack) = lack else {
        return Ok(());
    };
    let missing = Size(lack.needed.saturating_sub(lack.free));
    let (needed, free) = (Size(lack.needed), Size(lack.free));
    Err(Error::new(format!(
        "no room at the target: {needed} to be written, {free} free, {missing} missing; nothing was changed"
    )))
}

async fn missing_on_server(
    context: &TransferContext,
    target: &[u8],
    jobs: &[Job],
) -> std::result::Result<Option<InsufficientSpace>, RemoteError> {
    let connection = &context.connection;
    let space = connection.repeated(|link, _| space_at(link, target)).await;
    // A server that cannot say it says why when a file is created.
    let space = space.unless_refused()?.flatten();
    missing_space(context, jobs, space).await
}

/// The room at the target, or at the directory in which it is made.
async fn space_at(link: Arc<Link>, target: &[u8]) -> std::result::Result<Option<Space>, RemoteError> {
    match Space::at(&link, target).await {
        Err(failed) if failed.is_missing() => Space::at(&link, parent(target)).await,
        space => space,
    }
}
