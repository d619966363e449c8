//! The client. It comes with an issue of its own; until then it says so and fails.

use std::process::ExitCode;

fn main() -> ExitCode {
    eprintln!(
        "homeport: the client is not there yet (hint: any SFTP client will do: sftp -P 2222 USER@HOST)"
    );
    ExitCode::FAILURE
}
