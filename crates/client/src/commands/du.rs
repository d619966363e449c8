//! `du`: adds up the sizes of files below directories of the server. Links are counted, and never followed.

use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::{ArgAction, Args};
use serde_json::json;

use super::candidates::Candidates;
use super::named_paths::NamedPaths;
use super::server_words::{BareHost, UsageError, take_server, words_or_current_directory};
use super::session::{RemotePath, Session};
use super::tree_reader::{TreeBatch, TreeEvent, TreeReader};
use super::verb::Verb;
use crate::connect::Target;
use crate::names::join;
use crate::output::{OutputBatch, Style, about};
use base::error::Result;
use base::size::Size;

/// Show how much room the files below directories of the server take
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Sizes are those of the files, in KiB rounded up, not the blocks that they take on the disk; a file with \
    two names is counted twice.\n\nExamples:\n  \
    homeport du -sh HOST:photos\n  \
    homeport du -h -d 1 HOST:            each directory of the home"
)]
pub struct DuArgs {
    /// Show one total for each path.
    #[arg(short, long, conflicts_with = "depth")]
    pub summarize: bool,
    /// Show sizes with units, as in 1.2 MiB.
    #[arg(short = 'h', long)]
    pub human: bool,
    /// Show sizes in bytes, without units.
    #[arg(short, long, conflicts_with = "human")]
    pub bytes: bool,
    /// Show directories down to this many levels below each path; deeper ones are counted all the same.
    #[arg(short = 'd', long = "max-depth", value_name = "LEVELS")]
    pub depth: Option<usize>,
    /// End each line with a NUL byte behind the name instead of a line end.
    #[arg(short = '0', long)]
    pub null: bool,
    /// Show this help, and do nothing else.
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// The files, directories or patterns to count. The default is the current directory.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for DuArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(du(session, self)).await
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

async fn du(session: &Arc<Session>, args: &DuArgs) -> Result<u8> {
    let mut totals = ShownTotals {
        args,
        style: session.output.style,
        results: OutputBatch::of_this_process(),
    };
    let mut code = 0;
    let mut names = NamedPaths::new(session, words_or_current_directory(&args.words));
    while let Some(top) = names.next().await? {
        let attrs = match session.lstat(&top.path).await {
            Ok(attrs) => attrs,
            Err(failed) => {
                code = code.max(names.fail(&top, failed, "")?);
                continue;
            }
        };
        if attrs.is_directory() == Some(true) {
            code = code.max(tree(session, &mut totals, &names, top).await?);
        } else {
            let total = Total {
                bytes: attrs.size.unwrap_or(0),
                files: 1,
            };
            totals.add(&top, total);
            totals.results.write()?;
        }
    }
    Ok(code)
}

/// The files below a directory.
#[derive(Clone, Copy, Default)]
struct Total {
    bytes: u64,
    files: u64,
}

impl Total {
    fn add(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.files = self.files.saturating_add(other.files);
    }
}

/// A directory whose contents are not all counted yet.
struct OpenDirectory {
    place: RemotePath,
    parent: Option<u64>,
    depth: usize,
    total: Total,
    /// The directories in it that are not all counted, and 1 while it is read itself.
    unfinished: u64,
}

/// The count of one tree. It keeps those directories that are not all counted: a path down, and what waits beside it.
struct Counting<'a, 'b> {
    session: &'a Session,
    totals: &'a mut ShownTotals<'b>,
    open: HashMap<u64, OpenDirectory>,
    next_id: u64,
    code: u8,
}

/// Adds up a tree, and shows its directories.
async fn tree(
    session: &Session,
    totals: &mut ShownTotals<'_>,
    names: &NamedPaths<'_>,
    top: RemotePath,
) -> Result<u8> {
    let mut counting = Counting {
        session,
        totals,
        open: HashMap::new(),
        next_id: 0,
        code: 0,
    };
    let path = top.path.clone();
    let first = counting.begin(top, None, 0);
    let mut reader = TreeReader::new(session, path, first);
    while let Some(event) = reader.next().await {
        match event {
            TreeEvent::Entries(batch) => counting.add(&mut reader, batch),
            TreeEvent::End(directory, failed) => {
                if let Some(failed) = failed {
                    counting.fail(directory.known, &failed);
                }
                counting.finish(directory.known);
            }
            // What was not counted would make the other totals false.
            TreeEvent::Lost(lost) => return Err(names.lost(lost)),
        }
        counting.totals.results.write()?;
    }
    Ok(counting.code)
}

impl Counting<'_, '_> {
    /// Adds a directory that is to be counted, and returns its number.
    fn begin(&mut self, place: RemotePath, parent: Option<u64>, depth: usize) -> u64 {
        self.next_id += 1;
        let directory = OpenDirectory {
            place,
            parent,
            depth,
            total: Total::default(),
            unfinished: 1,
        };
        self.open.insert(self.next_id, directory);
        self.next_id
    }

