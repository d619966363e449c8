//! OPEN: all combinations of flags with every kind of target, and the attributes.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

const FLAGS: [(&str, u32); 6] = [
    ("R", READ),
    ("W", WRITE),
    ("A", APPEND),
    ("C", CREAT),
    ("T", TRUNC),
    ("X", EXCL),
];

fn spelled(flags: u32) -> String {
    let set: String = FLAGS
        .iter()
        .filter(|(_, bit)| flags & bit != 0)
        .map(|(letter, _)| *letter)
        .collect();
    if set.is_empty() { "-".into() } else { set }
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let places = [
        "missing", "file", "dir", "link", "dangling", "dlink", "loop", "secret", "readonly", "rodir/f",
    ];
    for place in places {
        for flags in 0..64 {
            let opened =
                row(format!("open {} {place}", spelled(flags))).ask(open(format!("@/{place}"), flags));
            // The operations on the handle show what the flags allow.
            let used = opened.asks([read(nth(0), 0, 100), write(nth(0), 3, "XYZ"), fstat(nth(0))]);
            rows.push(used);
        }
    }
    for odd in [0x40, 0x8000_0000, 0xffff_ffff] {
        let name = format!("open with flags {odd:#x}");
        rows.push(row(name).asks([open("@/missing", odd | READ), read(nth(0), 0, 10)]));
    }
    attributes(&mut rows);
    rows
}

fn attributes(rows: &mut Vec<Row>) {
    let attributes = [
        ("mode 0", Attrs::mode(0)),
        ("mode 0100644", Attrs::mode(0o100_644)),
        ("mode 0600", Attrs::mode(0o600)),
        ("mode 0777", Attrs::mode(0o777)),
        ("mode 0444", Attrs::mode(0o444)),
        ("mode 07777", Attrs::mode(0o7777)),
        ("mode 0xffffffff", Attrs::mode(u32::MAX)),
        ("mode 040755", Attrs::mode(0o40755)),
        ("size 5", Attrs::size(5)),
        ("size 2^63", Attrs::size(1 << 63)),
        ("times", Attrs::times(1_100_000_000, 1_200_000_000)),
        ("owner", Attrs::owner(12345, 12345)),
        (
            "extended pairs",
            Attrs {
                extended: vec![(b"a@b".to_vec(), b"c".to_vec())],
                ..Attrs::default()
            },
        ),
        (
            "an odd flag",
            Attrs {
                odd_flags: 0x10,
                ..Attrs::mode(0o600)
            },
        ),
    ];
    for (name, attrs) in attributes {
        for place in ["missing", "file"] {
            let opened = row(format!("open WC {place} with {name}")).ask(open_with(
                format!("@/{place}"),
                WRITE | CREAT,
                &attrs,
            ));
            rows.push(opened.asks([
                fstat(nth(0)),
                write(nth(0), 0, "new"),
                close(nth(0)),
                lstat(format!("@/{place}")),
            ]));
        }
    }
}
