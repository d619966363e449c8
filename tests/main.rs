//! What the two programs do, seen from outside: one binary, a module per subject.
//!
//! `cargo test --test all proof::` runs the stories of one subject. The harness is the package `homeport-testkit`.
// Tests say what they expect by failing.
#![allow(clippy::pedantic, clippy::restriction)]

mod admin;
mod client;
mod clients;
mod fuzz;
mod hang;
mod in_process;
mod jail;
mod layers;
mod pressure;
mod proof;
mod quota;
mod semantics;
mod storage;
