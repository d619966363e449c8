//! The hooks of the configuration, ready for use: patterns are compiled, and secrets read.

use parking_lot::RwLock;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use super::settings::HookSettings;
use crate::domain::path::VirtualPath;
use crate::ops::audit::PathPattern;
use base::advice;
use base::error::{Error, Result};
use base::glob;
use base::regular;
use base::secret::Secret;

/// The largest file of a secret, in bytes.
const LARGEST_SECRET: u64 = 4096;
/// The shortest secret in bytes. A shorter one could be guessed from one request and its signature.
const SHORTEST_SECRET: usize = 16;

/// A hook of the configuration.
pub struct Hook {
    /// What identifies it in the queue.
    pub id: String,
    /// Its name for people.
    pub label: String,
    /// Its settings.
    pub settings: HookSettings,
    /// The secret that its requests are signed with.
    pub secret: Option<Secret>,
    /// Where uploads are moved that its command accepts.
    pub move_to: Option<VirtualPath>,
    pattern: Option<PathPattern>,
}

impl Hook {
    fn load(settings: &HookSettings) -> Result<Self> {
        let pattern = settings
            .pattern
            .as_deref()
            .map(str::parse::<PathPattern>)
            .transpose()?;
        let move_to = settings.move_to.as_deref().map(str::as_bytes);
        // The configuration was checked.
        let move_to = move_to.and_then(|target| VirtualPath::parse(target).ok());
        Ok(Self {
            id: settings.id(),
            label: settings.label(),
            secret: settings
                .secret_file
                .as_deref()
                .map(|file| read_secret(file, "a hook"))
                .transpose()?,
            settings: settings.clone(),
            move_to,
            pattern,
        })
    }

    /// Returns whether the hook is for an event of this name that is about these paths.
    fn is_for(&self, event: &str, paths: &[VirtualPath]) -> bool {
        if !self.settings.on.iter().any(|name| name == event) {
            return false;
        }
        // What lies where it was moved to is not checked again.
        let is_published =
            |path: &VirtualPath| self.move_to.as_ref().is_some_and(|target| is_below(path, target));
        if paths.iter().any(is_published) {
            return false;
        }
        match &self.pattern {
            None => true,
            Some(pattern) => paths.iter().any(|path| pattern.matches(&path.absolute())),
        }
    }

    /// Returns the path to which a file is moved: what lies below the fixed beginning of the pattern keeps its
    /// directories. `path` is the file's path in its home or folder, and `seen` the one that its user sees, which patterns
    /// are about.
    pub fn target_of(&self, path: &VirtualPath, seen: &VirtualPath) -> Option<VirtualPath> {
        let target = self.move_to.as_ref()?.absolute();
        let fixed = self
            .settings
            .pattern
            .as_deref()
            .map_or(Vec::new(), fixed_beginning);
        // Without a fixed beginning, the directories below the home or folder are kept.
        let path = if fixed.is_empty() { path } else { seen };
        let path = path.without_dots().absolute();
        let rest = match path.strip_prefix(&fixed[..]) {
            Some(rest) if rest.starts_with(b"/") => rest,
            // The pattern is the path itself.
            _ => {
                let name = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                path.get(name..).unwrap_or_default()
            }
        };
        VirtualPath::parse(&[&target[..], rest].concat()).ok()
    }
}

/// Returns the directories with which every path begins that a pattern matches, without a slash at the end.
fn fixed_beginning(pattern: &str) -> Vec<u8> {
    let mut fixed = Vec::new();
    let word = glob::parse(pattern.as_bytes());
    for name in word.split(|byte| byte.0 == b'/').filter(|name| !name.is_empty()) {
        if glob::is_pattern(name) {
            break;
        }
        fixed.push(b'/');
        fixed.extend(glob::literal(name));
    }
    fixed
}

fn is_below(path: &VirtualPath, directory: &VirtualPath) -> bool {
    let (path, directory) = (path.absolute(), directory.absolute());
    let rest = path.strip_prefix(&directory[..]);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Reads the secret that the requests of `owner` are signed with. A line end behind it is not part of it.
///
/// # Errors
/// Returns an error if it cannot be read, is too short, or can be read by everybody.
pub fn read_secret(file: &Path, owner: &str) -> Result<Secret> {
    let cannot = || {
        Error::new(format!(
            "cannot read the secret of {owner} \"{}\"",
            file.display()
        ))
    };
    let failed = |error| advice::because(cannot(), error, file, "u+r");
    let meta = file.metadata().map_err(failed)?;
    if meta.mode() & 0o007 != 0 {
        return Err(cannot()
            .because("every user of this machine can read it")
            .hint(advice::chmod(file, "640")));
    }
    let mut bytes = regular::read_regular(file, LARGEST_SECRET).map_err(failed)?;
    while bytes.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        bytes.pop();
    }
    if bytes.len() < SHORTEST_SECRET {
        return Err(cannot()
            .because(format!("it has fewer than {SHORTEST_SECRET} bytes"))
            .hint("openssl rand -hex 32"));
    }
    Ok(Secret::from_bytes(bytes))
}

/// All hooks of the configuration.
#[derive(Default)]
pub struct HookTable(Vec<Arc<Hook>>);

impl HookTable {
    /// Prepares the hooks of a configuration that was checked.
    ///
    /// # Errors
    /// Returns an error if a secret cannot be read.
    pub fn load(settings: &[HookSettings]) -> Result<Self> {
        let hooks: Result<Vec<_>> = settings.iter().map(|one| Hook::load(one).map(Arc::new)).collect();
        hooks.map(Self)
    }