    fn fail(&mut self, id: u64, why: &dyn std::fmt::Display) {
        self.code = 1;
        if let Some(directory) = self.open.get(&id) {
            self.session.complain(&directory.place.shown, why);
        }
    }

    /// Counts entries of a directory, and enters the directories among them.
    fn add(&mut self, reader: &mut TreeReader<u64>, batch: TreeBatch<u64>) {
        let id = batch.known;
        let Some(place) = self.open.get(&id).map(|directory| directory.place.clone()) else {
            return;
        };
        let mut total = Total::default();
        for entry in batch.entries {
            if entry.attrs.is_directory() != Some(true) {
                total.add(Total {
                    bytes: entry.attrs.size.unwrap_or(0),
                    files: 1,
                });
                continue;
            }
            let below = RemotePath {
                shown: join(&place.shown, &entry.name),
                path: join(&place.path, &entry.name),
            };
            let number = self.begin(below, Some(id), batch.depth + 1);
            if let Err(why) = reader.enter(&entry.name, number) {
                self.fail(number, &why);
                self.open.remove(&number);
            } else if let Some(directory) = self.open.get_mut(&id) {
                directory.unfinished += 1;
            }
        }
        if let Some(directory) = self.open.get_mut(&id) {
            directory.total.add(total);
        }
    }

    /// Notes that one part of a directory is counted. If it was the last one, the directory is shown, and counts as a
    /// part of the one above.
    fn finish(&mut self, id: u64) {
        let args = self.totals.args;
        let deepest = match args.summarize {
            true => 0,
            false => args.depth.unwrap_or(usize::MAX),
        };
        let mut next = Some(id);
        let mut counted = Total::default();
        while let Some(id) = next {
            let Some(directory) = self.open.get_mut(&id) else {
                return;
            };
            directory.total.add(counted);
            directory.unfinished = directory.unfinished.saturating_sub(1);
            if directory.unfinished > 0 {
                return;
            }
            (next, counted) = (directory.parent, directory.total);
            if directory.depth <= deepest {
                self.totals.add(&directory.place, counted);
            }
            self.open.remove(&id);
        }
    }
}

/// The totals that are shown.
struct ShownTotals<'a> {
    args: &'a DuArgs,
    style: Style,
    results: OutputBatch,
}

impl ShownTotals<'_> {
    /// Adds the total of a path to the results.
    fn add(&mut self, place: &RemotePath, total: Total) {
        if self.style == Style::Json {
            let object = json!({ "bytes": total.bytes, "files": total.files });
            return self.results.add_json(&about(&place.path, object));
        }
        let amount = match (self.args.human, self.args.bytes) {
            (true, _) => Size(total.bytes).to_string(),
            (_, true) => total.bytes.to_string(),
            _ => total.bytes.div_ceil(1024).to_string(),
        };
        self.results.add(format!("{amount}\t").as_bytes());
        match self.args.null {
            true => self.results.add(&[&place.shown[..], b"\0"].concat()),
            false => {
                self.results.add_name(&place.shown);
                self.results.add(b"\n");
            }
        }
    }
}
