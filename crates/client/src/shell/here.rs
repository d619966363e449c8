//! What the shell does itself: moving about on both sides, and looking around on this one.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::{Shell, complain, help, named, say};
use crate::commands::Session;
use crate::commands::output::{Style, about};
use crate::globs;
use crate::interrupt::guard;
use crate::link::Link;
use crate::printable::printable;
use crate::remote::failed::Failed;

/// What it is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Here {
    /// On the server; nothing is home, `-` is back.
    Cd(Option<OsString>),
    Pwd,
    /// By this machine's own `ls`, options and all.
    Lls(Vec<OsString>),
    Lcd(Option<OsString>),
    Lpwd,
    /// On the server.
    Rmdir(Vec<OsString>),
    Help(Option<String>),
    History,
    Exit,
}

/// What `cd` and `lcd` are told.
#[derive(Debug, Args)]
pub(super) struct PlaceArgs {
    /// Where to; nothing: home.
    #[arg(value_name = "DIRECTORY")]
    pub(super) word: Option<OsString>,
}

/// What `lls` is told.
#[derive(Debug, Args)]
pub(super) struct LlsArgs {
    /// As the ls of this machine takes them, options too.
    #[arg(value_name = "PATH", allow_hyphen_values = true, trailing_var_arg = true)]
    pub(super) words: Vec<OsString>,
}

/// What `rmdir` is told.
#[derive(Debug, Args)]
pub(super) struct RmdirArgs {
    /// Directories in which nothing is.
    #[arg(required = true, value_name = "PATH")]
    pub(super) words: Vec<OsString>,
}

/// What `help` is told.
#[derive(Debug, Args)]
pub(super) struct TopicArgs {
    /// A command to say more of.
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
}

impl Shell {
    /// Does it; the exit code.
    pub(super) fn here(&mut self, here: Here) -> u8 {
        let done = match here {
            Here::Cd(word) => self.cd(word.as_deref()),
            Here::Pwd => {
                self.say_where(&self.session.directory());
                Ok(())
            }
            Here::Lls(words) => return lls(&words),
            Here::Lcd(word) => lcd(word.as_deref()),
            Here::Lpwd => self.lpwd(),
            Here::Rmdir(words) => self.stoppable(rmdir(&self.session, &words)),
            Here::Help(topic) => {
                let told = topic.map_or_else(help::overview, |topic| help::of(&topic));
                match told.code {
                    0 => say(&told.text),
                    _ => complain(&told.text),
                }
                return told.code;
            }
            // The loops see to these.
            Here::History | Here::Exit => Ok(()),
        };
        match done {
            Ok(()) => 0,
            Err(sentence) => {
                complain(&sentence);
                1
            }
        }
    }

    /// A directory, as a result.
    fn say_where(&self, path: &[u8]) {
        match self.session.output.style {
            Style::Json => say(&about(path, json!({})).to_string()),
            Style::Words | Style::Quiet => say(&printable(path)),
        }
    }

    fn lpwd(&self) -> Result<(), String> {
        let here = std::env::current_dir();
        let here = here.map_err(|error| format!("it can't be said where this is: {}", cause(&error)))?;
        self.say_where(here.as_os_str().as_bytes());
        Ok(())
    }

    /// Waits for the server, unless somebody stops it.
    fn stoppable<T>(&self, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
        let stop = self.session.begin();
        let stopped = stop.clone();
        let either = async move {
            tokio::select! {
                done = work => done,
                () = stopped.cancelled() => Err("stopped".to_owned()),
            }
        };
        self.runtime.block_on(guard(stop, either))
    }

    fn cd(&mut self, word: Option<&OsStr>) -> Result<(), String> {
        let back = word.is_some_and(|word| word == "-");
        let to = match (word, back) {
            (_, true) => {
                let previous = self.previous.clone();
                globs::escape(&previous.ok_or("cd: there was no other directory before")?)
            }
            (None, false) => b"~".to_vec(),
            (Some(word), false) => word.as_bytes().to_vec(),
        };
        let directory = self.stoppable(find(&self.session, &to))?;
        if back {
            self.say_where(&directory);
        }
        self.previous = Some(self.session.directory());
        self.session.set_directory(directory);
        Ok(())
    }
}

