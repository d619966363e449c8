//! `~/.ssh/config` and `/etc/ssh/ssh_config`, as ssh(1) reads them: the first value of a keyword counts.
//!
//! [`read`] is pure apart from its [`IncludedFiles`]. `Host`, `Include` and `Match` with `all`, `host`, `originalhost`,
//! `user` and `localuser` are obeyed; a `Match` block with any other criterion is skipped. The keywords that are obeyed
//! stand in [`settings`]; all others are ignored, except for a proxy, which is an error: without it, the client would
//! connect elsewhere than ssh.

#[doc(hidden)]
pub mod fuzz;
mod lines;
pub mod settings;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use self::lines::ConfigLine;
use self::settings::SshSettings;
use crate::names::below_home;
use base::error::{Error, Result};
use base::glob::{existing, is_pattern, literal, matches_host_list};

/// How many files may include each other, as in OpenSSH.
const MAX_DEPTH: usize = 16;
/// The largest configuration file, in bytes: an `Include` may name files that are not configurations.
const MAX_FILE: u64 = 4 << 20;

/// The host and users for which the files are read.
#[derive(Debug, Clone, Copy)]
pub struct HostQuery<'a> {
    /// The host as it was given.
    pub host: &'a str,
    /// The user, if one was given.
    pub user: Option<&'a str>,
    /// The user who runs the program.
    pub local_user: &'a str,
}

/// The text of a configuration file, and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct ConfigSource<'a> {
    /// The file's path, for errors and for `Include`.
    pub path: &'a Path,
    /// The text of the file.
    pub text: &'a str,
}

/// Where the text of included files comes from.
pub trait IncludedFiles {
    /// The files that an `Include` in the file `in_file` means, with their text.
    ///
    /// # Errors
    /// When a file cannot be used.
    fn included(&self, argument: &str, in_file: &Path) -> Result<Vec<(PathBuf, String)>>;
}

/// Reads a file, and adds the values of keywords that `settings` does not have yet.
///
/// # Errors
/// When a line cannot be read; the error names the file and the line.
pub fn read(
    source: ConfigSource<'_>,
    question: &HostQuery<'_>,
    files: &dyn IncludedFiles,
    settings: &mut SshSettings,
) -> Result<()> {
    ConfigReader {
        question,
        files,
        settings,
    }
    .file(
        source,
        Nesting {
            applies: true,
            depth: 0,
        },
    )
}

/// Refuses unsupported settings that would lead to another connection: a proxy, and keys that must not be used.
///
/// # Errors
/// When there is such a setting.
pub fn refuse_unsupported(settings: &SshSettings, host: &str) -> Result<()> {
    let revoked = settings.revoked_host_keys.as_deref().unwrap_or("none");
    match settings.direct {
        _ if !revoked.eq_ignore_ascii_case("none") => Err(Error::new(format!(
            "cannot connect to \"{}\": the configuration of ssh names RevokedHostKeys, which are not supported",
            host.escape_debug()
        ))
        .hint("mark them in known_hosts, as in: @revoked * ssh-ed25519 AAAA…; or use another configuration with -F")),
        None | Some(true) => Ok(()),
        Some(false) => Err(Error::new(format!(
            "cannot connect to \"{}\": the configuration of ssh names a proxy for it, which is not supported yet",
            host.escape_debug()
        ))
        .hint("forward a port with ssh -L, and connect to that; or use another configuration with -F")),
    }
}

/// How a file is reached.
#[derive(Clone, Copy)]
struct Nesting {
    /// Whether the block that includes the file applies.
    applies: bool,
    /// How many files include each other up to this one.
    depth: usize,
}

struct ConfigReader<'a> {
    question: &'a HostQuery<'a>,
    files: &'a dyn IncludedFiles,
    settings: &'a mut SshSettings,
}

