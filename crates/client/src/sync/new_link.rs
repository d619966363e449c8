//! A symbolic link that a sync makes at its target.

use super::backup::Backups;
use super::change_error::ChangeError;
use super::target::TargetTree;
use crate::transfer::temporary_name;

/// A link that is made, in the place of what has its name.
#[derive(Debug, Clone)]
pub(super) struct NewLink {
    /// The path below the top of the target.
    pub(super) path: Vec<u8>,
    /// The path to which it points.
    pub(super) points_to: Vec<u8>,
    /// Whether a file or another link has the name.
    pub(super) replaces: bool,
}

impl NewLink {
    /// Makes the link. What has its name stays until the link is there under a temporary name, and goes to the backups if
    /// there are any.
    pub(super) async fn make(
        &self,
        target: &TargetTree,
        backups: Option<&Backups>,
    ) -> Result<(), ChangeError> {
        if !self.replaces {
            return target.symlink(&self.points_to, &self.path).await;
        }
        let temporary = temporary_name(&self.path);
        // It may be there from an earlier run.
        target.unlink(&temporary).await?;
        target.symlink(&self.points_to, &temporary).await?;
        if let Some(backups) = backups {
            backups.take(target, &self.path).await?;
        } else if !target.replaces_by_rename().await? {
            target.unlink(&self.path).await?;
        }
        target.rename(&temporary, &self.path).await
    }
}
