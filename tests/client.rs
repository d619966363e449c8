//! Our client: its commands as scripts use them, the way to a server, the shell, and transfers.

mod commands;
mod connect;
mod shell;
mod transfer;
