//! One file from the server. It grows under the name `NAME.part`, and gets its own when it is whole and proven: who
//! looks at NAME never sees half a file.
//!
//! A shorter file NAME that is the beginning of what comes is what another client has left: it becomes the part.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sftp_wire::{Attributes, Request, Times};

use super::board::Stage;
use super::decide::{Decided, Ends, there};
use super::digest::{Digest, Follower};
use super::part::{Part, followed, look, part_path};
use super::trouble::Trouble;
use super::{Attempt, Outcome, SMALL_BYTES, endings};
use crate::plan::{Conflict, Policy, There};
use crate::printable::printable;
use crate::remote::prove::Md5;

/// What to do about other bytes than the server's.
const HINT: &str =
    "what came differs from what the server has; run it again with --overwrite, which starts anew";

impl Attempt<'_> {
    pub(super) async fn download(mut self) -> Result<Outcome, Trouble> {
        self.meter.enter(Stage::Deciding);
        self.can_prove().await?;
        if let Some(real) = followed(&self.job.local) {
            self.job.local = real;
        }
        let known = self.job.known.filter(|_| !*self.ours);
        let attrs = match known {
            Some(attrs) => attrs,
            None => self
                .link
                .stat(&self.job.remote)
                .await
                .map_err(Trouble::remote("look at the file"))?,
        };
        let size = match there(Some(attrs)) {
            There::File(size) => size,
            There::Directory | There::Other | There::Nothing => return Err(Trouble::NotAFile),
        };
        self.meter.set_total(size);
        let there = look(&self.job.local)?;
        let file = match there {
            There::Nothing => return self.fetch(attrs, size, false).await,
            There::File(_) => {
                let opened = File::open(&self.job.local);
                Some(Arc::new(opened.map_err(Trouble::local("open the file"))?))
            }
            There::Directory | There::Other => None,
        };
        let local = file.as_ref();
        match self.decide(Ends { size, there, local }).await? {
            Decided::Same(proof) => {
                if let Some(file) = file {
                    self.keep(&file, &attrs)?;
                }
                return Ok(Outcome::Same(proof));
            }
            Decided::Skip => return Ok(Outcome::Skipped),
            Decided::Send { from: 0, .. } => {}
            Decided::Send { .. } => self.becomes_part()?,
            Decided::Rename => {
                self.rename_local()?;
                return self.fetch(attrs, size, false).await;
            }
        }
        // From here on NAME may be replaced.
        self.fetch(attrs, size, true).await
    }

    /// What another client has left goes on as the part, unless there is one.
    fn becomes_part(&self) -> Result<(), Trouble> {
        let part = self.part_path();
        match look(&part)? {
            There::Nothing | There::File(0) => {
                let renamed = std::fs::rename(&self.job.local, part);
                renamed.map_err(Trouble::local("rename the shorter file"))
            }
            _ => Ok(()),
        }
    }

    fn part_path(&self) -> std::path::PathBuf {
        part_path(&self.job.local, |path| self.engine.is_claimed(path))
    }

    /// From now on the file gets another name, also on the next connection.
    fn rename_local(&mut self) -> Result<(), Trouble> {
        for ending in endings() {
            let renamed = self.job.renamed(&ending);
            if look(&renamed.local)? == There::Nothing && self.engine.claim(renamed.target()) {
                let shown = printable(renamed.local.as_os_str().as_encoded_bytes());
                let message = format!("{}: stored as {shown}", self.job.name());
                self.engine.board.warn(&message);
                *self.job = renamed;
                return Ok(());
            }
        }
        Err(Trouble::NoName)
    }

    /// How much of the part that is there can be kept; `None`: it is something else.
    async fn kept_part(&self, part: &Part, size: u64) -> Result<Option<(u64, Digest)>, Trouble> {
        let have = part.len()?;
        if have == 0 {
            return Ok(Some((0, Digest::default())));
        }
        if have > size {
            return Ok(None);
        }
        let (here, there) = self.heads(&part.file, have, have == size).await?;
        let is_beginning = match there {
            Some(there) => there == here.clone().value(),
            // Nothing proves it, and it may be replaced.
            None if self.engine.settings.conflicts == Policy::Overwrite && !*self.ours => false,
            None => self.ends_agree(&part.file, have).await?,
        };
        if !is_beginning {
            return Ok(None);
        }
        if !self.engine.settings.resume {
            part.empty()?;
            return Ok(Some((0, Digest::default())));
        }
        if there.is_none() {
            self.warn_unproven("the .part file is taken for its beginning by its ends");
        }
        Ok(Some((have, here)))
    }

    /// Opens the part, and decides what becomes of what is in it. `None`: the file is to be skipped.
    async fn part(
        &mut self,
        mode: u32,
        size: u64,
        replace: &mut bool,
    ) -> Result<Option<(Part, u64, Digest)>, Trouble> {
        loop {
            let part = Part::open(self.part_path(), mode)?;
            if let Some((from, head)) = self.kept_part(&part, size).await? {
                return Ok(Some((part, from, head)));
            }
            let policy = match *self.ours {
                true => Policy::Overwrite,
                false => self.engine.settle(self.job, Conflict::Part).await?,
            };
            match policy {
                Policy::Overwrite => {
                    part.empty()?;
                    return Ok(Some((part, 0, Digest::default())));
                }
                Policy::Skip => return Ok(None),
                Policy::Rename => {
                    self.rename_local()?;
                    *replace = false;
                }
                Policy::Ask => return Err(Trouble::Conflict(Conflict::Part)),
            }
        }
    }

    async fn fetch(mut self, attrs: Attributes, size: u64, mut replace: bool) -> Result<Outcome, Trouble> {
        let mode = attrs.permissions.unwrap_or(0o644) & 0o777;
        let Some((part, from, head)) = self.part(mode | 0o600, size, &mut replace).await? else {
            return Ok(Outcome::Skipped);
        };
        let opened = self.link.open_read(&self.job.remote).await;
        let handle = opened.map_err(Trouble::remote("open the file"))?;
        *self.ours = true;
        self.meter.set_done(from);
        self.meter.enter(Stage::Sending);
        let small = size.saturating_sub(from) < SMALL_BYTES;
        let follower =
            (self.proves() && !small).then(|| Follower::start(head.clone(), Arc::clone(&part.file), from));
        let fetched = self
            .fetch_and_hash((&handle, &part.file), (from, size), follower.as_ref())
            .await;
        // Nothing was written there: the answer changes nothing.
        drop(self.link.begin(&Request::Close { handle: &handle }));
        let (end, early) = fetched?;
        let digest = match follower {
            Some(follower) => Some(
                follower
                    .finish()
                    .await
                    .map_err(Trouble::local("read the .part file"))?,
            ),
            None if self.proves() => {
                let all = Digest::of_head(Arc::clone(&part.file), end, self.engine.stop.clone());
                Some(all.await.map_err(Trouble::local("read the .part file"))?)
            }
            None => None,
        };
        let proof = self.verify(digest.map(Digest::value), early, HINT).await?;
        self.keep(&part.file, &attrs)?;
        part.publish(&self.job.local, replace)?;
        Ok(Outcome::Sent {
            resumed_from: from,
            proof,
        })
    }

    /// Returns where the file ends, and what the server has said of its hash meanwhile.
    async fn fetch_and_hash(
        &self,
        (handle, part): (&[u8], &Arc<File>),
        (from, size): (u64, u64),
        follower: Option<&Follower>,
    ) -> Result<(u64, Option<Md5>), Trouble> {
        let fetching = async {
            let end = self.pump_down((handle, part), (from, size), follower).await?;
            self.meter.set_total(end.max(size));
            if end < size {
                return Err(Trouble::Changed(format!(
                    "the server spoke of {size} bytes, but the file ended after {end} (hint: run the same command again)"
                )));
            }
            if self.proves() {
                self.meter.enter(Stage::Verifying);
            }
            Ok(end)
        };
        // Of a small file the hash comes sooner when it is asked for afterwards, together with those of others.
        let beside = self.proves() && follower.is_some();
        let hashing = async {
            match beside {
                true => Ok(self.link.md5_beside(&self.job.remote).await.ok().flatten()),
                false => Ok(None),
            }
        };
        // Of a fetch that fails nobody wants the hash.
        tokio::try_join!(fetching, hashing)
    }

    fn keep(&self, part: &File, attrs: &Attributes) -> Result<(), Trouble> {
        if !self.engine.settings.preserve {
            return Ok(());
        }
        if let Some(Times { accessed, modified }) = attrs.times {
            let at = |secs: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(secs));
            let times = std::fs::FileTimes::new()
                .set_accessed(at(accessed))
                .set_modified(at(modified));
            part.set_times(times).map_err(Trouble::local("keep the times"))?;
        }
        if let Some(mode) = attrs.permissions {
            use std::os::unix::fs::PermissionsExt as _;
            let permissions = std::fs::Permissions::from_mode(mode & 0o777);
            part.set_permissions(permissions)
                .map_err(Trouble::local("keep the permissions"))?;
        }
        Ok(())
    }
}
