//! The client. All of it is in the library: see `homeport::client`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    homeport::client::run::run(homeport::client::cli::Cli::parse())
}