impl ConfigReader<'_> {
    fn file(&mut self, source: ConfigSource<'_>, nesting: Nesting) -> Result<()> {
        let ConfigSource { path, text } = source;
        let Nesting { applies, depth } = nesting;
        let wrong = |number: usize, why: String| {
            Error::new(format!("cannot use \"{}\", line {number}", path.display())).because(why)
        };
        let lines = lines::lines(text).map_err(|line| wrong(line.number, line.reason.to_owned()))?;
        let mut active = applies;
        for ConfigLine {
            number,
            keyword,
            arguments,
        } in lines
        {
            match keyword.as_str() {
                "host" => active = applies && matches_host_list(words(&arguments), self.question.host),
                "match" => {
                    let matches = !applies || self.matches(&arguments).map_err(|why| wrong(number, why))?;
                    active = applies && matches;
                }
                "include" if active => {
                    if depth == MAX_DEPTH {
                        return Err(wrong(number, "too many files include each other".to_owned()));
                    }
                    for argument in &arguments {
                        for (path, text) in self.files.included(argument, path)? {
                            let source = ConfigSource {
                                path: &path,
                                text: &text,
                            };
                            let nesting = Nesting {
                                applies: true,
                                depth: depth + 1,
                            };
                            self.file(source, nesting)?;
                        }
                    }
                }
                _ if active => {
                    let applied = self.settings.apply(&keyword, &arguments);
                    applied.map_err(|why| wrong(number, format!("{keyword}: {why}")))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether all criteria hold. A criterion that cannot be evaluated and might hold is an error, because ssh might
    /// then connect elsewhere.
    fn matches(&self, arguments: &[String]) -> std::result::Result<bool, String> {
        let mut rest = arguments.iter().map(String::as_str);
        let mut any = false;
        while let Some(word) = rest.next() {
            any = true;
            let (criterion, negated) = match word.strip_prefix('!') {
                Some(criterion) => (criterion, true),
                None => (word, false),
            };
            // `host=x` and `host x` are the same.
            let (criterion, value) = match criterion.split_once('=') {
                Some((criterion, value)) => (criterion, Some(value)),
                None => (criterion, None),
            };
            let criterion = criterion.to_ascii_lowercase();
            if criterion == "all" {
                if negated {
                    return Ok(false);
                }
                continue;
            }
            if let "exec" | "localnetwork" = criterion.as_str() {
                let hint = "use another configuration with -F; -F none reads none";
                return Err(format!("Match {criterion} is not supported (hint: {hint})"));
            }
            let Some((subject, value)) = self.subject(&criterion).zip(value.or_else(|| rest.next())) else {
                return Ok(false);
            };
            if matches_host_list(value.split(','), subject) == negated {
                return Ok(false);
            }
        }
        Ok(any)
    }

    fn subject(&self, criterion: &str) -> Option<&str> {
        let question = self.question;
        match criterion {
            "host" => Some(self.settings.host_name.as_deref().unwrap_or(question.host)),
            "originalhost" => Some(question.host),
            "user" => {
                let user = question.user.or(self.settings.user.as_deref());
                Some(user.unwrap_or(question.local_user))
            }
            "localuser" => Some(question.local_user),
            _ => None,
        }
    }
}

fn words(arguments: &[String]) -> impl Iterator<Item = &str> {
    arguments.iter().map(String::as_str)
}

/// The configuration files of this machine.
#[derive(Debug, Clone, Copy)]
pub struct LocalFiles<'a> {
    /// The home directory, for `~`.
    pub home: &'a Path,
    /// The directory of the system's configuration, `/etc/ssh`.
    pub system: &'a Path,
}

impl LocalFiles<'_> {
    /// Reads a file, or returns `None` if it does not exist. With `private`, a file that others can write is an error.
    ///
    /// # Errors
    /// When it cannot be read, or others may write it.
    pub fn text(&self, path: &Path, private: bool) -> Result<Option<String>> {
        let cannot =
            |why: std::io::Error| Error::new(format!("cannot read \"{}\"", path.display())).because(why);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot(error)),
        };
        if private && !safe_from_others(&metadata) {
            let what = format!(
                "\"{}\" can be written by others, who could send you anywhere",
                path.display()
            );
            return Err(Error::new(what).hint(format!("chmod 600 \"{}\"", path.display())));
        }
        if metadata.len() > MAX_FILE {
            return Err(Error::new(format!(
                "\"{}\" is too large to be a configuration",
                path.display()
            )));
        }
        let bytes = std::fs::read(path).map_err(cannot)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn safe_from_others(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let own = metadata.uid() == 0 || metadata.uid() == rustix::process::getuid().as_raw();
    own && metadata.mode() & 0o022 == 0
}

impl IncludedFiles for LocalFiles<'_> {
    fn included(&self, argument: &str, in_file: &Path) -> Result<Vec<(PathBuf, String)>> {
        let system = in_file.starts_with(self.system);
        let pattern = match below_home(argument.as_bytes()) {
            Some(rest) => self.home.join(OsStr::from_bytes(rest)),
            None if system => self.system.join(argument),
            None => self.home.join(".ssh").join(argument),
        };
        let mut found = Vec::new();
        for path in files_of(&pattern) {
            // A pattern may match directories; ssh skips them.
            if path.is_file()
                && let Some(text) = self.text(&path, !system)?
            {
                found.push((path, text));
            }
        }
        Ok(found)
    }
}

/// The files that an `Include` names, in order of their names, as glob(3) finds them. A path that is not a pattern
/// stands for itself.
fn files_of(pattern: &Path) -> Vec<PathBuf> {
    let marked: Vec<_> = pattern
        .as_os_str()
        .as_bytes()
        .iter()
        .map(|byte| (*byte, false))
        .collect();
    let found = match is_pattern(&marked) {
        true => existing(&marked),
        false => vec![literal(&marked)],
    };
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    found.into_iter().map(path).collect()
}

#[cfg(test)]
mod tests;
