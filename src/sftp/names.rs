//! Requests about names: remove, make, rename, link, resolve.

use sftp_wire::NamesReply;

use crate::domain::event::Event;
use crate::domain::path::VirtualPath;
use crate::storage::{FileKind, Links, Metadata, Over, Renaming, SetAttrs, Wait};

use super::context::SymlinkOrder;
use super::outcome::Answer;
use super::session::{Sftp, ok, path_of};

/// Freeing more than this takes the file system long enough (several milliseconds) to hold up other channels.
const LARGE: u64 = 64 << 20;

impl Sftp {
    pub(super) fn remove(&mut self, id: u32, path: &[u8], wait: Wait) -> Answer {
        let path = path_of(path)?;
        self.not_in_callback(self.is_large(&path, Links::NoFollow), wait)?;
        let done = self.storage.remove(&path, wait);
        self.tell_refused(done, &path)?;
        self.tell(|who| Event::Removed { who, path });
        ok(id)
    }

    pub(super) fn mkdir(&mut self, id: u32, path: &[u8], attrs: &SetAttrs, wait: Wait) -> Answer {
        let path = path_of(path)?;
        let mode = attrs.permissions.unwrap_or(0o777);
        let done = self.storage.mkdir(&path, mode, wait);
        self.tell_refused(done, &path)?;
        self.tell(|who| Event::DirectoryMade { who, path });
        ok(id)
    }

    pub(super) fn rmdir(&mut self, id: u32, path: &[u8], wait: Wait) -> Answer {
        let path = path_of(path)?;
        let done = self.storage.rmdir(&path, wait);
        self.tell_refused(done, &path)?;
        self.tell(|who| Event::DirectoryRemoved { who, path });
        ok(id)
    }

    pub(super) fn realpath(&mut self, id: u32, path: &[u8]) -> Answer {
        // Here alone the empty path is the current directory (rclone sends it).
        let resolved = self.storage.real_path(&VirtualPath::parse(path)?)?;
        Ok(NamesReply::single(id, &resolved.absolute()))
    }

    pub(super) fn rename(&mut self, id: u32, from: &[u8], to: &[u8], over: Over, wait: Wait) -> Answer {
        let (from, to) = (path_of(from)?, path_of(to)?);
        let heavy = over == Over::Replace && self.is_large(&to, Links::NoFollow);
        self.not_in_callback(heavy, wait)?;
        let done = self.storage.rename(&from, &to, Renaming { over, wait });
        self.tell_refused(done, &from)?;
        self.tell(|who| Event::Renamed { who, from, to });
        ok(id)
    }

    pub(super) fn symlink(&mut self, id: u32, first: &[u8], second: &[u8], wait: Wait) -> Answer {
        let (target, link) = match self.context.habits.symlink_order {
            SymlinkOrder::TargetFirst => (first, second),
            SymlinkOrder::LinkFirst => (second, first),
        };
        let link = path_of(link)?;
        // The target is stored as it is; this only finds what no target can be.
        path_of(target)?;
        let done = self.storage.symlink(target, &link, wait);
        self.tell_refused(done, &link)?;
        self.tell(|who| Event::Linked {
            who,
            target: target.to_vec(),
            link,
        });
        ok(id)
    }

    pub(super) fn is_large(&self, path: &VirtualPath, links: Links) -> bool {
        let large = |meta: Metadata| meta.kind == FileKind::File && meta.size >= LARGE;
        self.storage.stat(path, links).is_ok_and(large)
    }
}
