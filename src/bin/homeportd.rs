//! The server and its administration. All of it is in the library: see `homeport::admin`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    homeport::admin::run(homeport::admin::cli::Cli::parse())
}
