//! The client. All of it is in the library: see the `homeport` library.

use std::process::ExitCode;

fn main() -> ExitCode {
    if homeport::run::is_asked_by_ssh() {
        return homeport::run::ask_for_ssh();
    }
    homeport::descriptors::raise_limit();
    homeport::run::run_line(std::env::args_os().collect())
}
