//! The client: its commands as scripts use them, connecting and signing in, the shell, and transfers.

mod commands;
mod connect;
mod destination;
mod looks;
mod shell;
pub mod terminal;
mod transfer;
mod ways;
