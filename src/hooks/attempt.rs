//! What has come of one attempt to run a hook.

use super::helper::{CommandEnd, CommandResult};
use super::upload_place::UploadPlace;

/// The exit code with which a command asks to be run again later (EX_TEMPFAIL of sysexits.h).
const ASK_AGAIN: i32 = 75;
/// The exit codes of shells, and of the helper, for a program that cannot be run.
const CANNOT_RUN: [i32; 2] = [126, 127];

/// What has come of one attempt.
#[derive(Debug)]
pub(super) enum JobEnd {
    /// Nothing is left to do.
    Done,
    /// The attempt has failed, for this reason.
    Failed(String),
    /// The helper has ended meanwhile: the entry waits for the next one.
    Interrupted,
    /// The upload stays where it is, for this reason.
    Held(String),
    /// The event decides nothing any more, for this reason: another one about the same file does, or has.
    Superseded(String),
    /// The upload was moved there.
    Published(PublishedPlace),
}

/// Where an upload was published.
#[derive(Debug)]
pub(super) struct PublishedPlace {
    pub(super) to: UploadPlace,
    pub(super) size: u64,
}

impl JobEnd {
    /// Returns what the end of a command means. If it decides about an upload, each exit code but 0 holds it.
    pub(super) fn of(result: CommandResult, decides: bool) -> Self {
        let CommandResult { end, first_line } = result;
        let said = |what: String| match first_line.as_str() {
            "" => what,
            line => format!("{what}: {line}"),
        };
        match end {
            CommandEnd::Exited(0) => JobEnd::Done,
            CommandEnd::Exited(code) if CANNOT_RUN.contains(&code) => {
                JobEnd::Failed(said("the command cannot be run".to_owned()))
            }
            CommandEnd::Exited(code) if decides && code != ASK_AGAIN => match first_line.as_str() {
                "" => JobEnd::Held(format!("the command has ended with exit code {code}")),
                line => JobEnd::Held(line.to_owned()),
            },
            CommandEnd::Exited(code) => JobEnd::Failed(said(format!("exit code {code}"))),
            CommandEnd::Signalled(signal) => JobEnd::Failed(said(format!("ended by signal {signal}"))),
            CommandEnd::TimedOut => JobEnd::Failed(said("it took too long and was killed".to_owned())),
            CommandEnd::NotStarted(why) => JobEnd::Failed(format!("the command cannot be started: {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_decides_about_an_upload() {
        let check = |end: CommandEnd, line: &str, decides: bool, expected: &str| {
            let first_line = line.to_owned();
            let end = JobEnd::of(CommandResult { end, first_line }, decides);
            assert_eq!(format!("{end:?}"), expected);
        };
        check(CommandEnd::Exited(0), "x", true, "Done");
        check(
            CommandEnd::Exited(1),
            "Eicar FOUND",
            true,
            r#"Held("Eicar FOUND")"#,
        );
        check(
            CommandEnd::Exited(2),
            "",
            true,
            r#"Held("the command has ended with exit code 2")"#,
        );
        check(
            CommandEnd::Exited(75),
            "busy",
            true,
            r#"Failed("exit code 75: busy")"#,
        );
        check(CommandEnd::Exited(1), "", false, r#"Failed("exit code 1")"#);
        check(
            CommandEnd::Exited(126),
            "no such file",
            true,
            r#"Failed("the command cannot be run: no such file")"#,
        );
        check(
            CommandEnd::Signalled(11),
            "",
            true,
            r#"Failed("ended by signal 11")"#,
        );
        check(
            CommandEnd::TimedOut,
            "",
            true,
            r#"Failed("it took too long and was killed")"#,
        );
    }
}
