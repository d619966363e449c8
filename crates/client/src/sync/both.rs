//! Lists the two trees of a sync or a comparison, and starts again when the connection breaks.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::filter::Filter;
use super::list::{self, Listing, Role, Scope};
use super::options::Trees;
use crate::link::{Link, RemoteError};
use crate::output::Output;
use crate::remote::Remote;
use crate::transfer::{Breaks, Direction, ProgressAtBreak};
use base::error::{Error, Result};
use base::visible::printable;

/// A signed-in server, and how results are shown.
pub struct SyncSession {
    /// The server on which one of the directories is.
    pub remote: Arc<Remote>,
    /// How changes and results are shown.
    pub output: Output,
    /// Stops the sync, in a state from which another one goes on.
    pub stop: CancellationToken,
}

/// The listings of both trees.
pub(super) struct Listings {
    pub(super) source: Listing,
    pub(super) target: Listing,
    /// Whether the target exists already.
    pub(super) target_exists: bool,
}

impl Listings {
    /// All names that could not be listed.
    pub(super) fn failures(&self) -> impl Iterator<Item = &(Vec<u8>, String)> {
        self.source.failures.iter().chain(&self.target.failures)
    }
}

/// Lists both trees at the same time.
///
/// # Errors
/// When the source is not a directory, the target is something else, or one of them cannot be listed at all.
pub(super) async fn list_both(session: &SyncSession, trees: &Trees, filter: &Filter) -> Result<Listings> {
    let (local_role, remote_role) = match trees.direction {
        Direction::Up => (Role::Source, Role::Target),
        Direction::Down => (Role::Target, Role::Source),
    };
    let local = async {
        let (top, filter) = (trees.local.clone(), filter.clone());
        match std::fs::metadata(&top) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && local_role == Role::Target => {
                Ok(None)
            }
            Err(error) => Err(Error::new(format!("cannot list {top:?}")).because(error)),
            Ok(meta) if !meta.is_dir() => Err(not_a_directory(top.as_os_str().as_encoded_bytes())),
            Ok(_) => {
                let listing = tokio::task::spawn_blocking(move || {
                    let scope = Scope {
                        role: local_role,
                        filter: &filter,
                    };
                    list::local::list(&top, scope)
                });
                let listing = listing.await;
                listing
                    .map(Some)
                    .map_err(|error| Error::new("cannot list the directory").because(error))
            }
        }
    };
    let remote = async {
        let cannot = || format!("cannot list \"{}\" on the server", printable(&trees.remote));
        // Each attempt lists all of the tree, so a break is never followed by progress.
        let none = ProgressAtBreak { run: 0, file: 0 };
        let mut breaks = Breaks::new(session.remote.retry_rule(), none.run);
        loop {
            let scope = Scope {
                role: remote_role,
                filter,
            };
            let listing = async {
                let link = session.remote.link_after(|| breaks.outage()).await?;
                list_remote(&link, &trees.remote, scope).await
            };
            let listed = listing.await;
            match listed {
                Ok(RemoteTop::Missing) if remote_role == Role::Target => return Ok(None),
                Ok(RemoteTop::Missing) => return Err(Error::new(format!("{}: it does not exist", cannot()))),
                Ok(RemoteTop::Other) => return Err(not_a_directory(&trees.remote)),
                Ok(RemoteTop::Listed(listing)) => return Ok(Some(listing)),
                Err(RemoteError::ConnectionLost(_)) if breaks.allow_another(none) => {}
                Err(failed) => return Err(Error::new(cannot()).because(failed)),
            }
        }
    };
    let (local, remote) = tokio::try_join!(local, remote)?;
    let (source, target) = match trees.direction {
        Direction::Up => (local, remote),
        Direction::Down => (remote, local),
    };
    let target_exists = target.is_some();
    let listings = Listings {
        source: source.unwrap_or_default(),
        target: target.unwrap_or_default(),
        target_exists,
    };
    let (here, there) = (trees.local.as_os_str().as_encoded_bytes(), &trees.remote[..]);
    let tops = match trees.direction {
        Direction::Up => [here, there],
        Direction::Down => [there, here],
    };
    for (listing, top) in [&listings.source, &listings.target].into_iter().zip(tops) {
        if let Some(why) = listing.top_failure() {
            return Err(Error::new(format!("\"{}\": {why}", printable(top))));
        }
    }
    Ok(listings)
}

fn not_a_directory(path: &[u8]) -> Error {
    Error::new(format!("\"{}\" is not a directory", printable(path)))
        .hint("get and put transfer single files")
}

/// What the server has at the top of the tree.
enum RemoteTop {
    Missing,
    /// Something that is not a directory.
    Other,
    Listed(Listing),
}

async fn list_remote(
    link: &Arc<Link>,
    top: &[u8],
    scope: Scope<'_>,
) -> std::result::Result<RemoteTop, RemoteError> {
    match link.look(top).await? {
        None => Ok(RemoteTop::Missing),
        Some(attrs) if attrs.is_directory() == Some(false) => Ok(RemoteTop::Other),
        Some(_) => Ok(RemoteTop::Listed(list::remote::list(link, top, scope).await?)),
    }
}
