//! Texts for people: the line for a file that has ended, rates and times. Nothing here prints.

use std::time::Duration;

use crate::transfer::error::TransferError;
use crate::transfer::progress_hub::FileProgress;
use crate::transfer::{Direction, Job, Outcome, Proof, SMALL_BYTES};
use base::size::Size;
use base::visible::{printable, printable_lines};

/// The longest message, in characters: a name of 4 KiB with every byte escaped, and a server's sentence.
const LONGEST: usize = 20 << 10;
/// The most lines of a message. A server's sentence has up to three.
const LINES: usize = 5;

/// Whether a file is so large that it is shown by itself.
pub(super) fn is_large(progress: &FileProgress) -> bool {
    progress.total().max(progress.done()) >= SMALL_BYTES
}

/// The line for a file that has ended. Small files that succeeded have none, and only count in the summary. Neither have
/// files that there was no connection for: one message is for all of them.
pub(super) fn ended(
    job: &Job,
    progress: &FileProgress,
    result: &Result<Outcome, TransferError>,
    elapsed: Duration,
) -> Option<String> {
    match result {
        Ok(_) if !is_large(progress) => return None,
        Err(TransferError::Disconnected(_)) => return None,
        Ok(_) | Err(_) => {}
    }
    let text = self::result(job, progress, result, elapsed);
    Some(fit(&format!("{}: {text}", progress.name)))
}

/// The line for a name that cannot be transferred at all.
pub(super) fn failed(name: &[u8], why: &str) -> String {
    fit(&format!("{}: FAILED: {why}", printable(name)))
}

/// The result of a transfer, without the file's name.
pub(super) fn result(
    job: &Job,
    progress: &FileProgress,
    result: &Result<Outcome, TransferError>,
    elapsed: Duration,
) -> String {
    match result {
        // The user wanted that.
        Err(error @ TransferError::Stopped) => error.to_string(),
        Err(error) => format!("FAILED: {error}"),
        Ok(Outcome::Same(Proof::Md5)) => "already there, MD5 verified".to_owned(),
        Ok(Outcome::Same(Proof::Sha256)) => "already there, SHA-256 verified".to_owned(),
        Ok(Outcome::Same(Proof::Sizes | Proof::NotAsked)) => "already there, by its size alone".to_owned(),
        Ok(Outcome::Skipped) => "skipped".to_owned(),
        Ok(Outcome::Sent { resumed_from, proof }) => {
            let word = match job.direction {
                Direction::Up => "sent",
                Direction::Down => "received",
            };
            let mut parts = vec![format!("{} {word}", Size(progress.moved()))];
            if *resumed_from > 0 {
                parts.push(format!("resumed at {}", Size(*resumed_from)));
            }
            parts.extend(super::rate::per_second(progress.moved(), elapsed).map(rate));
            parts.push(
                match proof {
                    Proof::Md5 => "MD5 verified",
                    Proof::Sha256 => "SHA-256 verified",
                    Proof::Sizes => "only sizes compared",
                    Proof::NotAsked => "not verified",
                }
                .to_owned(),
            );
            parts.join(", ")
        }
    }
}

/// Makes a message fit for a screen or a log, so that nothing in it moves the cursor. Names and sentences have been
/// made so before; this also covers the errors of libraries.
pub(super) fn fit(message: &str) -> String {
    printable_lines(message.as_bytes(), LINES, LONGEST)
}

/// A rate in bytes per second, as text: `9.5 MiB/s`, `95 MiB/s`.
pub(super) fn rate(bytes: u64) -> String {
    let text = Size(bytes).to_string();
    match text.split_once('.') {
        // Two digits are enough to read while they change.
        Some((whole, rest)) if whole.len() > 1 => format!("{whole}{}/s", rest.get(1..).unwrap_or_default()),
        _ => format!("{text}/s"),
    }
}

/// A time that has passed, as text: `1.2 s`, `10 s`, `3 min 20 s`, `1 h 5 min`.
pub(super) fn time(time: Duration) -> String {
    let (secs, tenths) = (time.as_secs(), time.subsec_millis() / 100);
    match secs {
        0..10 => format!("{secs}.{tenths} s"),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {} s", secs / 60, secs % 60),
        _ => format!("{} h {} min", secs / 3600, secs / 60 % 60),
    }
}

/// A time that is still to come, as text: `0:09`, `59:59`, `1:05:10`. Beyond four days it is `long`.
pub(super) fn clock(time: Duration) -> String {
    let secs = time.as_secs();
    let (hours, mins, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    match hours {
        0 => format!("{mins}:{secs:02}"),
        1..100 => format!("{hours}:{mins:02}:{secs:02}"),
        _ => "long".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (bytes, expected) in [
            (0, "0 B/s"),
            (999, "999 B/s"),
            (1536, "1.5 KiB/s"),
            (95 << 20, "95 MiB/s"),
            (120 << 30, "120 GiB/s"),
        ] {
            assert_eq!(rate(bytes), expected);
        }
        for (millis, expected) in [
            (0, "0.0 s"),
            (1290, "1.2 s"),
            (10_900, "10 s"),
            (200_000, "3 min 20 s"),
            (3_900_000, "1 h 5 min"),
        ] {
            assert_eq!(time(Duration::from_millis(millis)), expected);
        }
        for (secs, expected) in [(9, "0:09"), (3599, "59:59"), (3910, "1:05:10"), (360_000, "long")] {
            assert_eq!(clock(Duration::from_secs(secs)), expected);
        }
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(fit("a\u{1b}[2J\nb\r\n"), "a\\u{1b}[2J\nb");
    }
}
