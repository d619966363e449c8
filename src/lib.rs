//! Homeport: a secure multi-user SFTP file server, and its client.
//!
//! Layers, from the bottom; a file imports only from layers below its own (see ARCHITECTURE.md):
//! L0 [`error`], [`advice`], [`secret`], [`path`], [`regular`], [`user`], [`event`], [`cpu`], [`descriptors`],
//! [`visible`], [`words`], [`glob`], [`manual`]; L1 [`vfs`], [`lanes`], [`ledger`], [`stream`], [`auth`], [`store`]; L2
//! [`sftp`], [`exec`], [`scp`], [`sessions`], [`mount`]; L3 [`ssh`]; L4 [`server`], [`config`], [`homes`],
//! [`telemetry`], [`admin`]. Beside them [`client`].
#![forbid(unsafe_code)]
// The documentation is for those who work on the server: what is private belongs to it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod advice;
pub mod buffer;
pub mod cpu;
pub mod descriptors;
pub mod error;
pub mod event;
pub mod glob;
pub mod manual;
pub mod path;
pub mod regular;
pub mod secret;
pub mod socket;
pub mod user;
pub mod visible;
pub mod words;

pub mod auth;
pub mod lanes;
pub mod ledger;
pub mod marker;
pub mod store;
pub mod stream;
pub mod vfs;

pub mod exec;
pub mod mount;
pub mod scp;
pub mod sessions;
pub mod sftp;
pub mod ssh;

pub mod client;

pub mod admin;
pub mod config;
pub mod homes;
pub mod server;
pub mod telemetry;
