//! The administrator's view: checks and starts, changes to running servers, quotas, secrets, the sandbox, metrics, the
//! live view.

mod backup;
mod changes;
mod checks;
mod groups;
mod host_keys;
mod json;
mod last_sign_in;
mod lifecycle;
mod losses;
mod machine;
pub mod metrics;
mod move_home;
mod passwords;
mod permissions;
mod preflight;
mod quota_commands;
mod restore;
mod restored_places;
mod sandbox;
mod second_factor;
mod secrets;
mod sessions;
mod systemd;
mod top;
mod units;
mod users_file;
// The web page is not part of a build without its feature.
#[cfg(feature = "web")]
mod web;
