//! The client. All of it is in the library: see the `homeport` library.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let words = homeport::cli::words(std::env::args_os());
    homeport::run::run(homeport::cli::Cli::parse_from(words))
}
