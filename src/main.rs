//! Starts `homeportd`, the server and its administration. All of the code is in the library: see `homeportd::cli`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    homeportd::cli::run(homeportd::cli::grammar::Cli::parse())
}
