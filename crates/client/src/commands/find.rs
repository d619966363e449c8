//! `find`: searches trees of the server for names, types, sizes and times. Links are reported, and never followed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use clap::Args;
use serde_json::json;
use sftp_wire::{Attributes, FileType};

use super::candidates::Candidates;
use super::details;
use super::find_tests::{AgeTest, EntryType, SizeTest};
use super::named_paths::NamedPaths;
use super::server_words::{BareHost, UsageError, take_server, words_or_current_directory};
use super::session::{RemotePath, Session};
use super::tree_reader::{TreeEvent, TreeReader};
use super::verb::Verb;
use crate::connect::Target;
use crate::names::{join, last};
use crate::output::{OutputBatch, Style, about};
use base::error::Result;
use base::glob::{Pattern, parse};

/// Find files on the server by name, type, size or time
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    after_help = "Options may be written as find(1) has them: -name, -iname, -type, -size, -mtime, -maxdepth, \
    -print0.\n\nExamples:\n  \
    homeport find HOST:photos -name '*.jpg' -size +10M\n  \
    homeport find HOST: -type f -mtime -1     changed within a day\n  \
    homeport find HOST:logs -mtime +30 -0     for xargs -0"
)]
pub struct FindArgs {
    /// Find only names that match this pattern (*, ? and classes in brackets).
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub name: Option<OsString>,
    /// Find only names that match this pattern, whatever the case of letters.
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub iname: Option<OsString>,
    /// Find only files (f), directories (d) or links (l). Several letters are separated by commas.
    #[arg(long = "type", value_name = "TYPE", value_delimiter = ',')]
    pub types: Vec<EntryType>,
    /// Find only files that are larger than +SIZE, smaller than -SIZE, or of SIZE bytes, as in +10M.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub size: Option<SizeTest>,
    /// Find only what was changed more than +DAYS ago, less than -DAYS ago, or DAYS ago. 12h and 30m are hours and minutes.
    #[arg(long, value_name = "DAYS", allow_hyphen_values = true)]
    pub mtime: Option<AgeTest>,
    /// Look no deeper than this many directories below each path.
    #[arg(long, value_name = "LEVELS")]
    pub maxdepth: Option<usize>,
    /// End each name with a NUL byte instead of a line end.
    #[arg(short = '0', long = "print0")]
    pub null: bool,
    /// The paths at which the search begins. The default is the current directory.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for FindArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(find(session, self)).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        take_server(&mut self.words, BareHost::Allowed)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::Remote]
    }
}

/// All tests of one command.
struct Tests<'a> {
    args: &'a FindArgs,
    name: Option<Pattern>,
    iname: Option<Pattern>,
    /// The time of the search, in seconds since 1970.
    now: i64,
}

impl<'a> Tests<'a> {
    fn new(args: &'a FindArgs) -> Self {
        let compiled = |pattern: Vec<u8>| Pattern::of_any_name(&parse(&pattern));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            name: args.name.as_ref().map(|name| compiled(name.as_bytes().to_vec())),
            iname: args
                .iname
                .as_ref()
                .map(|name| compiled(lower_case(name.as_bytes()))),
            now: i64::try_from(now.as_secs()).unwrap_or(i64::MAX),
            args,
        }
    }

    /// Whether an entry passes all tests. What the server does not say passes no test that asks for it.
    fn pass(&self, name: &[u8], attrs: &Attributes) -> bool {
        let named =
            |wanted: &Option<Pattern>, name: &[u8]| wanted.as_ref().is_none_or(|wanted| wanted.matches(name));
        let types = &self.args.types;
        named(&self.name, name)
            && (self.iname.is_none() || named(&self.iname, &lower_case(name)))
            && (types.is_empty() || types.iter().any(|wanted| wanted.is_type_of(attrs)))
            && self.args.size.is_none_or(|wanted| {
                let is_file = !matches!(attrs.file_type(), Some(FileType::Directory | FileType::Symlink));
                is_file && attrs.size.is_some_and(|size| wanted.pass(size))
            })
            && self.args.mtime.is_none_or(|wanted| {
                attrs
                    .times
                    .is_some_and(|times| wanted.pass(self.now.saturating_sub(i64::from(times.modified))))
            })
    }
}

