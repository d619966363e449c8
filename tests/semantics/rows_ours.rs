//! Rows for Homeport alone, with the required replies: OpenSSH's server waits for ever in open(2) of a FIFO, and sends
//! no reply for an unknown type.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

/// Returns each row with its replies, line by line.
pub fn rows() -> Vec<(Row, Vec<String>)> {
    let mut rows = Vec::new();
    for (flags, name) in [
        (READ, "R"),
        (WRITE, "W"),
        (READ | WRITE, "RW"),
        (WRITE | CREAT | TRUNC, "WCT"),
    ] {
        let opened = |what: &str| row(format!("open {name} {what}")).ask(open(format!("@/{what}"), flags));
        rows.push((opened("fifo"), vec!["#1 status 4 Failure".into()]));
        rows.push((opened("socket"), vec!["#1 status 4 Failure".into()]));
    }
    let exclusive = row("open WCX fifo").ask(open("@/fifo", WRITE | CREAT | EXCL));
    rows.push((exclusive, vec!["#1 status 4 Failure".into()]));
    // OpenSSH's answer depends on the age of its libc and kernel: fchmodat2(2) came with Linux 6.6.
    for (place, kind, size) in [("file", 10, 12), ("readonly", 10, 9)] {
        let path = format!("@/{place}");
        let changed =
            row(format!("lsetstat mode: {place}")).asks([lsetstat(&path, &Attrs::mode(0o640)), lstat(&path)]);
        let attrs = format!("#2 attrs flags=f size={size} owner=self mode={kind}0640 mtime=untouched");
        rows.push((changed, vec!["#1 status 0 Success".into(), attrs]));
    }
    for kind in [
        0, 2, 21, 22, 23, 50, 99, 100, 101, 102, 103, 104, 105, 199, 201, 202, 255,
    ] {
        let requests = vec![any(kind, b"whatever"), remove("@/missing")];
        let expected = vec![
            "#1 status 8 Operation unsupported".into(),
            "#2 status 2 No such file".into(),
        ];
        rows.push((row(format!("type {kind}")).together(requests), expected));
    }
    rows
}
