//! READ, WRITE, CLOSE and FSTAT: offsets, lengths and handles, good and bad.

use crate::semantics::row::{Row, row};
use crate::semantics::tree::BIG;
use testkit::packets::*;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    reads(&mut rows);
    writes(&mut rows);
    handles(&mut rows);
    rows
}

fn reads(rows: &mut Vec<Row>) {
    let big = BIG as u64;
    let ranges: [(u64, u32); 25] = [
        (0, 12),
        (0, 5),
        (0, 0),
        (5, 0),
        (3, 4),
        (11, 1),
        (11, 100),
        (12, 1),
        (12, 0),
        (13, 10),
        (1 << 31, 1),
        (1 << 32, 1),
        (1 << 40, 1),
        (1 << 62, 0),
        (1 << 62, 1),
        ((1 << 63) - 1, 1),
        ((1 << 63) - 10, 100),
        (1 << 63, 1),
        (1 << 63, 0),
        (u64::MAX, 1),
        (u64::MAX, u32::MAX),
        (0, 32_768),
        (0, 1 << 31),
        (0, u32::MAX),
        (0, 300_000),
    ];
    for (offset, length) in ranges {
        rows.push(
            row(format!("read {offset}+{length}")).asks([open("@/file", READ), read(nth(0), offset, length)]),
        );
    }
    let ranges: [(u64, u32); 14] = [
        (0, 1),
        (0, 32_768),
        (0, 65_536),
        (0, 131_072),
        (0, 261_120),
        (0, 261_121),
        (0, 262_144),
        (0, 300_000),
        (0, u32::MAX),
        (big - 10, 10),
        (big - 10, 100),
        (big, 1),
        (100_000, 200_000),
        (100_000, 32_768),
    ];
    for (offset, length) in ranges {
        let name = format!("read {offset}+{length} of a large file");
        rows.push(row(name).asks([open("/shared/big", READ), read(nth(0), offset, length)]));
    }
    let sequence = (0..10).map(|i| read(nth(0), i * 32_768, 32_768)).collect();
    rows.push(
        row("read a large file in one go")
            .ask(open("/shared/big", READ))
            .together(sequence),
    );
    let past = (0..63).map(|i| read(nth(0), i * 5, 5)).collect();
    rows.push(
        row("63 reads past the end")
            .ask(open("@/file", READ))
            .together(past),
    );
    rows.push(row("read an empty file").asks([open("@/empty", READ), read(nth(0), 0, 10)]));
    rows.push(row("read through a link").asks([open("@/chain", READ), read(nth(0), 0, 100)]));
    rows.push(row("read without READ").asks([open("@/file", WRITE), read(nth(0), 0, 10)]));
    rows.push(row("read a directory opened as a file").asks([open("@/dir", READ), read(nth(0), 0, 10)]));
    rows.push(row("read what was removed").asks([
        open("@/file", READ),
        remove("@/file"),
        read(nth(0), 0, 100),
    ]));
    rows.push(row("read what was renamed").asks([
        open("@/file", READ),
        rename("@/file", "@/renamed"),
        read(nth(0), 0, 100),
        fstat(nth(0)),
    ]));
}

