//! The server and its administration. All of it is in the library: see `homeportd::admin`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    homeportd::admin::run(homeportd::admin::cli::Cli::parse())
}
