//! The administrator's view: checks and starts, changes to running servers, quotas, secrets, the sandbox.

mod changes;
mod checks;
mod lifecycle;
mod losses;
mod machine;
mod permissions;
mod preflight;
mod quota_commands;
mod sandbox;
mod secrets;
mod sessions;
mod systemd;
mod units;
