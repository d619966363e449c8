//! The final mode and times of an uploaded file. They are set last, because the final mode may be read-only: a file
//! that already has it could not be resumed after a break.
//!
//! A server may refuse to set them, for example in a drop box, or for a file of another owner. The content is whole all
//! the same, so that is a warning.

use std::fs::Metadata;

use sftp_wire::Attributes;

use super::attempt::{Attempt, FileState};
use super::error::TransferError;
use super::job::Job;
use crate::link::{Answered as _, RemoteError};
use crate::local_attributes::{local_attributes, permanent_mode};

/// The attributes that an uploaded file gets at the end.
pub(super) struct FinalRemoteAttributes<'a> {
    attempt: Attempt<'a>,
    job: &'a Job,
    /// The mode of the file on this machine.
    local_mode: u32,
    /// The mode of the file that is replaced by a rename.
    replaced_mode: Option<u32>,
    attrs: Option<Attributes>,
}

impl<'a> FinalRemoteAttributes<'a> {
    /// The times and the mode that are to be kept, if any: those of the source, or the mode of the file that is replaced.
    pub(super) fn new(attempt: Attempt<'a>, file: &'a FileState, meta: &Metadata) -> Self {
        let job = &file.job;
        let attrs = local_attributes(meta);
        let kept = attempt.context.settings.preserve.then(|| {
            if attrs.times.is_none() {
                let warning = "its time is not kept: SFTP has only times from 1970 to 2106";
                attempt.context.hub.warn(&format!("{}: {warning}", job.name()));
            }
            attrs
        });
        Self {
            attempt,
            job,
            local_mode: attrs.permissions.unwrap_or(0o600),
            replaced_mode: file.replaced_mode,
            attrs: kept.or_else(|| file.replaced_mode.map(with_mode)),
        }
    }

    /// Corrects the mode of a file that was created for this upload: without the access that it has only while it grows.
    /// Nothing is set if the mode is right already.
    pub(super) async fn of_created(mut self, handle: &[u8]) -> Result<Self, TransferError> {
        let stays = permanent_mode(0o600, self.local_mode) == 0o600;
        if self.attempt.context.settings.preserve || (self.replaced_mode.is_none() && stays) {
            return Ok(self);
        }
        let Some(now) = self.attempt.link.fstat(handle).await.unless_refused()? else {
            // Such a server does not tell the mode.
            return Ok(self);
        };
        let now = now.permissions.map(|mode| mode & 0o7777);
        // The server has removed the bits of its umask.
        let grown = now.map(|now| permanent_mode(now, self.local_mode));
        let wanted = self.replaced_mode.or(grown);
        self.attrs = wanted.filter(|_| wanted != now).map(with_mode);
        Ok(self)
    }

    /// What is to be set, for a caller that sends the request itself.
    pub(super) fn attributes(&self) -> Option<Attributes> {
        self.attrs
    }

    /// Sets the attributes of the open file.
    pub(super) async fn set_handle(&self, handle: &[u8]) -> Result<(), TransferError> {
        match self.attrs {
            Some(attrs) => {
                self.check(self.attempt.link.set_handle(handle, &attrs).await)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Sets the attributes of the file by its name.
    pub(super) async fn set_path(&self) -> Result<(), TransferError> {
        match self.attrs {
            Some(attrs) => {
                self.check(self.attempt.link.set(&self.job.remote, &attrs).await)
                    .await
            }
            None => Ok(()),
        }
    }

    /// Checks how setting the attributes ended. If the server has refused all together, each is tried alone; a refusal
    /// is a warning.
    pub(super) async fn check(&self, set: Result<(), RemoteError>) -> Result<(), TransferError> {
        let refusal = match set {
            Ok(()) => return Ok(()),
            Err(RemoteError::ConnectionLost(lost)) => return Err(TransferError::ConnectionLost(lost)),
            Err(refusal) => refusal,
        };
        let Attributes {
            times, permissions, ..
        } = self.attrs.unwrap_or_default();
        let times = times.map(|times| Attributes {
            times: Some(times),
            ..Attributes::default()
        });
        let mode = permissions.map(with_mode);
        let several = times.is_some() && mode.is_some();
        for (attrs, what) in [(times, "times"), (mode, "mode")] {
            let Some(attrs) = attrs else { continue };
            let alone = match several {
                true => self.attempt.link.set(&self.job.remote, &attrs).await,
                false => Err(refusal.clone()),
            };
            match alone {
                Ok(()) => {}
                Err(RemoteError::ConnectionLost(lost)) => return Err(TransferError::ConnectionLost(lost)),
                Err(refusal) => self.warn(what, &refusal),
            }
        }
        Ok(())
    }

    /// Warns once in a run: a server that refuses this for one file refuses it for most.
    fn warn(&self, what: &'static str, refusal: &RemoteError) {
        self.attempt.context.warn_once(what, || {
            format!(
                "{}: stored, but the server does not set its {what}: {refusal} (this is said for the first file only)",
                self.job.name()
            )
        });
    }
}

fn with_mode(mode: u32) -> Attributes {
    Attributes {
        permissions: Some(mode),
        ..Attributes::default()
    }
}
