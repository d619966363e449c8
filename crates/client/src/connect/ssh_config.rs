//! `~/.ssh/config` and `/etc/ssh/ssh_config`, as ssh(1) reads them: the first value of a keyword counts.
//!
//! [`read`] is pure apart from its [`IncludedFiles`]. `Host`, `Include` and `Match` with `all`, `final`, `host`,
//! `originalhost`, `user`, `localuser`, `tagged` and `sessiontype` are obeyed. The keywords that are obeyed stand in
//! [`settings`]; all others are noted there: [`keywords`] knows which of them do not matter, and for which ones ssh itself
//! must connect. So must it where a `Match` depends on what only ssh can evaluate.

pub mod copy;
#[doc(hidden)]
pub mod fuzz;
mod keywords;
mod lines;
pub mod settings;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use self::lines::ConfigLine;
use self::settings::{Origin, SshSettings};
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
    /// Whose file or option the line is from.
    pub origin: Origin,
}

/// Where the text of included files comes from.
pub trait IncludedFiles {
    /// The files that an `Include` in the file `in_file` means, with their text.
    ///
    /// # Errors
    /// When a file cannot be used.
    fn included(&self, argument: &str, in_file: &Path) -> Result<Vec<(PathBuf, String)>>;
}

/// Reads files in their order, and adds the values of keywords that `settings` does not have yet. If one of them has
/// `Match final`, they are read a second time, as ssh does.
///
/// # Errors
/// When a line cannot be read; the error names the file and the line.
pub fn read(
    sources: &[ConfigSource<'_>],
    question: &HostQuery<'_>,
    files: &dyn IncludedFiles,
    settings: &mut SshSettings,
) -> Result<()> {
    let mut reader = ConfigReader {
        question,
        files,
        settings,
        pass: Pass::First,
    };
    let nesting = Nesting {
        applies: true,
        depth: 0,
    };
    for source in sources {
        reader.file(*source, nesting)?;
    }
    if reader.pass == Pass::FinalWanted {
        reader.pass = Pass::Final;
        for source in sources {
            reader.file(*source, nesting)?;
        }
    }
    Ok(())
}

/// Applies `KEY=VALUE` or `KEY VALUE` of the command line (`-o`).
///
/// # Errors
/// When it is not a line of a configuration, or a keyword of blocks.
pub fn apply_option(text: &str, settings: &mut SshSettings) -> Result<()> {
    let wrong = |why: &str| {
        Error::new(format!("cannot use the option -o \"{}\"", text.escape_debug())).because(why.to_owned())
    };
    let lines = lines::lines(text).map_err(|line| wrong(line.reason))?;
    let [
        ConfigLine {
            keyword, arguments, ..
        },
    ] = lines.as_slice()
    else {
        return Err(wrong("it is not KEY=VALUE"));
    };
    if arguments.is_empty() || matches!(keyword.as_str(), "host" | "match" | "include") {
        return Err(wrong("it is not KEY=VALUE"));
    }
    settings
        .apply(keyword, arguments, Origin::User)
        .map_err(|why| wrong(&why))
}

/// How a file is reached.
#[derive(Clone, Copy)]
struct Nesting {
    /// Whether the block that includes the file applies.
    applies: bool,
    /// How many files include each other up to this one.
    depth: usize,
}

/// How often the files have been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    /// The first pass, in which a `Match final` was found.
    FinalWanted,
    /// The second pass, in which `Match final` holds.
    Final,
}

struct ConfigReader<'a> {
    question: &'a HostQuery<'a>,
    files: &'a dyn IncludedFiles,
    settings: &'a mut SshSettings,
    pass: Pass,
}

impl ConfigReader<'_> {
    fn file(&mut self, source: ConfigSource<'_>, nesting: Nesting) -> Result<()> {
        let ConfigSource { path, text, origin } = source;
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
                    active = applies && self.matches(&arguments);
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
                                origin,
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
                    let applied = self.settings.apply(&keyword, &arguments, origin);
                    applied.map_err(|why| wrong(number, format!("{keyword}: {why}")))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether all criteria hold. At one that only ssh can evaluate, and that decides, ssh itself must connect.
    fn matches(&mut self, arguments: &[String]) -> bool {
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
            let holds = match criterion.as_str() {
                "all" => true,
                "final" => {
                    if self.pass == Pass::First {
                        self.pass = Pass::FinalWanted;
                    }
                    self.pass == Pass::Final
                }
                // Names are made canonical by ssh alone.
                "canonical" => false,
                "exec" | "localnetwork" => {
                    self.settings.needs_ssh(&format!("Match {criterion}"));
                    return false;
                }
                _ => {
                    let Some((subject, value)) = self.subject(&criterion).zip(value.or_else(|| rest.next()))
                    else {
                        return false;
                    };
                    matches_host_list(value.split(','), subject)
                }
            };
            if holds == negated {
                return false;
            }
        }
        any
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
            "tagged" => Some(self.settings.tag.as_deref().unwrap_or_default()),
            "sessiontype" => Some("subsystem"),
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
    /// The home directory of the user, which `~` stands for.
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
