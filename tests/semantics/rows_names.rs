//! Every request that takes one path, with every target.

use crate::semantics::row::{Row, row};
use crate::semantics::targets::{all, inside};
use testkit::packets::*;

/// The name of a request, and the function that creates it for a path.
type Verb = (&'static str, fn(&[u8]) -> Request);

/// Requests that change nothing, which may also name paths outside the row's directory.
const LOOKING: [Verb; 9] = [
    ("stat", |p| stat(p)),
    ("lstat", |p| lstat(p)),
    ("realpath", |p| realpath(p)),
    ("readlink", |p| readlink(p)),
    ("opendir", |p| opendir(p)),
    ("open for reading", |p| open(p, READ)),
    ("statvfs", |p| extended_paths("statvfs@openssh.com", &[p])),
    ("expand-path", |p| extended_paths("expand-path@openssh.com", &[p])),
    ("setstat of nothing", |p| setstat(p, &Attrs::default())),
];

const CHANGING: [Verb; 9] = [
    ("remove", |p| remove(p)),
    ("rmdir", |p| rmdir(p)),
    ("mkdir", |p| mkdir(p, &Attrs::default())),
    ("mkdir with a mode", |p| mkdir(p, &Attrs::mode(0o40750))),
    ("create", |p| open(p, WRITE | CREAT)),
    ("symlink at", |p| symlink("file", p)),
    ("setstat mode", |p| setstat(p, &Attrs::mode(0o640))),
    ("setstat times", |p| {
        setstat(p, &Attrs::times(1_100_000_000, 1_200_000_000))
    }),
    ("lsetstat times", |p| {
        lsetstat(p, &Attrs::times(1_100_000_000, 1_200_000_000))
    }),
];

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (verb, make) in LOOKING {
        for (name, path) in all() {
            rows.push(row(format!("{verb}: {name}")).ask(make(&path)));
        }
    }
    for (verb, make) in CHANGING {
        for (name, path) in inside() {
            rows.push(row(format!("{verb}: {name}")).ask(make(&path)));
        }
        // Paths that can be neither removed nor created, in any spelling.
        for path in ["", ".", "..", "/", "/.", "/..", "../..", "/@", "/@/", "@"] {
            if verb.starts_with("setstat") || verb.starts_with("lsetstat") {
                continue;
            }
            rows.push(row(format!("{verb}: \"{path}\"")).ask(make(path.as_bytes())));
        }
    }
    // Requests about a FIFO are compared here; opening it is in the rows about OPEN.
    for (verb, make) in LOOKING.into_iter().chain(CHANGING) {
        if !verb.starts_with("open for") && verb != "create" {
            rows.push(row(format!("{verb}: fifo")).ask(make(b"@/fifo")));
        }
    }
    rows
}
