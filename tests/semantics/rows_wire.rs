//! Invalid packets: truncated, too long, of unknown types; and INIT.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for version in [0, 1, 2, 3, 4, 6, u32::MAX] {
        rows.push(
            row(format!("hello, version {version}"))
                .without_init()
                .ask(init(version))
                .ask(stat("@/file")),
        );
    }
    let pairs = [&[0, 0, 0, 3][..], b"a@b", &[0, 0, 0, 1], b"1"].concat();
    rows.push(
        row("hello with extensions")
            .without_init()
            .ask(init(3).trailing(&pairs))
            .ask(stat("@/file")),
    );
    rows.push(
        row("hello with half an extension")
            .without_init()
            .ask(init(3).trailing(&pairs[..5]))
            .ask(stat("@/file")),
    );
    rows.push(
        row("hello too short")
            .without_init()
            .ask(init(3).cut(1))
            .ask(stat("@/file")),
    );
    rows.push(row("hello twice").own_session().ask(init(3)).ask(stat("@/file")));
    rows.push(row("a request before hello").without_init().ask(stat("@/file")));
    for (name, request) in whole() {
        for cut in [1, 4] {
            rows.push(
                row(format!("{name} cut by {cut}"))
                    .own_session()
                    .ask(request.clone().cut(cut))
                    .ask(stat("@/file")),
            );
        }
        rows.push(
            row(format!("{name} with more behind it"))
                .own_session()
                .ask(request.clone().trailing(&[7; 9]))
                .ask(stat("@/file")),
        );
    }
    for (name, body) in [
        ("nothing at all", &[][..]),
        ("a string longer than the packet", &[0, 0, 1, 0, b'x']),
        ("a string of 4 GiB", &[0xff, 0xff, 0xff, 0xff, b'x']),
        ("half a length", &[0, 0]),
    ] {
        for (verb, kind) in [
            ("stat", 17),
            ("open", 3),
            ("read", 5),
            ("write", 6),
            ("close", 4),
            ("extended", 200),
        ] {
            rows.push(
                row(format!("{verb} of {name}"))
                    .own_session()
                    .ask(any(kind, body))
                    .ask(stat("@/file")),
            );
        }
    }
    for length in [0, 0x4_0001, 0x8000_0000, u32::MAX] {
        let request = stat("@/file").claiming(length);
        rows.push(
            row(format!("a packet that claims {length} bytes"))
                .own_session()
                .together(vec![request, stat("@/file")]),
        );
    }
    let write_data = vec![b'x'; 262_144 - 4 - 25];
    rows.push(
        row("a packet of exactly 256 KiB")
            .ask(open("@/new", WRITE | CREAT))
            .ask(write(nth(0), 0, write_data))
            .ask(fstat(nth(0))),
    );
    rows
}

fn whole() -> Vec<(&'static str, Request)> {
    let bad = || bogus(b"\0\0\0\0");
    vec![
        ("open", open("@/file", READ)),
        ("close", close(bad())),
        ("read", read(bad(), 0, 1)),
        ("write", write(bad(), 0, "data")),
        ("lstat", lstat("@/file")),
        ("fstat", fstat(bad())),
        ("setstat", setstat("@/file", &Attrs::mode(0o600))),
        ("fsetstat", fsetstat(bad(), &Attrs::mode(0o600))),
        ("opendir", opendir("@/dir")),
        ("readdir", readdir(bad())),
        ("remove", remove("@/file")),
        ("mkdir", mkdir("@/new", &Attrs::mode(0o755))),
        ("rmdir", rmdir("@/emptydir")),
        ("realpath", realpath("@/file")),
        ("stat", stat("@/file")),
        ("rename", rename("@/file", "@/new")),
        ("readlink", readlink("@/link")),
        ("symlink", symlink("file", "@/new")),
    ]
}
