//! The sessions of the server: who is connected ([`registry`]), what they may hold ([`budget`], [`memory`]), what a
//! channel knows of its session ([`context`]), where their events go ([`events`]), and the two directions of one SSH
//! channel ([`stream`]).
//!
//! This module knows neither SFTP nor commands nor the SSH library: those use it.

pub mod budget;
pub mod context;
pub mod events;
pub mod memory;
pub mod registry;
pub mod stream;

pub use context::{Activity, ActivityGuard, BusyGuard, FileRecord, SessionContext};
pub use registry::{
    EndReport, EndRequest, Newcomer, NotRegistered, Registration, Session, Sessions, Traffic, session_limit,
};
