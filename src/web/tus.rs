//! Resumable uploads: the protocol tus 1.0.0.

pub mod error;
pub mod headers;
