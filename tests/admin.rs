//! What the operator does and sees: checks and starts, changes beside running sessions, quotas, secrets, the sandbox.

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
