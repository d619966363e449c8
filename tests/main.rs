//! Tests of the two programs from outside: one binary, with a module for each subject.
//!
//! `cargo test --test all proof::` runs the tests of one subject. The harness is the package `homeport-testkit`.
// Tests say what they expect by failing.
#![allow(clippy::pedantic, clippy::restriction)]

mod admin;
mod client;
mod clients;
mod events;
mod external;
mod folders;
mod fuzz;
mod guide;
mod hang;
mod in_process;
mod jail;
mod layers;
mod pressure;
mod proof;
mod quota;
mod readme;
mod semantics;
mod storage;
#[cfg(feature = "web")]
mod web;
