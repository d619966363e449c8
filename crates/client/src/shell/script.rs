//! Commands that come from a file or a pipe, as `sftp -b` runs them: nothing is echoed, and the first that fails ends
//! the script.

use std::io::{BufRead, Read as _};

use super::interpreter::{Interpreter, NextStep};
use super::messages::complain;
use crate::interrupt;

/// The longest line, in bytes: what [`words`](base::words) accepts, and its end.
const LONGEST_LINE: u64 = (128 << 10) + 1;

/// Runs all lines. Returns the exit code of the one that failed, or 0.
pub(super) fn run(shell: &mut Interpreter, mut script: impl BufRead) -> u8 {
    let mut line = Vec::new();
    loop {
        line.clear();
        match script.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) => return 0,
            Ok(_) => {}
            Err(error) => {
                complain(&format!("cannot read the commands: {error}"));
                return 1;
            }
        }
        let (may_fail, command) = prefixes(&line);
        let code = match shell.line(command) {
            NextStep::Code(code) => code,
            NextStep::Leave => return 0,
            NextStep::ShowHistory => {
                complain("there is no history in a script");
                2
            }
        };
        if shell.was_interrupted() {
            return interrupt::EXIT_CODE;
        }
        if code != 0 && !may_fail {
            return code;
        }
    }
}

/// Splits off the prefixes of a command: `-` if it may fail, and `@` against echoing, which has no effect here.
fn prefixes(line: &[u8]) -> (bool, &[u8]) {
    let mut rest = line.trim_ascii_start();
    let mut may_fail = false;
    while let Some((byte @ (b'-' | b'@'), after)) = rest.split_first() {
        may_fail |= *byte == b'-';
        rest = after.trim_ascii_start();
    }
    (may_fail, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_of_a_command_are_parsed() {
        for (line, may_fail, command) in [
            ("get a\n", false, "get a\n"),
            ("-get a\r\n", true, "get a\r\n"),
            ("@ get a", false, "get a"),
            ("-@get a", true, "get a"),
            ("@-get a", true, "get a"),
            ("  # - get a", false, "# - get a"),
            ("get a\\ \n", false, "get a\\ \n"),
            ("-", true, ""),
            ("\n", false, ""),
        ] {
            let expected = (may_fail, command.as_bytes());
            assert_eq!(prefixes(line.as_bytes()), expected, "{line:?}");
        }
    }
}