fn writes(rows: &mut Vec<Row>) {
    let offsets = [
        0,
        1,
        5,
        11,
        12,
        13,
        100,
        70_000,
        (1 << 63) - 1,
        1 << 63,
        u64::MAX,
        (1 << 63) - 4,
        1 << 62,
    ];
    for offset in offsets {
        for data in ["", "abc"] {
            let name = format!("write {} bytes at {offset}", data.len());
            rows.push(row(name).asks([open("@/file", WRITE), write(nth(0), offset, data), fstat(nth(0))]));
        }
    }
    for length in [32_768, 65_536, 261_120] {
        let data = vec![b'w'; length];
        rows.push(row(format!("write {length} bytes")).asks([
            open("@/new", WRITE | CREAT),
            write(nth(0), 0, &data),
            write(nth(0), length as u64, &data),
            fstat(nth(0)),
        ]));
    }
    rows.push(row("write without WRITE").asks([open("@/file", READ), write(nth(0), 0, "x")]));
    rows.push(row("write nothing without WRITE").asks([open("@/file", READ), write(nth(0), 0, "")]));
    rows.push(row("append ignores the offset").asks([
        open("@/file", WRITE | APPEND),
        write(nth(0), 0, "one "),
        write(nth(0), 2, "two"),
        fstat(nth(0)),
    ]));
    rows.push(row("append at 2^63").asks([open("@/file", WRITE | APPEND), write(nth(0), 1 << 63, "x")]));
    rows.push(row("append and read back").asks([
        open("@/file", READ | WRITE | APPEND),
        write(nth(0), 0, "more"),
        read(nth(0), 0, 100),
        read(nth(0), 12, 4),
    ]));
    rows.push(
        row("write backwards")
            .ask(open("@/new", READ | WRITE | CREAT))
            .asks([
                write(nth(0), 6, "world"),
                write(nth(0), 0, "hello "),
                read(nth(0), 0, 100),
            ]),
    );
    rows.push(
        row("a hole reads as zeros")
            .ask(open("@/new", READ | WRITE | CREAT))
            .asks([write(nth(0), 100, "end"), read(nth(0), 90, 20), fstat(nth(0))]),
    );
    rows.push(row("two handles see one file").asks([
        open("@/file", WRITE),
        open("@/file", READ),
        write(nth(0), 0, "HELLO"),
        read(nth(1), 0, 12),
        close(nth(0)),
        read(nth(1), 0, 12),
    ]));
    rows.push(row("truncate under an open handle").asks([
        open("@/file", READ),
        open("@/file", WRITE | TRUNC),
        read(nth(0), 0, 10),
        write(nth(1), 0, "x"),
        read(nth(0), 0, 10),
    ]));
}

fn handles(rows: &mut Vec<Row>) {
    type Use = (&'static str, fn(Handle) -> Request);
    let uses: [Use; 11] = [
        ("close", close),
        ("read", |h| read(h, 0, 10)),
        ("write", |h| write(h, 0, "x")),
        ("fstat", fstat),
        ("fsetstat mode", |h| fsetstat(h, &Attrs::mode(0o640))),
        ("fsetstat of nothing", |h| fsetstat(h, &Attrs::default())),
        ("fsetstat size", |h| fsetstat(h, &Attrs::size(3))),
        ("fsetstat times", |h| {
            fsetstat(h, &Attrs::times(1_100_000_000, 1_200_000_000))
        }),
        ("readdir", readdir),
        ("fsync", |h| extended_handle("fsync@openssh.com", h)),
        ("fstatvfs", |h| extended_handle("fstatvfs@openssh.com", h)),
    ];
    for (name, make) in uses {
        let bad: [(&str, &[u8]); 8] = [
            ("an empty handle", b""),
            ("a handle of one byte", b"\0"),
            ("a handle of three bytes", b"\0\0\0"),
            ("a handle that was never given", b"\x7f\xff\xff\xf0"),
            ("a handle of zeros", b"\0\0\0\x09"),
            ("a negative handle", b"\xff\xff\xff\xff"),
            ("a handle of eight bytes", b"ABCDEFGH"),
            ("a handle of 300 bytes", &[b'h'; 300]),
        ];
        for (what, bytes) in bad {
            rows.push(row(format!("{name}: {what}")).ask(make(bogus(bytes))));
        }
        let closed = |path: &str, open: Request| {
            row(format!("{name}: a closed handle of {path}")).asks([open, close(nth(0)), make(nth(0))])
        };
        rows.push(closed("a file", open("@/file", READ | WRITE)));
        rows.push(closed("a directory", opendir("@/dir")));
        rows.push(row(format!("{name}: a directory's handle")).asks([opendir("@/emptydir"), make(nth(0))]));
        rows.push(row(format!("{name}: a file's handle")).asks([open("@/file", READ | WRITE), make(nth(0))]));
        rows.push(
            row(format!("{name}: a file's handle for reading")).asks([open("@/file", READ), make(nth(0))]),
        );
        rows.push(
            row(format!("{name}: a directory opened as a file"))
                .asks([open("@/emptydir", READ), make(nth(0))]),
        );
    }
    rows.push(row("close twice").asks([open("@/file", READ), close(nth(0)), close(nth(0))]));
    let many: Vec<_> = (0..100).map(|_| open("@/file", READ)).collect();
    rows.push(
        row("a hundred handles of one file")
            .together(many)
            .asks([read(nth(0), 0, 5), read(nth(99), 0, 5)]),
    );
}
