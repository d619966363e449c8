//! The configuration file: TOML in, settings out, and errors that point at the line.
//!
//! Each component owns its settings; this module composes them, makes paths absolute, and checks what types cannot
//! express. It reads only the file: the code that uses a directory checks whether it exists.

mod checks;
mod environment;
mod explain;
#[doc(hidden)]
pub mod fuzz;
mod load;
mod parse;
mod report;
pub mod sample;
mod server;
mod settings;
mod source;
pub mod users_file;

pub use load::{FILE_NAME, find, load, load_as};
pub use server::ServerSettings;
pub use settings::Config;

#[cfg(test)]
mod tests;