    /// Returns whether there is no hook.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a hook is for events of this name.
    pub fn has(&self, event: &str) -> bool {
        self.0
            .iter()
            .any(|hook| hook.settings.on.iter().any(|name| name == event))
    }

    /// Returns whether a hook calls an address.
    pub fn has_urls(&self) -> bool {
        self.0.iter().any(|hook| hook.settings.url.is_some())
    }

    /// Returns the hooks for an event of this name that is about these paths.
    pub fn of_event<'a>(
        &'a self,
        event: &'a str,
        paths: &'a [VirtualPath],
    ) -> impl Iterator<Item = &'a Arc<Hook>> {
        self.0.iter().filter(move |hook| hook.is_for(event, paths))
    }

    /// Returns the hook with this identity.
    pub fn find(&self, id: &str) -> Option<Arc<Hook>> {
        self.0.iter().find(|hook| hook.id == id).cloned()
    }

    /// Returns whether a hook runs a command.
    pub fn has_commands(&self) -> bool {
        self.0.iter().any(|hook| !hook.settings.command.is_empty())
    }
}

/// The hooks that are in force, which a reload replaces.
#[derive(Clone, Default)]
pub struct CurrentHooks(Arc<RwLock<Arc<HookTable>>>);

impl CurrentHooks {
    /// Puts these hooks in force.
    pub fn new(table: HookTable) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(table))))
    }

    /// Returns the hooks.
    pub fn get(&self) -> Arc<HookTable> {
        Arc::clone(&self.0.read())
    }

    /// Replaces the hooks, for events from now on.
    pub fn replace(&self, table: HookTable) {
        *self.0.write() = Arc::new(table);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hook(pattern: Option<&str>, move_to: Option<&str>) -> Hook {
        Hook::load(&HookSettings {
            on: vec!["uploaded".to_owned()],
            command: vec!["/bin/true".to_owned()],
            pattern: pattern.map(str::to_owned),
            move_to: move_to.map(str::to_owned),
            ..HookSettings::default()
        })
        .unwrap()
    }

    fn path(text: &str) -> VirtualPath {
        VirtualPath::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_hook_is_for_its_events_and_paths() {
        let check = |hook: &Hook, event: &str, paths: &[&str], expected: bool| {
            let paths: Vec<VirtualPath> = paths.iter().map(|text| path(text)).collect();
            assert_eq!(hook.is_for(event, &paths), expected, "{event} {paths:?}");
        };
        let all = hook(None, None);
        check(&all, "uploaded", &["/a"], true);
        check(&all, "uploaded", &[], true);
        check(&all, "removed", &["/a"], false);
        let inbox = hook(Some("/in/**"), Some("/clean"));
        check(&inbox, "uploaded", &["/in/a"], true);
        check(&inbox, "uploaded", &["/a", "/in/b"], true);
        check(&inbox, "uploaded", &["/a"], false);
        check(&inbox, "uploaded", &[], false);
        let everything = hook(None, Some("/clean"));
        check(&everything, "uploaded", &["/cleaner/a"], true);
        check(&everything, "uploaded", &["/clean/a"], false);
        check(&everything, "uploaded", &["/clean"], false);
    }

    #[test]
    fn directories_below_the_fixed_part_of_a_pattern_are_kept() {
        let check = |pattern: Option<&str>, from: &str, to: &str| {
            let target = hook(pattern, Some("/clean/2"))
                .target_of(&path(from), &path(from))
                .unwrap();
            assert_eq!(target, path(to), "{pattern:?} {from}");
        };
        let in_folder = |pattern: Option<&str>, to: &str| {
            let target = hook(pattern, Some("/clean"))
                .target_of(&path("/in/d/a"), &path("/team/in/d/a"))
                .unwrap();
            assert_eq!(target, path(to), "{pattern:?}");
        };
        in_folder(Some("/team/in/**"), "/clean/d/a");
        in_folder(Some("/team/**"), "/clean/in/d/a");
        in_folder(Some("/**/*"), "/clean/in/d/a");
        in_folder(None, "/clean/in/d/a");
        check(Some("/in/**"), "/in/a", "/clean/2/a");
        check(Some("/in/**"), "/in/b/../c/d", "/clean/2/c/d");
        check(Some("/in/*/x"), "/in/a/x", "/clean/2/a/x");
        check(Some("/in/x"), "/in/x", "/clean/2/x");
        check(None, "/a/b", "/clean/2/a/b");
        check(Some("/**/*.pdf"), "/a/b.pdf", "/clean/2/a/b.pdf");
    }

    #[test]
    fn a_secret_is_long_and_not_for_everyone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        let check = |text: &str, mode: u32, expected: std::result::Result<&str, &str>| {
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            match (read_secret(&file, "a hook"), expected) {
                (Ok(secret), Ok(expected)) => assert_eq!(secret.reveal(), expected),
                (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
                (read, _) => panic!("{read:?}"),
            }
        };
        check("0123456789abcdef\r\n", 0o640, Ok("0123456789abcdef"));
        check("0123456789abcdef", 0o644, Err("every user"));
        check("short\n", 0o600, Err("fewer than 16"));
        std::fs::remove_file(&file).unwrap();
        assert!(read_secret(&file, "a hook").is_err());
    }
}
