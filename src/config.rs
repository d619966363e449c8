//! The configuration file: TOML in, settings out, and errors that point at the line.
//!
//! Each component owns its settings; this module composes them, makes paths absolute, and checks what types cannot
//! say. It reads the file and nothing else: whether directories exist is asked by those who use them.

mod explain;
#[doc(hidden)]
pub mod fuzz;
mod report;

use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use toml::de::DeTable;

use crate::accounts::QuotaSettings;
use crate::auth::AuthSettings;
use crate::ssh::limits::Limits;
use crate::ssh::settings::SshSettings;
use crate::storage::durable::Fsync;
use crate::telemetry::LogSettings;
use base::error::{Error, Result};
use base::regular;
use report::Problem;

/// Larger files are no configurations.
const MAX_BYTES: u64 = 1 << 20;

/// Whoever has made more mistakes than this corrects these first.
const MOST_PROBLEMS: usize = 50;

/// The name that is looked for in the current directory.
pub const FILE_NAME: &str = "homeportd.toml";

/// Where the configuration is looked for last.
const SYSTEM_WIDE: &str = "/etc/homeport/homeportd.toml";

/// All settings. Paths are absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The file they came from.
    #[serde(skip)]
    pub file: PathBuf,
    /// `[server]`
    pub server: ServerSettings,
    /// `[auth]`
    pub auth: AuthSettings,
    /// `[ssh]`
    pub ssh: SshSettings,
    /// `[limits]`
    pub limits: Limits,
    /// `[storage]`
    pub storage: StorageSettings,
    /// `[store]`
    pub store: StoreSettings,
    /// `[quota]`
    pub quota: QuotaSettings,
    /// `[log]`
    pub log: LogSettings,
}

impl Config {
    /// Sections in which `fresh` has changes that a running server with this configuration does not take over.
    pub fn waiting_for_restart(&self, fresh: &Self) -> Vec<&'static str> {
        // Host keys are read again, wherever they are.
        let server = ServerSettings {
            host_keys: fresh.server.host_keys.clone(),
            ..self.server.clone()
        };
        let changed = [
            ("[server]", server != fresh.server),
            ("[auth]", self.auth != fresh.auth),
            ("[storage]", self.storage != fresh.storage),
            ("[store]", self.store != fresh.store),
            ("[quota]", self.quota != fresh.quota),
        ];
        let changed = changed.into_iter().filter(|(_, changed)| *changed);
        changed.map(|(section, _)| section).collect()
    }
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSettings {
    /// Does the server take away from itself what it does not need: see [`crate::serve::sandbox`].
    pub sandbox: bool,
    /// Addresses and ports to listen on.
    pub listen: Vec<SocketAddr>,
    /// Shown to everybody before they sign in.
    pub banner: Option<String>,
    /// Directory of the host keys.
    pub host_keys: PathBuf,
    /// The system user that a server started as root becomes.
    pub user: Option<String>,
    /// Seconds that transfers may go on after SIGTERM.
    pub drain_secs: u64,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            sandbox: true,
            // Nobody opens a server to the world by accident.
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 2222))],
            banner: None,
            host_keys: "hostkeys".into(),
            user: None,
            // Below the 90 s after which systemd kills.
            drain_secs: 30,
        }
    }
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StorageSettings {
    /// Where homes are made.
    pub homes: PathBuf,
    /// Other directories beneath which a home may lie.
    pub roots: Vec<PathBuf>,
    /// When what was written is on the disk.
    pub fsync: Fsync,
}

impl Default for StorageSettings {
    fn default() -> Self {
        Self {
            homes: "data/homes".into(),
            roots: Vec::new(),
            fsync: Fsync::default(),
        }
    }
}

impl StorageSettings {
    /// The places where homes may lie: `homes`, then each root.
    pub fn places(&self) -> impl Iterator<Item = &Path> + Clone {
        let roots = self.roots.iter().map(PathBuf::as_path);
        std::iter::once(self.homes.as_path()).chain(roots)
    }
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreSettings {
    /// The database file. Its directory is the data directory.
    pub path: PathBuf,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            path: "data/homeport.db".into(),
        }
    }
}

impl Config {
    /// Which file is meant: `explicit` (`-c`), else `$HOMEPORT_CONFIG`, else `./homeportd.toml`, else the one in
    /// `/etc/homeport`.
    ///
    /// # Errors
    /// When none is named and none is there.
    pub fn find(explicit: Option<&Path>) -> Result<PathBuf> {
        let named = explicit.map(Path::to_path_buf).or_else(|| {
            let variable = std::env::var_os("HOMEPORT_CONFIG")?;
            (!variable.is_empty()).then(|| variable.into())
        });
        if let Some(path) = named {
            return Ok(path);
        }
        let usual = [FILE_NAME, SYSTEM_WIDE].map(PathBuf::from);
        usual.into_iter().find(|path| path.exists()).ok_or_else(|| {
            Error::new(format!(
                "no configuration: neither ./{FILE_NAME} nor {SYSTEM_WIDE} is there"
            ))
            .hint("name one with -c FILE or $HOMEPORT_CONFIG, or make one: homeportd init DIR")
        })
    }

    /// Reads a file, strictly.
    ///
    /// # Errors
    /// When it cannot be read, or with everything in it that is wrong and where it stands.
    pub fn load(file: &Path) -> Result<Config> {
        let cannot = || Error::new(format!("cannot read configuration \"{}\"", file.display()));
        let bytes = regular::read_regular(file, MAX_BYTES).map_err(|e| cannot().because(e))?;
        let text = String::from_utf8(bytes).map_err(|e| {
            let line = e.as_bytes().iter().take(e.utf8_error().valid_up_to());
            let line = line.filter(|&&b| b == b'\n').count() + 1;
            Error::new(format!("{}:{line}: this line is not UTF-8", file.display()))
        })?;
        let mut config = parse(&text).map_err(|problems| report::all(&problems, file, &text))?;

        let file = std::path::absolute(file).map_err(|e| cannot().because(e))?;
        let directory = file.parent().unwrap_or(Path::new("/"));
        let directory = directory.canonicalize().map_err(|e| cannot().because(e))?;
        config.rebase(&directory);
        config.file = directory.join(file.file_name().unwrap_or_default());
        Ok(config)
    }

