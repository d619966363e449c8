//! Starts `homeportd`, the server and its administration. All of the code is in the library: see `homeportd::cli`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    // The server starts this program again, under another name, to run the commands of hooks.
    if let Some(code) = homeportd::serve::hooks::helper_process() {
        return code;
    }
    homeportd::cli::run(homeportd::cli::grammar::Cli::parse())
}
