//! `~/.ssh/config` and `/etc/ssh/ssh_config`, as ssh(1) reads them: the first word on a keyword counts.
//!
//! [`read`] is pure but for what its [`Files`] do. `Host`, `Include` and `Match` with `all`, `host`, `originalhost`,
//! `user` and `localuser` are heeded; a `Match` block with any other criterion is skipped. Keywords that concern us
//! are in [`settings`]; all others are ignored, but a proxy is an error: nothing must connect elsewhere in silence.

#[doc(hidden)]
pub mod fuzz;
mod lines;
pub mod settings;

use std::path::{Path, PathBuf};

use self::lines::Line;
use self::settings::Settings;
use super::pattern;
use base::error::{Error, Result};

/// As OpenSSH has it.
const MAX_DEPTH: usize = 16;
/// Far more than any configuration: an `Include` of a directory of something else must end.
const MAX_FILE: u64 = 4 << 20;

/// For whom the files are read.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The host as it was given.
    pub host: &'a str,
    /// The user, if one was given.
    pub user: Option<&'a str>,
    /// Who runs the program.
    pub local_user: &'a str,
}

/// Where the text comes from.
pub trait Files {
    /// The files that an `Include` means, with their text. `in_file`: where it stands.
    ///
    /// # Errors
    /// When one cannot be used.
    fn included(&self, argument: &str, in_file: &Path) -> Result<Vec<(PathBuf, String)>>;
}

/// Reads `text` of the file `path`, which adds to `settings` what was not said before.
///
/// # Errors
/// A line that cannot be read, with its file and number.
pub fn read(
    (path, text): (&Path, &str),
    question: &Question<'_>,
    files: &dyn Files,
    settings: &mut Settings,
) -> Result<()> {
    Reader {
        question,
        files,
        settings,
    }
    .file(path, text, (true, 0))
}

/// Settings without which it would be another connection than the one that was meant: a proxy, keys that must not be used.
///
/// # Errors
/// Says that they are not supported.
pub fn refuse_unsupported(settings: &Settings, host: &str) -> Result<()> {
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

struct Reader<'a> {
    question: &'a Question<'a>,
    files: &'a dyn Files,
    settings: &'a mut Settings,
}

impl Reader<'_> {
    /// `applies`: at the start of the file, inside whatever block includes it.
    fn file(&mut self, path: &Path, text: &str, (applies, depth): (bool, usize)) -> Result<()> {
        let wrong = |number: usize, why: String| {
            Error::new(format!("cannot use \"{}\", line {number}", path.display())).because(why)
        };
        let lines = lines::lines(text).map_err(|(number, why)| wrong(number, why.to_owned()))?;
        let mut active = applies;
        for Line {
            number,
            keyword,
            arguments,
        } in lines
        {
            match keyword.as_str() {
                "host" => active = applies && pattern::matches_list(words(&arguments), self.question.host),
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
                            self.file(&path, &text, (true, depth + 1))?;
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

    /// Do all criteria hold? One that cannot hold here does not, and one that might is an error: nothing is to connect
    /// elsewhere than ssh would without saying so.
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
                let hint = "another configuration with -F; -F none, for none";
                return Err(format!("Match {criterion} is not supported (hint: {hint})"));
            }
            let Some((subject, value)) = self.subject(&criterion).zip(value.or_else(|| rest.next())) else {
                return Ok(false);
            };
            if pattern::matches_list(value.split(','), subject) == negated {
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

/// The files of this machine.
#[derive(Debug, Clone, Copy)]
pub struct Disk<'a> {
    /// What `~` is.
    pub home: &'a Path,
    /// `/etc/ssh`
    pub system: &'a Path,
}

impl Disk<'_> {
    /// The text of a file; `None`: there is none. `private`: nobody else may be able to write it.
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

impl Files for Disk<'_> {
    fn included(&self, argument: &str, in_file: &Path) -> Result<Vec<(PathBuf, String)>> {
        let system = in_file.starts_with(self.system);
        let pattern = match argument.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if system => self.system.join(argument),
            None => self.home.join(".ssh").join(argument),
        };
        let mut found = Vec::new();
        for path in pattern::files(&pattern) {
            // Where a pattern means a directory too, ssh passes it by.
            if path.is_file()
                && let Some(text) = self.text(&path, !system)?
            {
                found.push((path, text));
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
