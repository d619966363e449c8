//! `check`: compares two directories, one of which is on the server, and changes nothing.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::Args;

use super::candidates::Candidates;
use super::filter_args::FilterArgs;
use super::server_words::UsageError;
use super::session::Session;
use super::sync::sync_session;
use super::two_trees;
use super::verb::{StdinUse, Verb};
use crate::connect::Target;
use crate::symlinks::LinkRule;
use crate::sync::Rules;
use base::error::Result;

/// Compare two directories, and print what differs
///
/// Contents are compared by their hashes. The exit code is 5 if something differs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    override_usage = "homeport check [OPTIONS] DIR [USER@]HOST:DIR\n       homeport check [OPTIONS] [USER@]HOST:DIR DIR",
    after_help = "Examples:\n  homeport check DIR HOST:DIR\n  homeport check HOST:DIR DIR"
)]
pub struct CheckArgs {
    /// Compare sizes and times instead of contents.
    #[arg(long)]
    pub quick: bool,
    /// Compare the permissions of files, too.
    #[arg(short, long)]
    pub preserve: bool,
    /// Compare symbolic links as links: by the paths to which they point. Without this, links to files of the first
    /// directory stand for the files, and others are not compared.
    #[arg(long)]
    pub links: bool,
    /// Follow symbolic links to directories of the first directory, too.
    #[arg(long, conflicts_with = "links")]
    pub follow: bool,
    /// Take times for equal that are at most this many seconds apart.
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub modify_window: u32,
    /// The options that say which names take part.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// The two directories that are compared.
    #[arg(required = true, value_name = "DIR")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for CheckArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        let trees = two_trees::trees(session, &self.words)?;
        let rules = Rules {
            delete: true,
            update: false,
            checksum: !self.quick,
            modes: self.preserve,
            window: self.modify_window,
        };
        let mut filter = self.filter.filter()?;
        filter.links = LinkRule::of_comparison(self.links, self.follow);
        crate::sync::check(&sync_session(session), &trees, &filter, &rules).await
    }

    fn words(&mut self) -> &mut Vec<OsString> {
        &mut self.words
    }

    fn take_server(&mut self) -> std::result::Result<Target, UsageError> {
        two_trees::take_server(&mut self.words)
    }

    fn prepare(&mut self, stdin: StdinUse) -> std::result::Result<(), UsageError> {
        self.filter.read(stdin)
    }

    fn candidates(_earlier: usize) -> &'static [Candidates] {
        &[Candidates::LocalDirectories]
    }
}