    /// Makes relative paths absolute: they are meant from `directory`, which is canonical.
    fn rebase(&mut self, directory: &Path) {
        let paths = [
            &mut self.server.host_keys,
            &mut self.storage.homes,
            &mut self.store.path,
        ];
        let more = self.storage.roots.iter_mut().chain(&mut self.log.audit);
        for path in paths.into_iter().chain(more) {
            *path = join(directory, path);
        }
    }

    /// `FILE:LINE: ` of a setting, to begin a message with; `FILE: ` where the file leaves it out.
    pub(crate) fn place_of(&self, section: &str, name: &str) -> String {
        let line = self.line_of(|table| Some(table.get(section)?.get_ref().get(name)?.span()));
        match line {
            Some(line) => format!("{}:{line}: ", self.file.display()),
            None => format!("{}: ", self.file.display()),
        }
    }

    /// `FILE:LINE: ` of an address in `[server] listen`; empty if it does not come from the file.
    pub(crate) fn place_of_listen(&self, address: SocketAddr) -> String {
        let line = self.line_of(|table| {
            let list = table
                .get("server")?
                .get_ref()
                .get("listen")?
                .get_ref()
                .as_array()?;
            // The last one: where an address stands twice, the second is one too many.
            let item = list
                .iter()
                .rev()
                .find(|item| item.get_ref().as_str().and_then(|text| text.parse().ok()) == Some(address))?;
            Some(item.span())
        });
        line.map_or_else(String::new, |line| format!("{}:{line}: ", self.file.display()))
    }

    /// The line of the file where something stands.
    fn line_of(&self, find: impl Fn(&DeTable<'_>) -> Option<std::ops::Range<usize>>) -> Option<usize> {
        let bytes = regular::read_regular(&self.file, MAX_BYTES).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let table = DeTable::parse(&text).ok()?;
        let before = text.get(..find(table.get_ref())?.start)?;
        Some(before.matches('\n').count() + 1)
    }

    /// The data directory: where the store lies, and its lock and control socket beside it.
    pub fn data_dir(&self) -> &Path {
        self.store.path.parent().unwrap_or(Path::new("/"))
    }

    /// Where a running server listens for `homeportd sessions` and its kin, but for the process id that it puts into
    /// the name.
    pub fn control_socket(&self) -> PathBuf {
        self.data_dir().join("control.sock")
    }
}

/// `path` seen from `base`, without `.` and `..`; a `..` behind a symbolic link goes where the kernel would go.
pub(crate) fn join(base: &Path, path: &Path) -> PathBuf {
    let mut joined = base.to_path_buf();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                joined = joined.canonicalize().unwrap_or(joined);
                joined.pop();
            }
            Component::RootDir => joined = "/".into(),
            Component::Normal(name) => joined.push(name),
            Component::CurDir | Component::Prefix(_) => {}
        }
    }
    joined
}

/// From text to settings, or to all problems, in the order of the file.
fn parse(text: &str) -> std::result::Result<Config, Vec<Problem>> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let syntax = syntax
        .iter()
        .map(|e| Problem::new(e.span(), e.message().replace('\n', ", "), None));
    let mut problems: Vec<Problem> = syntax.collect();
    // What follows from a mistake in the same line is no other one.
    problems.dedup_by_key(|problem| problem.line(text));
    let broken: Vec<Option<usize>> = problems.iter().map(|problem| problem.line(text)).collect();
    let (config, mistakes) = settings(table);
    // Behind a broken header nobody knows what section it is; what the parser has put in for a broken value stands
    // nowhere.
    let is_header = |line: &Option<usize>| {
        let line = line.and_then(|line| text.lines().nth(line - 1));
        line.is_some_and(|line| line.trim_start().starts_with('['))
    };
    let headers_are_whole = !broken.iter().any(is_header);
    let elsewhere = |mistake: &Problem| {
        let stands = mistake.span.as_ref().is_some_and(|span| !span.is_empty());
        (stands || broken.is_empty()) && !broken.contains(&mistake.line(text))
    };
    problems.extend(
        mistakes
            .into_iter()
            .filter(|it| headers_are_whole && elsewhere(it)),
    );
    problems.sort_by_key(|problem| problem.span.as_ref().map(|span| span.start));
    problems.truncate(MOST_PROBLEMS);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        _ => Err(problems),
    }
}

/// Settings, and what is wrong with them. The deserializer stops at the first mistake: what it names is taken out of the
/// table, so that the next one shows.
fn settings(mut table: toml::Spanned<DeTable<'_>>) -> (Option<Config>, Vec<Problem>) {
    let mut problems = Vec::new();
    loop {
        let error = match Config::deserialize(toml::de::Deserializer::from(table.clone())) {
            Ok(config) => {
                problems.extend(explain::checks(&config, table.get_ref()));
                return (Some(config), problems);
            }
            Err(error) => error,
        };
        problems.push(explain::explain(&error, table.get_ref()));
        let span = error.span().filter(|_| problems.len() < MOST_PROBLEMS);
        if !span.is_some_and(|span| explain::take_out(table.get_mut(), &span)) {
            return (None, problems);
        }
    }
}

#[cfg(test)]
mod tests;
