//! The web page: files and administration in a browser, and the API below `/api/v1`.
//!
//! Nothing here touches `storage/local`: it calls `ops/`, and reaches files through a mounted home as `exec/` does.

pub mod settings;
pub mod tls;
