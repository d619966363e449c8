//! A copy of the configuration for the system's ssh, where `$HOME` is not the home of the account.
//!
//! ssh takes `~` from the account, and this client from `$HOME`: by itself, ssh would read other files than those that
//! made the client choose it. In the copy all files of the user are named as they lie in `$HOME`.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::lines::{self, ConfigLine};
use super::{IncludedFiles as _, LocalFiles, MAX_DEPTH};
use crate::names::below_home;
use base::error::{Error, Result};

/// The most files that are copied. A configuration has a few.
const MAX_FILES: usize = 1000;
/// The keywords, in lower case, whose arguments are files that may lie in the home.
const NAMES_FILES: [&str; 6] = [
    "certificatefile",
    "controlpath",
    "identityagent",
    "identityfile",
    "revokedhostkeys",
    "userknownhostsfile",
];

/// The configuration as the system's ssh is to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigCopy {
    /// The home directory that `~` stands for.
    pub home: PathBuf,
    /// The directory of the system's configuration.
    pub system: PathBuf,
    /// The files that are read, in their order. One that does not exist is left out.
    pub files: Vec<PathBuf>,
    /// The keys that are tried beside those that a file names. `none` alone: none are.
    pub identities: Vec<PathBuf>,
}

impl ConfigCopy {
    /// Writes the copy into this directory, which only the user can enter. Returns the file that ssh is to read.
    ///
    /// # Errors
    /// When a file cannot be read, copied or understood.
    pub fn write(&self, directory: &Path) -> Result<PathBuf> {
        let mut copier = Copier {
            disk: LocalFiles {
                home: &self.home,
                system: &self.system,
            },
            directory,
            written: 0,
        };
        let mut copies = Vec::new();
        for file in &self.files {
            // Who may write it was checked when it was read.
            if let Some(text) = copier.disk.text(file, false)? {
                copies.push(copier.copy(file, &text, 0)?);
            }
        }
        let mut text = include(&copies);
        let ssh = self.home.join(".ssh");
        let known = ["known_hosts", "known_hosts2"].map(|name| literal(&ssh.join(name)));
        text.push_str(&line("UserKnownHostsFile", &known));
        for file in &self.identities {
            text.push_str(&line("IdentityFile", &[literal(file)]));
        }
        copier.write(&text)
    }
}

/// A line of configuration, as `-o` has it, with files of the home named as they lie in this one.
pub fn option_with_home(option: &str, home: &Path) -> String {
    let read = lines::lines(option).unwrap_or_default();
    let changed = read.first().and_then(|read| with_home(read, home));
    changed.unwrap_or_else(|| option.to_owned()).trim_end().to_owned()
}

/// Copies files with those that they include.
struct Copier<'a> {
    disk: LocalFiles<'a>,
    directory: &'a Path,
    /// How many files have been written.
    written: usize,
}

impl Copier<'_> {
    /// Copies the text of a file, which is included by others up to this depth. Returns the path of the copy.
    fn copy(&mut self, file: &Path, text: &str, depth: usize) -> Result<PathBuf> {
        let cannot =
            |why: String| Error::new(format!("cannot copy \"{}\" for ssh", file.display())).because(why);
        if depth > MAX_DEPTH || self.written >= MAX_FILES {
            return Err(cannot("too many files include each other".to_owned()));
        }
        let text = text.trim_start_matches('\u{feff}');
        let read =
            lines::lines(text).map_err(|line| cannot(format!("line {}: {}", line.number, line.reason)))?;
        let mut read = read.into_iter().peekable();
        let mut copied = String::new();
        for (number, original) in (1..).zip(text.lines()) {
            let changed = match read.next_if(|line| line.number == number) {
                Some(line) if line.keyword == "include" => Some(self.included(file, &line, depth)?),
                Some(line) => with_home(&line, self.disk.home),
                None => None,
            };
            match changed {
                Some(changed) => copied.push_str(&changed),
                None => {
                    copied.push_str(original);
                    copied.push('\n');
                }
            }
        }
        self.write(&copied)
    }

    /// Copies the files that a line of this file includes. Returns the line that includes the copies.
    fn included(&mut self, file: &Path, line: &ConfigLine, depth: usize) -> Result<String> {
        let mut copies = Vec::new();
        for argument in &line.arguments {
            for (path, text) in self.disk.included(argument, file)? {
                copies.push(self.copy(&path, &text, depth + 1)?);
            }
        }
        Ok(include(&copies))
    }

    fn write(&mut self, text: &str) -> Result<PathBuf> {
        let path = self.directory.join(format!("config-{}", self.written));
        self.written += 1;
        write_new(&path, text)
            .map_err(|why| Error::new(format!("cannot write \"{}\"", path.display())).because(why))?;
        Ok(path)
    }
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

