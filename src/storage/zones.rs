//! Enforces permissions that differ by directory. A *zone* is what one rule decides about: its directory and all below,
//! except for the directories of longer rules. Each zone has a [`Guard`] with its permissions, so that what a permission
//! means is written once.
//!
//! - **The path is the truth.** The rule with the longest path that contains a name decides, by the text of the path. That
//!   is right only if the text says where the file lies, so this decorator gets paths without `..`
//!   ([`super::router`] takes it away), and the storage below follows no symbolic link
//!   ([`super::local::LocalStorage::without_links`]): a link stands for itself, and a path through one fails.
//! - **The directories of rules stay.** A directory that is the beginning of a rule, or contains one, is never renamed,
//!   replaced or removed, and nothing but a directory is made by that name. So a rule always means the same directory.
//! - **Only files move** between zones with different permissions: that needs `read` and `delete` in the old zone, and
//!   `create` in the new one, and `overwrite` if something is replaced. Directories do not move, so an open directory, and
//!   a file below it, stays in its zone. That the source is a file is decided within the rename, while the account locks
//!   all names ([`Renaming::only_files`]): a session that swaps a directory into the file's place in between is too late or
//!   too early. A file that is open while it moves keeps what its handle may do, as with open(2).
//! - **Hard links** lead only from a zone to itself, and a file with several names does not move to a zone with other
//!   permissions: otherwise it could be changed under the name whose zone allows that.
//! - **A zone without any permission** does not exist for the user: its names answer `NotFound` to every call, and a
//!   listing leaves its directory out. A directory on the way to a zone with permissions is seen, but not listed.
#![deny(clippy::missing_trait_methods)]

use std::collections::BTreeMap;
use std::sync::Arc;

use super::guard::{Guard, forbidden};
use super::{
    Capabilities, DirEntry, DirStream, Error, FileSystemId, IfExists, Links, Metadata, OpenFile, OpenHow,
    PinnedInode, Renaming, Result, SetAttrs, Space, Storage, Wait,
};
use crate::domain::path::VirtualPath;
use crate::domain::permission::{Permission, PermissionRules, Permissions, RulePath};
use crate::io::HomeIo;

/// A storage restricted to permissions that differ by directory. The inner storage must not follow symbolic links.
pub struct ZoneGuard {
    inner: Arc<dyn Storage>,
    rules: PermissionRules,
    guards: BTreeMap<RulePath, Guard>,
}

impl ZoneGuard {
    /// Allows only the calls that `rules` include.
    pub fn new(inner: Arc<dyn Storage>, rules: PermissionRules) -> Self {
        let guard = |(path, permissions): (&RulePath, &Permissions)| {
            (path.clone(), Guard::new(Arc::clone(&inner), permissions.clone()))
        };
        Self {
            guards: rules.iter().map(guard).collect(),
            inner,
            rules,
        }
    }

    /// Returns the guard of the zone that a name lies in.
    ///
    /// # Errors
    /// Returns `NotFound` if the name does not exist for the user.
    fn zone(&self, path: &VirtualPath) -> Result<&Guard> {
        if path.has_up() {
            return Err(Error::Invalid);
        }
        let (rule, permissions) = self.rules.rule(path);
        if permissions.is_none() && !self.leads_to_a_zone(path) {
            return Err(Error::NotFound);
        }
        self.guards.get(rule).ok_or(Error::NotFound)
    }

    /// Returns the guard of a zone in which a name is made, changed or removed.
    ///
    /// # Errors
    /// Fails as [`ZoneGuard::zone`] does, or if the name has to stay.
    fn zone_of_change(&self, path: &VirtualPath) -> Result<&Guard> {
        let zone = self.zone(path)?;
        // The storage itself says what cannot be done to its root.
        match !path.is_root() && self.rules.begin_within(path) {
            true => Err(Error::FixedDirectory),
            false => Ok(zone),
        }
    }

    /// Whether this is a directory above a zone with permissions. The root always is.
    fn leads_to_a_zone(&self, path: &VirtualPath) -> bool {
        let mut rules = self.rules.iter();
        path.is_root() || rules.any(|(rule, permissions)| !permissions.is_none() && rule.is_within(path))
    }

