//! What is to be done with one file: the table of [`crate::plan`], with the hashes that it asks for, and
//! somebody's decision where it says so.

use std::fs::File;
use std::sync::Arc;

use sftp_wire::{Attributes, FileType};

use super::digest::Digest;
use super::ends::is_all;
use super::trouble::Trouble;
use super::{Attempt, Direction, Proof};
use crate::plan::{Conflict, Decision, FirstLook, Policy, There, compared, first_look};
use crate::remote::prove::Md5;
use base::visible::hex;

/// What is to be done.
pub(super) enum Decided {
    /// Send what is behind `from`, whose beginning has this digest.
    Send { from: u64, head: Digest },
    /// Nothing: both ends have it.
    Same(Proof),
    /// Nothing: what is there stays.
    Skip,
    /// Send all of it under another name.
    Rename,
}

impl Decided {
    fn anew() -> Self {
        Self::Send {
            from: 0,
            head: Digest::default(),
        }
    }
}

/// The two files of a comparison.
pub(super) struct Ends<'a> {
    /// Of the file that is to be transferred, in bytes.
    pub size: u64,
    /// Where it goes.
    pub there: There,
    /// On this machine: the one that is sent, or the one that is there.
    pub local: Option<&'a Arc<File>>,
}

impl Attempt<'_> {
    pub(super) async fn decide(&mut self, ends: Ends<'_>) -> Result<Decided, Trouble> {
        let resume = self.engine.settings.resume;
        let decision = match (first_look(ends.size, ends.there, resume), ends.local) {
            (FirstLook::Send, _) => return Ok(Decided::anew()),
            (FirstLook::Conflict(conflict), _) => Decision::Conflict(conflict),
            (FirstLook::Compare { length: 0, .. }, _) => return Ok(Decided::Same(Proof::Md5)),
            (FirstLook::Compare { .. }, None) => return Ok(Decided::anew()),
            (FirstLook::Compare { length, whole }, Some(local)) => {
                let (here, there) = self.heads(local, length, whole).await?;
                let (proof, same) = match there {
                    Some(there) => (Proof::Md5, there == here.clone().value()),
                    // Nothing proves what is there, and it may be replaced.
                    None if self.engine.settings.conflicts == Policy::Overwrite && !*self.ours => {
                        return Ok(Decided::anew());
                    }
                    None => (Proof::Sizes, self.ends_agree(local, length).await?),
                };
                match compared((length, whole), same) {
                    Decision::Same => {
                        if proof == Proof::Sizes && !is_all(length) {
                            self.warn_unproven(
                                "what is there is taken for the same by its size and its ends",
                            );
                        }
                        return Ok(Decided::Same(proof));
                    }
                    Decision::Send { from } => {
                        if proof == Proof::Sizes && !is_all(length) {
                            self.warn_unproven("what is there is taken for its beginning by its ends");
                        }
                        self.meter.set_done(from);
                        return Ok(Decided::Send { from, head: here });
                    }
                    conflict => conflict,
                }
            }
        };
        match decision {
            Decision::Conflict(conflict) => self.settled(conflict).await,
            Decision::Same | Decision::Send { .. } => Ok(Decided::anew()),
        }
    }

    async fn settled(&mut self, conflict: Conflict) -> Result<Decided, Trouble> {
        let decided = match self.job.direction {
            Direction::Up => *self.ours,
            Direction::Down => *self.replaces,
        };
        if decided && conflict.may_overwrite() {
            return Ok(Decided::anew());
        }
        match self.engine.settle(self.job, conflict).await? {
            Policy::Overwrite if conflict.may_overwrite() => {
                *self.replaces = true;
                Ok(Decided::anew())
            }
            Policy::Overwrite | Policy::Ask => Err(Trouble::InTheWay(conflict)),
            Policy::Skip => Ok(Decided::Skip),
            Policy::Rename => Ok(Decided::Rename),
        }
    }

    /// The hashes of the first bytes of both, computed at the same time.
    pub(super) async fn heads(
        &self,
        local: &Arc<File>,
        length: u64,
        whole: bool,
    ) -> Result<(Digest, Option<Md5>), Trouble> {
        let here = async {
            let hashing = Digest::of_head(Arc::clone(local), length, self.engine.stop.clone());
            hashing.await.map_err(Trouble::local("read the file"))
        };
        let there = async {
            let length = (!whole).then_some(length);
            let asked = self.link.md5(&self.job.remote, length).await;
            asked.map_err(Trouble::remote("hash the file"))
        };
        tokio::try_join!(here, there)
    }

    pub(super) fn warn_unproven(&self, what: &str) {
        let job = self.job.name();
        self.engine
            .board
            .warn(&format!("{job}: the server cannot hash; {what}"));
    }

    /// Compares the hash of the whole file with that of what was read or written here. `early` is what the server has
    /// said of it before; if that differs, the server is asked again, since the file may have changed meanwhile.
    pub(super) async fn verify(
        &self,
        here: Option<Md5>,
        early: Option<Md5>,
        hint: &'static str,
    ) -> Result<Proof, Trouble> {
        use super::Verify;
        let verify = self.engine.settings.verify;
        let Some(here) = here else {
            return Ok(Proof::NotAsked);
        };
        self.meter.enter(super::board::Stage::Verifying);
        if early == Some(here) {
            return Ok(Proof::Md5);
        }
        let there = self.link.md5(&self.job.remote, None).await;
        match there.map_err(Trouble::remote("hash the file"))? {
            Some(there) if there == here => Ok(Proof::Md5),
            Some(there) => Err(Trouble::Differs {
                here: hex(&here),
                there: hex(&there),
                hint,
            }),
            None if verify == Verify::Always => Err(Trouble::Unproven),
            None => Ok(Proof::Sizes),
        }
    }

    /// Before anything is sent: can what was asked for be kept?
    pub(super) async fn can_prove(&self) -> Result<(), Trouble> {
        match self.engine.settings.verify == super::Verify::Always && !self.link.can_hash().await {
            true => Err(Trouble::Unproven),
            false => Ok(()),
        }
    }

    /// Is a digest wanted at all?
    pub(super) fn proves(&self) -> bool {
        self.engine.settings.verify != super::Verify::Never
    }
}

/// What the server tells of the place.
pub(super) fn there(attrs: Option<Attributes>) -> There {
    let Some(attrs) = attrs else {
        return There::Nothing;
    };
    match (attrs.file_type(), attrs.size) {
        (Some(FileType::Directory), _) => There::Directory,
        (Some(FileType::Regular) | None, Some(size)) => There::File(size),
        _ => There::Other,
    }
}
