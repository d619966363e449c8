//! The arguments of `homeportd audit`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use ipnet::IpNet;
use jiff::Timestamp;

use crate::ops::audit::PathPattern;
use crate::shapes::audit::{moment, network};
use crate::telemetry::EVENT_NAMES;
use base::error::Result;

/// The command-line arguments of `homeportd audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// Only what this user has done, or what an operator has done to this user
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Only what was done to these files: '*.pdf' in any directory, '/in/*.pdf' there, '/in/**' there and below
    ///
    /// What was done to a file before it, or a directory above it, was renamed to such a name is shown, too.
    #[arg(long, value_name = "PATTERN", value_parser = pattern)]
    pub path: Option<String>,
    /// Only events of these names, such as removed,renamed
    #[arg(
        long = "event",
        value_name = "EVENT",
        value_delimiter = ',',
        value_parser = PossibleValuesParser::new(EVENT_NAMES)
    )]
    pub events: Vec<String>,
    /// Only from this time on: 90s, 15m, 12h, 7d or 2w ago, or 2026-11-23, or 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<Timestamp>,
    /// Only until this time, in the same notation
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// Only what came from this address or network, such as 192.0.2.0/24
    #[arg(long, value_name = "ADDRESS", value_parser = network)]
    pub address: Option<IpNet>,
    /// Print the lines as they were logged, one JSON object for each event
    #[arg(long)]
    pub json: bool,
}

/// Checks a pattern, and returns its text.
fn pattern(text: &str) -> Result<String> {
    text.parse::<PathPattern>().map(|_| text.to_owned())
}
