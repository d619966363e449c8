//! The configuration file: TOML in, settings out, and errors that point at the line.
//!
//! Each component owns its settings; this module composes them, makes paths absolute, and checks what types cannot
//! say. It reads the file and nothing else: whether directories exist is asked by those who use them.

mod checks;
mod explain;
#[doc(hidden)]
pub mod fuzz;
mod load;
mod report;
pub mod sample;
mod server;
mod settings;
mod source;

pub use load::{FILE_NAME, find, load};
pub use server::ServerSettings;
pub use settings::Config;

#[cfg(test)]
mod tests;
