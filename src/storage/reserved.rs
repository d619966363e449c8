//! Keeps the parts of uploads over HTTP ([`super::upload_names`]) out of everybody's hands: no call names one, no link
//! leads to one, and no listing shows one. This decorator knows names, but neither users nor permissions.
//!
//! - It is the one place of the rule, in front of the router, so that it holds in homes and folders, for every protocol.
//!   What receives the uploads has the same storage without it (`Mounted::with_parts`).
//! - A directory that holds nothing but parts seems empty. If all of them have expired, removing the directory removes
//!   them; otherwise the error says what there is. A part that was written within [`LIFETIME`] may still grow.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;

use jiff::Timestamp;

use super::upload_names::{LIFETIME, is_reserved, names_a_part};
use super::{
    Capabilities, DirEntry, DirStream, Error, FileKind, FileSystemId, Links, Metadata, OpenFile, OpenHow,
    PinnedInode, Renaming, Result, SetAttrs, Space, Storage, Wait,
};
use crate::domain::path::VirtualPath;
use crate::io::HomeIo;

/// The most expired parts that are removed with their directory. No user has more unfinished uploads than 1,000.
const MOST_REMOVED: usize = 10_000;

/// A storage in which no part of an upload can be named.
pub struct ReservedNames {
    inner: Arc<dyn Storage>,
}

impl ReservedNames {
    /// Hides the parts of uploads in `inner`.
    pub fn new(inner: Arc<dyn Storage>) -> Self {
        Self { inner }
    }

    /// Returns the paths of the parts in a directory that has nothing else, if all of them have expired at `now`.
    ///
    /// # Errors
    /// Returns why the directory is not as good as empty.
    fn expired_parts(&self, directory: &VirtualPath, now: Timestamp) -> Result<Vec<VirtualPath>> {
        let oldest = now.saturating_sub(LIFETIME).unwrap_or(Timestamp::MIN).as_second();
        // Whoever may not list the directory learns no more than before.
        let mut entries = self.inner.open_dir(directory).map_err(|_| Error::NotEmpty)?;
        let (mut expired, mut any_alive) = (Vec::new(), false);
        while let Some(entry) = entries.next()? {
            if entry.name == b"." || entry.name == b".." {
                continue;
            }
            if !is_reserved(&entry.name) || entry.meta.kind != FileKind::File {
                return Err(Error::NotEmpty);
            }
            any_alive |= entry.meta.mtime >= oldest || expired.len() == MOST_REMOVED;
            if !any_alive {
                let path = [directory.absolute(), entry.name].join(&b'/');
                expired.push(VirtualPath::parse(&path).map_err(|_| Error::NameTooLong)?);
            }
        }
        match any_alive {
            true => Err(Error::HasUploads),
            false => Ok(expired),
        }
    }
}

/// Refuses a path that names a part, or leads through such a name.
fn check(path: &VirtualPath) -> Result<()> {
    match names_a_part(path.relative()) {
        true => Err(Error::Reserved),
        false => Ok(()),
    }
}

impl Storage for ReservedNames {
    fn open(&self, path: &VirtualPath, how: OpenHow, wait: Wait) -> Result<Arc<dyn OpenFile>> {
        check(path)?;
        self.inner.open(path, how, wait)
    }

    fn open_dir(&self, path: &VirtualPath) -> Result<Box<dyn DirStream>> {
        check(path)?;
        let inner = self.inner.open_dir(path)?;
        Ok(Box::new(ListedEntries { inner }))
    }

    fn stat(&self, path: &VirtualPath, links: Links) -> Result<Metadata> {
        check(path)?;
        self.inner.stat(path, links)
    }

    fn set_attrs(&self, path: &VirtualPath, attrs: &SetAttrs, links: Links) -> Result<()> {
        check(path)?;
        self.inner.set_attrs(path, attrs, links)
    }

    fn remove(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        check(path)?;
        self.inner.remove(path, wait)
    }

    fn mkdir(&self, path: &VirtualPath, mode: u32, wait: Wait) -> Result<()> {
        check(path)?;
        self.inner.mkdir(path, mode, wait)
    }

