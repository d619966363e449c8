//! Signing in, in ssh's order: ask what the server takes, then keys, then its questions, then a password; after a
//! partial success on with what is still open.
//!
//! [`attempt`] keeps that order; [`by_key`] and [`by_password`] are the methods. What let somebody in is kept in
//! [`credentials`]; what was tried is told by a [`report`].

mod attempt;
mod by_key;
mod by_password;
pub mod credentials;
mod identity;
mod keys;
pub mod report;

pub(super) use attempt::SignIn;
