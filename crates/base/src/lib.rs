//! What the server and the client share: errors for people, secrets, sizes, digests, patterns, words as shells split
//! them, text that is safe for a terminal, how mounts show a path, temporary names, and the TCP stream in large pieces.
#![forbid(unsafe_code)]
// The documentation is for developers of the programs, so private items are part of it.
#![allow(rustdoc::private_intra_doc_links)]

pub mod advice;
pub mod buffer;
pub mod cpu;
pub mod digest;
pub mod error;
pub mod glob;
pub mod hash_state;
pub mod manual;
pub mod mode;
pub mod mounts;
pub mod paths;
pub mod regular;
pub mod report_interval;
pub mod secret;
pub mod sharded;
pub mod size;
pub mod socket;
pub mod temporary;
pub mod visible;
pub mod words;
