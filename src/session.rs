//! The sessions of the server: which sessions exist ([`registry`]), which resources they may hold ([`budget`],
//! [`memory`]), what a channel knows of its session ([`context`]), where their events go ([`events`]), which files
//! they are writing ([`uploads`]), what was done with each ([`file_record`]) and what is being done now ([`work`]), the
//! two directions of one SSH channel ([`stream`]), the rates of their users ([`rate`], [`unpaid`]), the tasks of a
//! connection ([`tasks`]), and how it is asked to end ([`end_request`]).
//!
//! This module depends on none of SFTP, commands and the SSH library; they use it.

pub mod budget;
pub mod byte_counters;
pub mod context;
pub mod end_request;
pub mod events;
pub mod file_record;
pub mod limits;
pub mod memory;
pub mod name_changes;
pub mod rate;
pub mod registry;
pub mod settings;
pub mod stream;
pub mod tasks;
pub mod unpaid;
pub mod upload_digest;
pub mod uploads;
mod usable_memory;
pub mod work;

pub use context::{Activity, ActivityGuard, BusyGuard, SessionContext};
pub use end_request::EndRequest;
pub use file_record::FileRecord;
pub use limits::{NotRegistered, UserLimits, session_limit};
pub use registry::{EndReport, NewSession, Registration, Session, Sessions, Traffic};