/// The line with files of the home named as they lie in this one. `None`: it names none.
fn with_home(read: &ConfigLine, home: &Path) -> Option<String> {
    if !NAMES_FILES.contains(&read.keyword.as_str()) {
        return None;
    }
    let here = literal(home);
    let expanded = |argument: &String| {
        let argument = match below_home(argument.as_bytes()) {
            None => argument.clone(),
            // Behind the `~` stands nothing, or a slash.
            Some(_) => format!("{here}{}", argument.get(1..).unwrap_or_default()),
        };
        let parts: Vec<String> = argument
            .split("%%")
            .map(|part| part.replace("%d", &here))
            .collect();
        parts.join("%%")
    };
    let arguments: Vec<String> = read.arguments.iter().map(expanded).collect();
    (arguments != read.arguments).then(|| line(&read.keyword, &arguments))
}

/// A path as a value in which `%` begins a token.
fn literal(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%")
}

/// A line that includes these files, or nothing.
fn include(files: &[PathBuf]) -> String {
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    match files.is_empty() {
        true => String::new(),
        false => line("Include", &files),
    }
}

/// A line of configuration with its end.
fn line(keyword: &str, arguments: &[String]) -> String {
    let quoted = arguments.iter().map(|argument| {
        let escaped = argument.replace('\\', "\\\\").replace('"', "\\\"");
        format!(" \"{escaped}\"")
    });
    format!("{keyword}{}\n", quoted.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_of_the_home_are_named_as_they_lie_there() {
        for (option, expected) in [
            ("IdentityFile ~/.ssh/id", "identityfile \"/h/.ssh/id\""),
            ("IdentityFile=~/a", "identityfile \"/h/a\""),
            ("ControlPath %d/%%d/%h", "controlpath \"/h/%%d/%h\""),
            (
                "UserKnownHostsFile /x ~/kh",
                "userknownhostsfile \"/x\" \"/h/kh\"",
            ),
            ("IdentityFile /x", "IdentityFile /x"),
            ("IdentityFile ~tom/x", "IdentityFile ~tom/x"),
            ("ProxyCommand nc ~/x %h", "ProxyCommand nc ~/x %h"),
            ("User=tom", "User=tom"),
        ] {
            assert_eq!(option_with_home(option, Path::new("/h")), expected);
        }
    }

    #[test]
    fn the_copy_has_all_files_that_are_included() {
        let dir = tempfile::tempdir().unwrap();
        let (home, system) = (dir.path().join("home"), dir.path().join("etc"));
        let copies = dir.path().join("copies");
        for directory in [&home.join(".ssh/conf.d"), &system, &copies] {
            fs::create_dir_all(directory).unwrap();
        }
        for (file, text) in [
            (
                home.join(".ssh/config"),
                "# one\nInclude conf.d/* none\nHost b\n Port 2\n",
            ),
            (home.join(".ssh/conf.d/a"), "Host a\n IdentityFile ~/k\n"),
            (system.join("ssh_config"), "User tom"),
        ] {
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let copy = ConfigCopy {
            files: vec![
                home.join(".ssh/config"),
                system.join("missing"),
                system.join("ssh_config"),
            ],
            identities: vec![home.join(".ssh/id_rsa")],
            home: home.clone(),
            system,
        };
        let first = copy.write(&copies).unwrap();
        let text = |name: &str| fs::read_to_string(copies.join(name)).unwrap();
        let (home, copies) = (home.display().to_string(), copies.display().to_string());
        assert_eq!(text("config-0"), format!("Host a\nidentityfile \"{home}/k\"\n"));
        assert_eq!(
            text("config-1"),
            format!("# one\nInclude \"{copies}/config-0\"\nHost b\n Port 2\n")
        );
        assert_eq!(text("config-2"), "User tom\n");
        assert_eq!(first, Path::new(&copies).join("config-3"));
        assert_eq!(
            text("config-3"),
            format!(
                "Include \"{copies}/config-1\" \"{copies}/config-2\"\n\
                 UserKnownHostsFile \"{home}/.ssh/known_hosts\" \"{home}/.ssh/known_hosts2\"\n\
                 IdentityFile \"{home}/.ssh/id_rsa\"\n"
            )
        );
    }
}