/// The directory that a word means, as the server resolves it.
async fn find(session: &Session, word: &[u8]) -> Result<Vec<u8>, String> {
    let link = session.remote.link().await.map_err(|failed| failed.to_string())?;
    let shown = match globs::unescape(word) {
        name if name == b"~" => "the home directory".to_owned(),
        name => named(&name),
    };
    let cannot = |failed: Failed| format!("cannot go to {shown}: {failed}");
    let found = globs::remote(&link, &session.directory(), word).await;
    let path = match &found.map_err(cannot)?[..] {
        [one] => session.resolve(one),
        several => {
            return Err(format!(
                "cannot go to {shown}: it stands for {} names",
                several.len()
            ));
        }
    };
    let attrs = link.stat(&path).await.map_err(cannot)?;
    // A server that does not say what it is gets the benefit of the doubt.
    if attrs.is_directory() == Some(false) {
        return Err(format!("cannot go to {shown}: it is no directory"));
    }
    let real = resolved(&link, &path).await.map_err(cannot)?;
    Ok(real)
}

async fn resolved(link: &Link, path: &[u8]) -> Result<Vec<u8>, Failed> {
    let real = link.realpath(path).await?;
    match real.starts_with(b"/") && !real.contains(&0) {
        true => Ok(real),
        false => Err(Failed::Nonsense("an absolute path")),
    }
}

async fn rmdir(session: &Session, words: &[OsString]) -> Result<(), String> {
    let link = session.remote.link().await.map_err(|failed| failed.to_string())?;
    let mut all = Ok(());
    for word in words {
        let found = globs::remote(&link, &session.directory(), word.as_bytes()).await;
        for name in found.map_err(|failed| failed.to_string())? {
            if let Err(failed) = link.rmdir(&session.resolve(&name)).await {
                let hint = match failed.is_failure() {
                    true => " (hint: is it empty? remov removes all that is in it)",
                    false => "",
                };
                let sentence = format!("cannot remove {}: {failed}{hint}", named(&name));
                // The last one is said by the caller.
                if let Err(before) = std::mem::replace(&mut all, Err(sentence)) {
                    complain(&before);
                }
            }
        }
    }
    all
}

fn lcd(word: Option<&OsStr>) -> Result<(), String> {
    let word = word.map_or(&b"~"[..], OsStr::as_bytes);
    match &globs::local(word)[..] {
        [one] => std::env::set_current_dir(one)
            .map_err(|error| format!("cannot go to {} on this machine: {}", shown(one), cause(&error))),
        several => Err(format!(
            "cannot go to {} on this machine: it stands for {} names",
            named(&globs::unescape(word)),
            several.len()
        )),
    }
}

/// As sftp does it: what `ls` can do here, everybody knows.
fn lls(words: &[OsString]) -> u8 {
    let mut names_only = false;
    let mut expanded: Vec<PathBuf> = Vec::new();
    for word in words {
        let is_option = !names_only && word.as_bytes().starts_with(b"-");
        names_only |= word == "--";
        match is_option {
            true => expanded.push(word.into()),
            // A file's name that looks like an option is none.
            false => expanded.extend(globs::local(word.as_bytes()).into_iter().map(no_option)),
        }
    }
    match std::process::Command::new("ls").args(expanded).status() {
        Ok(status) => status
            .code()
            .and_then(|code| u8::try_from(code).ok())
            .unwrap_or(1),
        Err(error) => {
            complain(&format!("cannot run the ls of this machine: {}", cause(&error)));
            1
        }
    }
}

fn no_option(path: PathBuf) -> PathBuf {
    match path.as_os_str().as_bytes().first() {
        Some(b'-') => Path::new(".").join(path),
        _ => path,
    }
}

fn shown(path: &Path) -> String {
    named(path.as_os_str().as_bytes())
}

/// The reason in lower case, without the number.
fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    text.to_lowercase()
}
