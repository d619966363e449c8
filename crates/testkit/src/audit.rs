//! Counts the audit log's lines of one kind of event: how many lines, for how many events, over which time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

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
        Self::summary(&named(server, name))
    }

    /// Returns the lines so far of the events with this name, for each address and code.
    pub fn of_each_source(server: &TestServer, name: &str) -> Vec<Self> {
        let mut sources = BTreeMap::<String, Vec<Value>>::new();
        for event in named(server, name) {
            let source = format!("{} {}", event["ip"], event["code"]);
            sources.entry(source).or_default().push(event);
        }
        sources.values().map(|events| Self::summary(events)).collect()
    }

    fn summary(events: &[Value]) -> Self {
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

fn named(server: &TestServer, name: &str) -> Vec<Value> {
    let events = server.events().into_iter();
    events.filter(|event| event["event"] == name).collect()
}

/// Returns the events so far, once all that have happened are in the audit log. The log is written in its order, so a
/// change of this user's comment shows that.
pub fn all_events(server: &TestServer, user: &str) -> Vec<Value> {
    static MARKS: AtomicUsize = AtomicUsize::new(0);
    let mark = format!("mark {} of a test", MARKS.fetch_add(1, Ordering::Relaxed));
    server.admin_ok(&["user", "set", user, "--comment", &mark], "");
    server.wait_for_audit(&mark);
    server.events()
}

/// Returns the time of an event, by the server's clock.
pub fn time(event: &Value) -> Timestamp {
    event["time"].as_str().unwrap().parse().unwrap()
}