/// A name in small letters. Bytes that are not UTF-8 stay.
fn lower_case(name: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(name) {
        Ok(text) => text.to_lowercase().into_bytes(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

async fn find(session: &Arc<Session>, args: &FindArgs) -> Result<u8> {
    let mut search = Search {
        session,
        tests: Tests::new(args),
        results: OutputBatch::of_this_process(),
        code: 0,
    };
    let mut names = NamedPaths::new(session, words_or_current_directory(&args.words));
    while let Some(top) = names.next().await? {
        search.tree(&names, top).await?;
    }
    Ok(search.code)
}

/// The run of one command.
struct Search<'a> {
    session: &'a Session,
    tests: Tests<'a>,
    results: OutputBatch,
    code: u8,
}

impl Search<'_> {
    fn fail(&mut self, shown: &[u8], why: &dyn std::fmt::Display) {
        self.code = 1;
        self.session.complain(shown, why);
    }

    /// Searches a path and what is below it.
    async fn tree(&mut self, names: &NamedPaths<'_>, top: RemotePath) -> Result<()> {
        let deepest = self.tests.args.maxdepth.unwrap_or(usize::MAX);
        let attrs = match self.session.lstat(&top.path).await {
            Ok(attrs) => attrs,
            Err(failed) => {
                self.code = names.fail(&top, failed, "")?;
                return Ok(());
            }
        };
        if self.tests.pass(last(&top.path), &attrs) {
            self.add(&top, &attrs);
        }
        self.results.write()?;
        if attrs.is_directory() != Some(true) || deepest == 0 {
            return Ok(());
        }
        let mut tree = TreeReader::new(self.session, top.path, top.shown);
        while let Some(event) = tree.next().await {
            let (path, shown, depth, entries) = match event {
                TreeEvent::Entries(batch) => (batch.path, batch.known, batch.depth + 1, batch.entries),
                TreeEvent::End(_, None) => continue,
                TreeEvent::End(directory, Some(failed)) => {
                    self.fail(&directory.known, &failed);
                    continue;
                }
                TreeEvent::Lost(lost) => return Err(names.lost(lost)),
            };
            for entry in entries {
                let found = RemotePath {
                    path: join(&path, &entry.name),
                    shown: join(&shown, &entry.name),
                };
                if self.tests.pass(&entry.name, &entry.attrs) {
                    self.add(&found, &entry.attrs);
                }
                if entry.attrs.is_directory() == Some(true)
                    && depth < deepest
                    && let Err(why) = tree.enter(&entry.name, found.shown.clone())
                {
                    self.fail(&found.shown, &why);
                }
            }
            self.results.write()?;
        }
        Ok(())
    }

    /// Adds a name that was found to the results.
    fn add(&mut self, found: &RemotePath, attrs: &Attributes) {
        if self.session.output.style == Style::Json {
            let object = json!({
                "type": details::type_name(attrs),
                "size": attrs.size,
                "mode": details::octal(attrs),
                "modified": attrs.times.map(|times| times.modified),
            });
            return self.results.add_json(&about(&found.path, object));
        }
        match self.tests.args.null {
            true => self.results.add(&[&found.shown[..], b"\0"].concat()),
            false => {
                self.results.add_name(&found.shown);
                self.results.add(b"\n");
            }
        }
    }
}

/// The options of find(1) that people type with one dash, with the two dashes that are read here. `words` stand behind
/// the name of the verb.
pub fn with_two_dashes(words: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    words.map(|word| match word.to_str() {
        Some("-name" | "-iname" | "-type" | "-size" | "-mtime" | "-maxdepth" | "-print0") => {
            let mut long = OsString::from("-");
            long.push(&word);
            long
        }
        _ => word,
    })
}
