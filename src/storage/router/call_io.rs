//! Which file systems a call works on, so that it takes their schedulers, and waits for no other.
//!
//! A session with folders has several file systems, each of which may hang. A request in a folder must not hold a slot or
//! a thread of the home's file system meanwhile, and the other way round. So the caller asks here before the call, mounts
//! what is not mounted, and takes the permits of all file systems that the call works on.

use std::sync::Arc;

use super::folders::{FolderMount, Folders};
use crate::domain::path::VirtualPath;
use crate::io::{HomeIo, InlinePermit, SlowPermit};
use crate::storage::Storage;

/// What a call does with a path.
#[derive(Debug, Clone, Copy)]
pub enum CallPath<'a> {
    /// It opens or lists what the path stands for, or asks for its space.
    Content(&'a VirtualPath),
    /// It reads or changes a name. The router itself answers for the name of a folder.
    Name(&'a VirtualPath),
}

/// The file systems of a session.
#[derive(Clone)]
pub struct SessionIo {
    home: HomeIo,
    /// The folders; `None` for a session that has none, whose calls all work on the home.
    folders: Option<Arc<Folders>>,
}

/// The file systems of one call.
#[derive(Default)]
pub struct CallIo {
    /// Ordered by device, each of which is there once: permits are taken in this order, so that calls on several file
    /// systems do not wait for each other in a circle.
    ios: Vec<HomeIo>,
    /// The folders among them that are not mounted.
    unmounted: Vec<Arc<FolderMount>>,
}

impl SessionIo {
    /// Returns the file systems of a session with this storage.
    pub fn new(storage: &dyn Storage, folders: Option<&Arc<Folders>>) -> Self {
        Self {
            home: storage.scheduler().clone(),
            folders: folders.cloned(),
        }
    }

    /// Returns the home's access to its file system.
    pub fn home(&self) -> &HomeIo {
        &self.home
    }

    /// Whether calls may work on other file systems than the home's.
    pub fn has_folders(&self) -> bool {
        self.folders.is_some()
    }

    /// Returns the file systems of a call with these paths; `None` if it is the home's alone.
    pub fn of_call(&self, paths: &[CallPath<'_>]) -> Option<CallIo> {
        let folders = self.folders.as_ref()?;
        let mut call = CallIo::default();
        let (mut home, mut any_folder) = (false, false);
        for path in paths {
            let touched = touched(folders, *path);
            home |= touched.home;
            for folder in touched.folders {
                any_folder = true;
                call.add_folder(folder);
            }
        }
        if !any_folder {
            return None;
        }
        if home {
            call.add(&self.home);
        }
        Some(call)
    }

    /// Returns the access of a directory that was just opened to its file system; `None` if it is the home's.
    pub fn of_directory(&self, path: &VirtualPath) -> Option<HomeIo> {
        let (folder, _) = self.folders.as_ref()?.split(path)?;
        folder.mounted().map(|storage| storage.scheduler().clone())
    }

    /// Returns the file system of a call on an open file or directory, by its access; `None` if it is the home's.
    pub fn of_handle(&self, io: &HomeIo) -> Option<CallIo> {
        self.folders.as_ref()?;
        if io.is_same_as(&self.home) {
            return None;
        }
        let mut call = CallIo::default();
        call.add(io);
        Some(call)
    }
}

impl CallIo {
    fn add(&mut self, io: &HomeIo) {
        if let Err(at) = self.ios.binary_search_by_key(&io.device(), HomeIo::device) {
            self.ios.insert(at, io.clone());
        }
    }

    fn add_folder(&mut self, folder: &Arc<FolderMount>) {
        match folder.mounted() {
            Some(storage) => self.add(storage.scheduler()),
            None => self.unmounted.push(Arc::clone(folder)),
        }
    }

    /// Adds the file systems of another call that is made together with this one.
    pub fn and(&mut self, other: Self) {
        other.ios.iter().for_each(|io| self.add(io));
        self.unmounted.extend(other.unmounted);
    }

    /// Adds the file system of an open file or of the home.
    pub fn and_io(&mut self, io: &HomeIo) {
        self.add(io);
    }

    /// Takes a slot for a call on the event loop's own thread, which works on the home if it has no file systems of its own.
    /// `None` means that the call has to take the slow way.
    pub fn enter_one<'a>(call: Option<&'a Self>, home: &'a HomeIo) -> Option<InlinePermit<'a>> {
        match call {
            None => home.enter(),
            Some(call) => call.enter(),
        }
    }

    /// Takes a slot as [`CallIo::enter_one`] does.
    pub fn enter(&self) -> Option<InlinePermit<'_>> {
        match (self.ios.as_slice(), self.unmounted.is_empty()) {
            ([io], true) => io.enter(),
            _ => None,
        }
    }

    /// Mounts the folders that are not mounted. If that fails, the call says why.
    async fn mount(&mut self) {
        for folder in std::mem::take(&mut self.unmounted) {
            folder.mount().await;
            if let Some(storage) = folder.mounted() {
                self.add(storage.scheduler());
            }
        }
    }

    /// Whether the call works with this access alone.
    #[cfg(test)]
    pub(super) fn is_for(&self, io: &HomeIo) -> bool {
        matches!(self.ios.as_slice(), [one] if one.is_same_as(io))
    }

    /// Whether the other call works on the same file system, as part of the same share.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self.ios.as_slice(), other.ios.as_slice()) {
            ([one], [two]) => self.unmounted.is_empty() && other.unmounted.is_empty() && one.is_same_as(two),
            _ => false,
        }
    }
}

/// The right to make a call on a thread of the blocking pool.
pub struct SlowWay {
    _home: Option<SlowPermit>,
    _elsewhere: Vec<SlowPermit>,
}

impl SlowWay {
    /// Mounts the folders that a call enters, and waits for the right to be inside of its file systems; without any, of the
    /// home's.
    pub async fn wait(call: Option<&mut CallIo>, home: &HomeIo) -> Self {
        let Some(call) = call else {
            return Self {
                _home: Some(home.slow_way().await),
                _elsewhere: Vec::new(),
            };
        };
        call.mount().await;
        let mut permits = Vec::with_capacity(call.ios.len());
        for io in &call.ios {
            permits.push(io.slow_way().await);
        }
        Self {
            _home: None,
            _elsewhere: permits,
        }
    }
}

/// The storages that a call works on.
struct Touched<'a> {
    home: bool,
    folders: Vec<&'a Arc<FolderMount>>,
}

/// Returns the storages that a call on a path works on: the one that the path belongs to, and each in which a directory is
/// looked up because of `..`.
fn touched<'a>(folders: &'a Folders, path: CallPath<'_>) -> Touched<'a> {
    let (is_name, path) = match path {
        CallPath::Name(path) => (true, path),
        CallPath::Content(path) => (false, path),
    };
    let mut touched = Touched {
        home: false,
        folders: Vec::new(),
    };
    let mut names: Vec<&[u8]> = Vec::new();
    let mut touch = |names: &[&[u8]], is_name: bool| match folders.of_names(names) {
        None => touched.home = true,
        Some(_) if is_name && names.len() == 1 => {}
        Some(folder) if touched.folders.iter().any(|known| Arc::ptr_eq(known, folder)) => {}
        Some(folder) => touched.folders.push(folder),
    };
    for component in path.components() {
        match component {
            b"" | b"." => {}
            b".." => {
                touch(&names, true);
                names.pop();
            }
            name => names.push(name),
        }
    }
    touch(&names, is_name);
    touched
}
