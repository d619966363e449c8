//! One file from the server. It grows under the name `NAME.part`, and gets its own when it is whole and proven: who
//! looks at NAME never sees half a file.
//!
//! A shorter file NAME that is the beginning of what comes is what another client has left: it becomes the part.

use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::board::Stage;
use super::decide::{Decided, Ends, Hashed, there};
use super::digest::{Digest, Follower};
use super::trouble::Trouble;
use super::{Attempt, Job, Outcome, SMALL_BYTES, endings};
use crate::client::packets::{Attributes, Request};
use crate::client::plan::{Conflict, There};

/// Behind the name of a file that is not whole.
const PART: &str = ".part";
/// What to do about other bytes than the server's.
const HINT: &str = "what came differs from what the server has; run it again, which starts anew";

/// A file of this machine that may be there.
fn look(path: &Path) -> Result<There, Trouble> {
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(There::File(meta.len())),
        Ok(meta) if meta.is_dir() => Ok(There::Directory),
        Ok(_) => Ok(There::Other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(There::Nothing),
        Err(error) => Err(Trouble::Local {
            what: "look at the file",
            error,
        }),
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned().into_vec();
    name.extend_from_slice(ending.as_bytes());
    PathBuf::from(std::ffi::OsString::from_vec(name))
}

fn open_part(path: &Path, mode: u32) -> Result<Arc<File>, Trouble> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(mode)
        // A link of that name would make us write somewhere else.
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
        .map_err(Trouble::local("open the .part file"))?;
    // Two that download the same file would write through each other.
    match file.try_lock() {
        Ok(()) => Ok(Arc::new(file)),
        Err(std::fs::TryLockError::WouldBlock) => Err(Trouble::Local {
            what: "open the .part file",
            error: io::Error::other("another download writes to it"),
        }),
        // A file system without locks.
        Err(std::fs::TryLockError::Error(_)) => Ok(Arc::new(file)),
    }
}

/// Gives the part back when an attempt ends, however it does: others may still hold the file, such as a hash that nobody
/// waits for any more, and the next attempt must not find it taken.
struct Taken(Arc<File>);

impl Drop for Taken {
    fn drop(&mut self) {
        // A file system without locks.
        let _ = self.0.unlock();
    }
}

