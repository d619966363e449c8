//! `df`: shows the quota, or the size of the file system, and how much of it is used.

use std::ffi::OsString;
use std::sync::Arc;

use async_trait::async_trait;
use clap::{ArgAction, Args};
use serde_json::json;

use super::candidates::Candidates;
use super::refusal::refused;
use super::server_words::{BareHost, UsageError, take_server, words_or_current_directory};
use super::session::Session;
use super::verb::Verb;
use crate::connect::Target;
use crate::link::Space;
use crate::output::{Style, about, print, print_json};
use base::error::{Error, Result};
use base::size::Size;

/// The width of the bar that shows the used part, in characters.
const BAR: u64 = 30;

/// Show the used and the free space on the server
#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:\n  homeport df HOST:\n  homeport df -b HOST:backup       in bytes, for scripts"
)]
pub struct DfArgs {
    /// Show sizes in bytes, without units.
    #[arg(short, long)]
    pub bytes: bool,
    /// Show sizes with units. This is the default.
    #[arg(short = 'h', long, conflicts_with = "bytes")]
    pub human: bool,
    /// Show this help, and do nothing else.
    #[arg(long, action = ArgAction::Help)]
    pub help: Option<bool>,
    /// The path whose quota or file system is shown. The default is the current directory.
    #[arg(value_name = "PATH")]
    pub words: Vec<OsString>,
}

#[async_trait]
impl Verb for DfArgs {
    async fn run(&self, session: &Arc<Session>) -> Result<u8> {
        session.stoppable(df(session, self)).await
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

async fn df(session: &Arc<Session>, args: &DfArgs) -> Result<u8> {
    for word in words_or_current_directory(&args.words) {
        let path = &session.path(word)[..];
        let looking = session.repeated(|link, _| async move { Space::at(&link, path).await });
        let space = looking.await.map_err(refused("look for room"))?;
        let Some(space) = space else {
            return Err(Error::new("the server does not say how much room there is"));
        };
        match session.output.style {
            Style::Json => print_json(&about(
                path,
                json!({ "total_bytes": space.total, "used_bytes": space.used(), "free_bytes": space.free }),
            ))?,
            Style::Words | Style::Quiet => print(&as_bar(space, args.bytes))?,
        }
    }
    Ok(0)
}

fn as_bar(space: Space, bytes: bool) -> String {
    let amount = |amount: u64| {
        if bytes {
            format!("{amount} bytes")
        } else {
            Size(amount).to_string()
        }
    };
    // u128 is wide enough for any product, and nothing is divided by zero.
    let part = |of: u64| u128::from(space.used()) * u128::from(of) / u128::from(space.total.max(1));
    let full = usize::try_from(part(BAR)).unwrap_or(0);
    let empty = usize::try_from(BAR).unwrap_or(0).saturating_sub(full);
    format!(
        "[{}{}] {}%  {} of {} used, {} free\n",
        "#".repeat(full),
        "-".repeat(empty),
        part(100),
        amount(space.used()),
        amount(space.total),
        amount(space.free),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_the_used_part() {
        let gib = 1 << 30;
        assert_eq!(
            as_bar(
                Space {
                    total: gib,
                    free: gib / 2
                },
                false
            ),
            "[###############---------------] 50%  512.0 MiB of 1.0 GiB used, 512.0 MiB free\n"
        );
        assert!(as_bar(Space { total: 0, free: 0 }, true).contains("0%  0 bytes of 0 bytes used"));
        assert!(
            as_bar(
                Space {
                    total: u64::MAX,
                    free: 0
                },
                false
            )
            .contains("100%")
        );
    }
}
