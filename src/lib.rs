//! The Homeport server and its administration: a secure multi-user SFTP file server.
//!
//! Layers, from the bottom; a file imports only from its own layer or those below (see ARCHITECTURE.md):
//! L0 [`domain`]; L1 [`storage`], [`accounts`], [`auth`], [`store`], [`io`]; L2 [`sftp`], [`exec`], [`session`],
//! [`mount`]; L3 [`ops`], [`ssh`], [`telemetry`]; L4 [`serve`], [`external`], [`control`], [`config`],
//! [`shapes`], [`web`]; L5 [`cli`].
#![forbid(unsafe_code)]
// The documentation is for developers of the server, so private items are part of it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod domain;

pub mod accounts;
pub mod auth;
pub mod io;
pub mod storage;
pub mod store;

pub mod exec;
pub mod mount;
pub mod session;
pub mod sftp;

pub mod hooks;
pub mod ops;
pub mod ssh;
pub mod telemetry;

pub mod config;
pub mod control;
pub mod external;
pub mod serve;
pub mod shapes;
pub mod web;

pub mod cli;
