//! What the operator does and sees: checks and starts, changes beside running sessions, quotas, secrets, the sandbox.

mod changes;
mod changes_more;
mod lifecycle;
mod machine;
mod permissions;
mod preflight;
mod quota_commands;
mod sandbox;
mod secrets;
