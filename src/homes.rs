//! Where a home may lie, and making one.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::config::{Config, join};
use crate::domain::user::UserName;
use crate::mount::{Check, Site};
use crate::storage::marker;
use base::error::{Error, Result};

/// The home that is meant: `explicit` (relative to the current directory), else `homes/NAME`. Links are resolved, so
/// that the record says where the home really is.
///
/// # Errors
/// When it lies elsewhere than the configuration allows. That homes are apart or the same is the store's rule.
pub fn choose(config: &Config, name: &UserName, explicit: Option<&Path>) -> Result<PathBuf> {
    let home = match explicit {
        Some(path) if path.as_os_str().is_empty() => {
            return Err(Error::new("an empty path is no home").hint("leave --home out for homes/NAME"));
        }
        Some(path) => {
            let here =
                std::env::current_dir().map_err(|e| Error::new("cannot tell where we are").because(e))?;
            join(&here, path)
        }
        None => config.storage.homes.join(name.as_str()),
    };
    let home = resolve(&home);
    check_place(config, &home)?;
    Ok(home)
}

/// May a home lie here? `home` has no links left in it.
///
/// # Errors
/// When it lies elsewhere than beneath `[storage] homes` or a root, or holds what the server itself needs.
pub fn check_place(config: &Config, home: &Path) -> Result<()> {
    Rules::new(config).check(home)
}

/// Where homes may lie. Links in the configuration's own paths are resolved once, and only if they must be: these rules
/// are for the moment, since links move.
pub struct Rules<'a> {
    config: &'a Config,
    /// `[storage] homes` and roots.
    allowed: OnceCell<Vec<PathBuf>>,
    /// What the server itself needs, and what it is.
    ours: OnceCell<Vec<(PathBuf, &'static str)>>,
}

impl<'a> Rules<'a> {
    /// The rules of this configuration.
    pub fn new(config: &'a Config) -> Self {
        Self {
            config,
            allowed: OnceCell::new(),
            ours: OnceCell::new(),
        }
    }

    /// May a home lie here? See [`check_place`].
    ///
    /// # Errors
    /// Those of [`check_place`].
    pub fn check(&self, home: &Path) -> Result<()> {
        let storage = &self.config.storage;
        let lies_in = |place: &Path| home != place && home.starts_with(place);
        let resolved = || {
            self.allowed
                .get_or_init(|| storage.places().map(resolve).collect())
        };
        // As they are written first: a root on a disk that hangs must not hold up those whose homes lie in another.
        let beneath = storage.places().any(lies_in) || resolved().iter().any(|place| lies_in(place));
        let refused =
            |cause: String| Error::new(format!("\"{}\" cannot be a home", home.display())).because(cause);
        if !beneath {
            return Err(refused(format!(
                "it is not beneath \"{}\" or one of [storage] roots",
                storage.homes.display()
            ))
            .hint(format!(
                "add its parent to roots in \"{}\"",
                self.config.file.display()
            )));
        }
        let inside = self.ours().iter().find(|(path, _)| path.starts_with(home));
        if let Some((_, what)) = inside {
            return Err(refused(format!("{what} would lie in it")));
        }
        // Its marker would be the user's to change.
        match storage.roots.iter().find(|root| root.starts_with(home)) {
            Some(root) => Err(refused(format!("the root {root:?} would lie in it"))),
            None => Ok(()),
        }
    }

    fn ours(&self) -> &[(PathBuf, &'static str)] {
        let config = self.config;
        self.ours.get_or_init(|| {
            let ours = [
                (&config.store.path, "the store"),
                (&config.server.host_keys, "the host keys"),
                (&config.storage.homes, "all homes"),
                (&config.file, "the configuration"),
            ];
            let audit = config.log.audit.iter().map(|audit| (audit, "the audit log"));
            let all = ours.into_iter().chain(audit);
            all.map(|(path, what)| (resolve(path), what)).collect()
        })
    }
}

/// The place that a home lies in, `[storage] homes` or a root: where they lie in each other, the innermost.
pub fn place_of<'a>(config: &'a Config, home: &Path) -> Option<&'a Path> {
    let innermost = |lies_in: &dyn Fn(&Path) -> Option<usize>| {
        let places = config.storage.places();
        places
            .filter_map(|place| lies_in(place).map(|depth| (depth, place)))
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, place)| place)
    };
    let depth = |place: &Path| {
        let inside = home != place && home.starts_with(place);
        inside.then(|| place.components().count())
    };
    // As they are written first: see `check_place`.
    innermost(&depth).or_else(|| innermost(&|place: &Path| depth(&resolve(place))))
}

/// For the server, which asks each time that a home is opened; `id` is the store's.
pub fn checker(config: &Config, id: &str) -> Check {
    let (config, id) = (config.clone(), id.to_owned());
    Box::new(move |home| {
        let path = resolve(home);
        check_place(&config, &path)?;
        let place = place_of(&config, &path).unwrap_or(&config.storage.homes);
        Ok(Site {
            owned: marker::require(place, &id),
            may_be_made: place == config.storage.homes,
            path,
        })
    })
}

/// Says in the log which places are not this server's, so that an operator hears it before a client does.
pub fn warn_of_strangers(config: &Config, id: &str) {
    for place in config.storage.places() {
        let (place, id) = (place.to_owned(), id.to_owned());
        // A disk that hangs must not keep the others' users from being served.
        std::thread::spawn(move || {
            if let Err(error) = marker::require(&place, &id) {
                tracing::warn!(%error, "homes there are only read");
            }
        });
    }
}

/// The path without links as far as it exists.
pub fn resolve(path: &Path) -> PathBuf {
    let mut missing = Vec::new();
    let mut there = path;
    loop {
        if let Ok(mut found) = there.canonicalize() {
            found.extend(missing.iter().rev());
            return found;
        }
        let (Some(parent), Some(name)) = (there.parent(), there.file_name()) else {
            return path.to_path_buf();
        };
        missing.push(name);
        there = parent;
    }
}

/// Resolves many paths; the directories that they have in common are looked at once.
#[derive(Default)]
pub struct Resolver {
    parents: HashMap<PathBuf, PathBuf>,
}

impl Resolver {
    /// Resolves one path; see [`resolve`].
    pub fn resolve(&mut self, path: &Path) -> PathBuf {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return resolve(path);
        };
        if path.symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            return resolve(path);
        }
        if let Some(known) = self.parents.get(parent) {
            return known.join(name);
        }
        let found = resolve(parent);
        let path = found.join(name);
        self.parents.insert(parent.to_owned(), found);
        path
    }
}

/// Was the home made, or was it there?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// A new, empty directory.
    New,
    /// A directory that was there, with what is in it.
    Found,
}

/// Makes a home (0700) unless it is there.
///
/// # Errors
/// When it cannot be made, or something else has its name.
pub fn make(home: &Path) -> Result<Made> {
    let cannot =
        |cause: io::Error| Error::new(format!("cannot make home \"{}\"", home.display())).because(cause);
    if let Some(parent) = home.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(cannot)?;
    }
    match DirBuilder::new().mode(0o700).create(home) {
        Ok(()) => Ok(Made::New),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let meta = home.symlink_metadata().map_err(cannot)?;
            if !meta.is_dir() {
                return Err(Error::new(format!("cannot make home \"{}\"", home.display()))
                    .because("something that is not a directory has its name"));
            }
            Ok(Made::Found)
        }
        Err(e) => Err(cannot(e).hint("its parent must belong to the owner of the data directory")),
    }
}

#[cfg(test)]
mod tests;
