//! The settings of events: the section `[events]` of the configuration.

use serde::Deserialize;

/// The settings of the section `[events]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventSettings {
    /// The patterns of names that clients give to files that are not complete yet.
    pub partial: Vec<String>,
}

impl Default for EventSettings {
    fn default() -> Self {
        // lftp and rclone, WinSCP, rclone and others, and our own client.
        let partial = ["*.part", "*.filepart", "*.partial", "*.homeport.part"];
        Self {
            partial: partial.map(str::to_owned).to_vec(),
        }
    }
}
