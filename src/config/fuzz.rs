//! The body of the fuzz target for the configuration: no text makes the parser panic, and every error has a position
//! inside the text.

use std::path::Path;

use super::parse::{MOST_PROBLEMS, parse};
use super::report;

/// Parses `data`, and formats all errors in it.
pub fn fuzz_configuration(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let parsed = parse(text);
    assert_eq!(parse(text), parsed, "the same text means the same");
    let Err(problems) = parsed else { return };
    assert!((1..=MOST_PROBLEMS).contains(&problems.len()));
    for problem in &problems {
        assert!(!problem.what.is_empty());
        assert!(
            problem
                .span
                .as_ref()
                .is_none_or(|span| span.start <= span.end && span.end <= text.len())
        );
    }
    let message = report::all(&problems, Path::new("homeportd.toml"), text).to_string();
    assert!(message.starts_with("homeportd.toml"));
    assert!(
        !message.contains('\u{1b}'),
        "nothing paints on the operator's terminal: {message:?}"
    );
}
