//! The final owner, mode and times of a downloaded file. They are set when it is whole, before it gets its name.

use std::fs::{File, FileTimes, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::{Duration, SystemTime};

use sftp_wire::{Attributes, Times};

use crate::local_attributes::permanent_mode;

/// The attributes that a downloaded file gets at the end.
pub(super) struct FinalLocalAttributes {
    /// The file that is replaced. Its owner and its mode stay.
    pub(super) replaced: Option<Metadata>,
    /// The attributes of the file on the server.
    pub(super) source: Attributes,
    /// Whether the times and the mode of the file on the server are kept.
    pub(super) preserve: bool,
}

impl FinalLocalAttributes {
    /// The mode that the file shall have in the end, before the umask of this process is applied to it.
    pub(super) fn mode(&self) -> u32 {
        match (&self.replaced, self.source.permissions) {
            (Some(replaced), None) => replaced.mode() & 0o777,
            (Some(replaced), Some(_)) if !self.preserve => replaced.mode() & 0o777,
            (_, permissions) => permissions.unwrap_or(0o644) & 0o777,
        }
    }

    /// Sets all attributes. What fails is passed to `warn`, since the content is whole all the same.
    pub(super) fn set(&self, file: &File, warn: impl Fn(&'static str, io::Error)) {
        let check = |what, set: io::Result<()>| {
            if let Err(error) = set {
                warn(what, error);
            }
        };
        if let (Some(replaced), Ok(now)) = (&self.replaced, file.metadata())
            && (replaced.uid(), replaced.gid()) != (now.uid(), now.gid())
        {
            // Only the administrator can give files away; for everybody else the file belongs to its new owner.
            let _ = std::os::unix::fs::fchown(file, Some(replaced.uid()), Some(replaced.gid()));
        }
        check("keep the mode", self.set_mode(file));
        if self.preserve {
            self.keep_times(file, &check);
        }
    }

    fn set_mode(&self, file: &File) -> io::Result<()> {
        let now = file.metadata()?.mode() & 0o7777;
        let mode = match (&self.replaced, self.source.permissions) {
            (Some(_), _) => self.mode(),
            (None, Some(_)) if self.preserve => self.mode(),
            (None, _) => permanent_mode(now, self.mode()),
        };
        match mode == now {
            true => Ok(()),
            false => file.set_permissions(Permissions::from_mode(mode)),
        }
    }

    fn keep_times(&self, file: &File, check: &impl Fn(&'static str, io::Result<()>)) {
        let at = |secs: u32| SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(secs));
        if let Some(Times { accessed, modified }) = self.source.times {
            let times = FileTimes::new()
                .set_accessed(at(accessed))
                .set_modified(at(modified));
            check("keep the times", file.set_times(times));
        }
    }
}
