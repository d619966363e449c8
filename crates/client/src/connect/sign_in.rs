//! Signing in, in ssh's order: find out which methods the server accepts, then try keys, then its questions, then a
//! password; after a partial success, continue with the methods that remain.
//!
//! [`attempt`] keeps that order; [`by_key`] and [`by_password`] are the methods, on an [`auth_session`]. [`credentials`] keeps what succeeded,
//! and a [`report`] lists what was tried.

mod attempt;
mod auth_session;
mod by_key;
mod by_password;
pub mod credentials;
mod identity;
mod keys;
mod new_password;
pub mod report;

pub(super) use attempt::SignIn;
