//! Rows for our server alone, with what it must answer: OpenSSH's server waits for ever in open(2) of a FIFO, and
//! sends nothing at all for a type that it does not know.

use crate::row::{Row, row};
use crate::support::packets::*;

/// Each row and its replies, line by line.
pub fn rows() -> Vec<(Row, Vec<&'static str>)> {
    let mut rows = Vec::new();
    for (flags, name) in [
        (READ, "R"),
        (WRITE, "W"),
        (READ | WRITE, "RW"),
        (WRITE | CREAT | TRUNC, "WCT"),
    ] {
        let opened = |what: &str| row(format!("open {name} {what}")).ask(open(format!("@/{what}"), flags));
        rows.push((opened("fifo"), vec!["#1 status 4 Failure"]));
        rows.push((opened("socket"), vec!["#1 status 4 Failure"]));
    }
    let exclusive = row("open WCX fifo").ask(open("@/fifo", WRITE | CREAT | EXCL));
    rows.push((exclusive, vec!["#1 status 4 Failure"]));
    for kind in [
        0, 2, 21, 22, 23, 50, 99, 100, 101, 102, 103, 104, 105, 199, 201, 202, 255,
    ] {
        let requests = vec![any(kind, b"whatever"), remove("@/missing")];
        let expected = vec!["#1 status 8 Operation unsupported", "#2 status 2 No such file"];
        rows.push((row(format!("type {kind}")).together(requests), expected));
    }
    rows
}