    fn rmdir(&self, path: &VirtualPath, wait: Wait) -> Result<()> {
        check(path)?;
        match self.inner.rmdir(path, wait) {
            Err(Error::NotEmpty) => {}
            done => return done,
        }
        let expired = self.expired_parts(path, Timestamp::now())?;
        wait.check_heavy(true)?;
        for part in expired {
            match self.inner.remove(&part, wait) {
                Ok(()) | Err(Error::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        self.inner.rmdir(path, wait)
    }

    fn rename(&self, from: &VirtualPath, to: &VirtualPath, how: Renaming) -> Result<()> {
        check(from)?;
        check(to)?;
        self.inner.rename(from, to, how)
    }

    fn read_link(&self, path: &VirtualPath) -> Result<Vec<u8>> {
        check(path)?;
        self.inner.read_link(path)
    }

    fn symlink(&self, target: &[u8], link: &VirtualPath, wait: Wait) -> Result<()> {
        check(link)?;
        if names_a_part(target) {
            return Err(Error::Reserved);
        }
        self.inner.symlink(target, link, wait)
    }

    fn hard_link(&self, from: &VirtualPath, to: &VirtualPath, wait: Wait) -> Result<()> {
        check(from)?;
        check(to)?;
        self.inner.hard_link(from, to, wait)
    }

    fn pin(&self, path: &VirtualPath, links: Links) -> Result<Box<dyn PinnedInode>> {
        check(path)?;
        self.inner.pin(path, links)
    }

    fn prove_directory(&self, path: &VirtualPath) -> Result<()> {
        check(path)?;
        self.inner.prove_directory(path)
    }

    fn real_path(&self, path: &VirtualPath) -> Result<VirtualPath> {
        check(path)?;
        self.inner.real_path(path)
    }

    fn space(&self, path: &VirtualPath, wait: Wait) -> Result<Space> {
        check(path)?;
        self.inner.space(path, wait)
    }

    fn sync_name(&self, path: &VirtualPath) -> Result<()> {
        check(path)?;
        self.inner.sync_name(path)
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

/// A listing without the parts of uploads.
struct ListedEntries {
    inner: Box<dyn DirStream>,
}

impl DirStream for ListedEntries {
    fn next(&mut self) -> Result<Option<DirEntry>> {
        loop {
            match self.inner.next()? {
                Some(entry) if is_reserved(&entry.name) => {}
                entry => return Ok(entry),
            }
        }
    }

    fn again(&mut self, name: &[u8]) -> Option<DirEntry> {
        match is_reserved(name) {
            true => None,
            false => self.inner.again(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::storage::conformance::{self, REFUSE, error, how, list, path};
    use crate::storage::local::LocalStorage;

    fn part(digit: &str) -> String {
        format!(".homeport-upload-{}", digit.repeat(32))
    }

    fn behind(home: &std::path::Path) -> ReservedNames {
        ReservedNames::new(Arc::new(LocalStorage::open(home).unwrap()))
    }

    #[test]
    fn it_is_not_noticed_otherwise() {
        conformance::run(|home| Arc::new(behind(home)));
    }

    #[test]
    fn no_call_names_a_part_and_no_link_leads_to_one() {
        let dir = tempfile::tempdir().unwrap();
        let name = part("a");
        fs::write(dir.path().join(&name), "bytes").unwrap();
        fs::write(dir.path().join("f"), "bytes").unwrap();
        let storage = behind(dir.path());
        let (part, file) = (path(&name), path("f"));
        let refused = [
            error(storage.open(&part, how("r"), Wait::Allowed)),
            error(storage.open(&part, how("wc"), Wait::Allowed)),
            error(storage.open_dir(&part)),
            error(storage.stat(&part, Links::NoFollow)),
            error(storage.set_attrs(&part, &SetAttrs::default(), Links::NoFollow)),
            error(storage.remove(&part, Wait::Allowed)),
            error(storage.mkdir(&part, 0o755, Wait::Allowed)),
            error(storage.rmdir(&part, Wait::Allowed)),
            error(storage.rename(&part, &path("g"), REFUSE)),
            error(storage.rename(&file, &part, REFUSE)),
            error(storage.read_link(&part)),
            error(storage.symlink(b"f", &part, Wait::Allowed)),
            error(storage.symlink(format!("d/../{name}").as_bytes(), &path("l"), Wait::Allowed)),
            error(storage.hard_link(&part, &path("h"), Wait::Allowed)),
            error(storage.hard_link(&file, &part, Wait::Allowed)),
            error(storage.pin(&part, Links::NoFollow)),
            error(storage.real_path(&path(&format!("d/../{name}/x")))),
            error(storage.prove_directory(&part)),
            error(storage.space(&part, Wait::Allowed)),
            error(storage.sync_name(&part)),
        ];
        for (call, found) in refused.into_iter().enumerate() {
            assert_eq!(found, Error::Reserved, "{call}");
        }
        let listed: Vec<String> = list(&storage, "/").unwrap().into_keys().collect();
        assert_eq!(listed, ["f"]);
        assert_eq!(storage.open_dir(&path("/")).unwrap().again(name.as_bytes()), None);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_directory_goes_with_expired_parts_alone() {
        let dir = tempfile::tempdir().unwrap();
        let storage = behind(dir.path());
        let directory = dir.path().join("d");
        fs::create_dir(&directory).unwrap();
        let make = |name: &str, days: u64| {
            let file = fs::File::create(directory.join(name)).unwrap();
            let age = Duration::from_secs(days * 24 * 60 * 60);
            file.set_modified(SystemTime::now() - age).unwrap();
        };
        let remove = || storage.rmdir(&path("d"), Wait::Allowed);
        make(&part("a"), 8);
        make(&part("b"), 6);
        assert_eq!(remove(), Err(Error::HasUploads));
        make("f", 8);
        assert_eq!(remove(), Err(Error::NotEmpty));
        fs::remove_file(directory.join("f")).unwrap();
        make(&part("b"), 8);
        assert_eq!(storage.rmdir(&path("d"), Wait::Never), Err(Error::WouldBlock));
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 2);
        assert_eq!(remove(), Ok(()));
        assert!(!directory.exists());
    }
}
