//! The Homeport client: transfers over SFTP that go on where they broke off and prove what arrived.
#![forbid(unsafe_code)]
// The documentation is for those who work on the client: what is private belongs to it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod cli;
pub mod commands;
pub mod connect;
pub mod globs;
pub mod interrupt;
pub mod link;
pub mod local_attributes;
pub mod names;
pub mod plan;
pub mod printable;
pub mod progress;
pub mod remote;
pub mod run;
pub mod shell;
pub mod transfer;
