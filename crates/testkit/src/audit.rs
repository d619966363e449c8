//! Counts the audit log's lines of one kind of event: how many lines, for how many events, over which time.

use jiff::Timestamp;
use serde_json::Value;

use super::server::TestServer;

/// The lines of one kind of event. Several events of one kind may share a line that counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lines {
    /// The number of lines in the audit log.
    pub lines: u64,
    /// The number of events that these lines stand for.
    pub count: u64,
    /// The time from the first line to the last one, in seconds by the server's clock.
    pub seconds: u64,
}

impl Lines {
    /// Returns the lines of the events with this name so far.
    pub fn of(server: &TestServer, name: &str) -> Self {
        let events: Vec<Value> = server
            .events()
            .into_iter()
            .filter(|event| event["event"] == name)
            .collect();
        let lasted = match (events.first(), events.last()) {
            (Some(first), Some(last)) => time(last).duration_since(time(first)).as_secs(),
            _ => 0,
        };
        Self {
            lines: events.len() as u64,
            count: events
                .iter()
                .map(|event| event["count"].as_u64().unwrap_or(1))
                .sum(),
            seconds: lasted as u64,
        }
    }
}

/// Returns the time of an event, by the server's clock.
pub fn time(event: &Value) -> Timestamp {
    event["time"].as_str().unwrap().parse().unwrap()
}