impl Attempt<'_> {
    pub(super) async fn download(mut self) -> Result<Outcome, Trouble> {
        self.meter.enter(Stage::Deciding);
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
        let renamed;
        match look(&self.job.local)? {
            There::Nothing => {}
            there => {
                let file = match there {
                    There::File(_) => Some(Arc::new(
                        File::open(&self.job.local).map_err(Trouble::local("open the file"))?,
                    )),
                    There::Nothing | There::Directory | There::Other => None,
                };
                match self
                    .decide(Ends {
                        size,
                        there,
                        local: file.as_ref(),
                    })
                    .await?
                {
                    Decided::Same(proof) => return Ok(Outcome::Same(proof)),
                    Decided::Skip => return Ok(Outcome::Skipped),
                    Decided::Send { from: 0, .. } => {}
                    Decided::Send { .. } => {
                        let part = with_ending(&self.job.local, PART);
                        std::fs::rename(&self.job.local, part)
                            .map_err(Trouble::local("rename the shorter file"))?;
                    }
                    Decided::Rename => {
                        renamed = Job {
                            local: self.free_local_name()?,
                            ..self.job.clone()
                        };
                        self.engine.board.warn(&format!(
                            "{}: stored as {}",
                            self.job.name(),
                            crate::client::printable::printable(renamed.local.as_os_str().as_bytes())
                        ));
                        self.job = &renamed;
                    }
                }
                // From here on NAME may be replaced.
                return self.fetch(attrs, size, true).await;
            }
        }
        self.fetch(attrs, size, false).await
    }

    fn free_local_name(&self) -> Result<PathBuf, Trouble> {
        for ending in endings() {
            let name = with_ending(&self.job.local, &ending);
            if look(&name)? == There::Nothing {
                return Ok(name);
            }
        }
        Err(Trouble::NoName)
    }

    /// The part that is there, if it is a beginning of what comes.
    async fn part(&self, part: &Arc<File>, size: u64) -> Result<(u64, Digest), Trouble> {
        let have = part
            .metadata()
            .map_err(Trouble::local("look at the .part file"))?
            .len();
        if have == 0 {
            return Ok((0, Digest::default()));
        }
        if have <= size && self.engine.settings.resume {
            let (here, there) = self.heads(part, have, have == size).await?;
            match there {
                Some(there) if there == here.clone().value() => return Ok((have, here)),
                Some(_) => {}
                None => {
                    self.warn_unproven("the .part file is taken for its beginning by its size alone");
                    return Ok((have, here));
                }
            }
            self.engine.board.warn(&format!(
                "{}: the .part file is no beginning of what the server has now; starting anew",
                self.job.name()
            ));
        }
        part.set_len(0).map_err(Trouble::local("empty the .part file"))?;
        Ok((0, Digest::default()))
    }

    async fn fetch(self, attrs: Attributes, size: u64, replace: bool) -> Result<Outcome, Trouble> {
        let path = with_ending(&self.job.local, PART);
        let mode = attrs.mode.unwrap_or(0o644) & 0o777;
        let part = open_part(&path, mode | 0o600)?;
        let _taken = Taken(Arc::clone(&part));
        let (from, head) = self.part(&part, size).await?;
        let opened = self.link.open_read(&self.job.remote).await;
        let handle = opened.map_err(Trouble::remote("open the file"))?;
        *self.ours = true;
        self.meter.set_done(from);
        self.meter.enter(Stage::Sending);
        let small = size.saturating_sub(from) < SMALL_BYTES;
        let follower =
            (self.proves() && !small).then(|| Follower::start(head.clone(), Arc::clone(&part), from));
        let fetched = self
            .fetch_and_hash((&handle, &part), (from, size), follower.as_ref())
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
                let all = Digest::of_head(Arc::clone(&part), end, self.engine.stop.clone());
                Some(all.await.map_err(Trouble::local("read the .part file"))?)
            }
            None => None,
        };
        let proof = self.verify(digest.map(Digest::value), early, HINT).await?;
        self.keep(&part, &attrs)?;
        self.publish(&path, replace)?;
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
    ) -> Result<(u64, Option<Hashed>), Trouble> {
        let fetching = async {
            let end = self.pump_down((handle, part), (from, size), follower).await?;
            self.meter.set_total(end.max(size));
            if end < size {
                return Err(Trouble::Changed(format!(
                    "the server spoke of {size} bytes, but the file ended after {end}"
                )));
            }
            if self.proves() {
                self.meter.enter(Stage::Verifying);
            }
            Ok(end)
        };
        let hashing = async {
            match self.proves() && self.link.hashes_beside() {
                true => Ok(Some(self.hash_there().await)),
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
        if let Some((accessed, modified)) = attrs.times {
            let at = |secs: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(secs));
            let times = std::fs::FileTimes::new()
                .set_accessed(at(accessed))
                .set_modified(at(modified));
            part.set_times(times).map_err(Trouble::local("keep the times"))?;
        }
        if let Some(mode) = attrs.mode {
            use std::os::unix::fs::PermissionsExt as _;
            let permissions = std::fs::Permissions::from_mode(mode & 0o777);
            part.set_permissions(permissions)
                .map_err(Trouble::local("keep the permissions"))?;
        }
        Ok(())
    }

    /// Gives the part its name. Without `replace`, nothing had that name, and nothing that has it now is replaced.
    fn publish(&self, part: &Path, replace: bool) -> Result<(), Trouble> {
        let named = match replace {
            true => std::fs::rename(part, &self.job.local),
            false => match renameat_with(CWD, part, CWD, &self.job.local, RenameFlags::NOREPLACE) {
                Err(rustix::io::Errno::EXIST) => return Err(Trouble::Conflict(Conflict::Differs)),
                // A file system that cannot do so in one step: a moment ago nothing had the name.
                Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                    std::fs::rename(part, &self.job.local)
                }
                done => done.map_err(io::Error::from),
            },
        };
        named.map_err(Trouble::local("give the file its name"))
    }
}