    /// Returns the names in a directory that do not exist for the user.
    fn hidden_names(&self, directory: &VirtualPath) -> Vec<Vec<u8>> {
        let depth = directory.names().count();
        let hidden = self.rules.iter().filter_map(|(rule, permissions)| {
            let mut below = rule.names().skip(depth);
            let (name, None) = (below.next()?, below.next()) else {
                return None;
            };
            let place = VirtualPath::parse(rule.as_str().as_bytes()).ok()?;
            let is_hidden = permissions.is_none() && !self.leads_to_a_zone(&place);
            (rule.is_within(directory) && is_hidden).then(|| name.to_vec())
        });
        hidden.collect()
    }

    /// Moves a file to a zone with other permissions.
    fn move_file(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        let (source, target) = (self.rules.at(from), self.rules.at(to));
        let need = |zone: &Permissions, permission| match zone.allows(permission) {
            true => Ok(()),
            false => Err(forbidden(permission)),
        };
        need(source, Permission::Read)?;
        need(source, Permission::Delete)?;
        need(target, Permission::Create)?;
        let may_replace = target.allows(Permission::Overwrite);
        let renaming = Renaming {
            only_files: true,
            if_exists: if may_replace {
                how.if_exists
            } else {
                IfExists::Refuse
            },
            ..how
        };
        match self.inner.rename(from, to, renaming) {
            Err(Error::NotAFile) => Err(Error::BetweenZones),
            Err(Error::TooManyLinks) => Err(Error::LinkBetweenZones),
            Err(Error::AlreadyExists) if how.if_exists == IfExists::Replace && !may_replace => {
                Err(forbidden(Permission::Overwrite))
            }
            moved => moved,
        }
    }
}

impl Storage for ZoneGuard {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        let zone = match how.create {
            true => self.zone_of_change(path)?,
            false => self.zone(path)?,
        };
        zone.open(path, how, wait)
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        let inner = self.zone(path)?.open_dir(path)?;
        let hidden = self.hidden_names(path);
        Ok(match hidden.is_empty() {
            true => inner,
            false => Box::new(VisibleEntries { inner, hidden }),
        })
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        self.zone(path)?.stat(path, links)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        self.zone(path)?.set_attrs(path, attrs, links)
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.zone_of_change(path)?.remove(path, wait)
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        self.zone(path)?.mkdir(path, mode, wait)
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        self.zone_of_change(path)?.rmdir(path, wait)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        let zone = self.zone_of_change(from)?;
        self.zone_of_change(to)?;
        match self.rules.at(from) == self.rules.at(to) {
            true => zone.rename(from, to, how),
            false => self.move_file(from, to, how),
        }
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        self.zone(path)?.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        self.zone_of_change(link)?.symlink(target, link, wait)
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        self.zone(from)?;
        let zone = self.zone_of_change(to)?;
        match self.rules.rule(from).0 == self.rules.rule(to).0 {
            true => zone.hard_link(from, to, wait),
            false => Err(Error::LinkBetweenZones),
        }
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        self.zone(path)?.pin(path, links)
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        self.zone(path)?.prove_directory(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        match self.zone(path) {
            Ok(zone) => zone.real_path(path),
            // The answer to the name of a hidden directory is that to a name that does not exist.
            Err(Error::NotFound) => {
                let (directory, _) = path.split().ok_or(Error::NotFound)?;
                self.prove_directory(&directory)?;
                Ok(path.clone())
            }
            Err(error) => Err(error),
        }
    }

    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        self.zone(path)?.space(path, wait)
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        self.zone(path)?.sync_name(path)
    }

    fn identity(&self) -> Result<FileSystemId> {
        self.inner.identity()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn scheduler(&self) -> &HomeIo {
        self.inner.scheduler()
    }
}

/// A listing without the directories of zones in which the user has no permission.
struct VisibleEntries {
    inner: Box<dyn DirStream>,
    hidden: Vec<Vec<u8>>,
}

impl DirStream for VisibleEntries {
    fn next(&mut self) -> Result<Option<DirEntry>> {
        loop {
            match self.inner.next()? {
                Some(entry) if self.hidden.contains(&entry.name) => {}
                entry => return Ok(entry),
            }
        }
    }

    fn again(&mut self, name: &[u8]) -> Option<DirEntry> {
        self.inner.again(name)
    }
}

#[cfg(test)]
mod tests;
