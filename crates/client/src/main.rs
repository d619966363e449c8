//! The client. All of it is in the library: see the `homeport` library.

use std::process::ExitCode;

fn main() -> ExitCode {
    homeport::run::run_line(std::env::args_os().collect())
}
