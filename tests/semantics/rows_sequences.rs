//! Sequences that real clients send in one write, and their use of request ids.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

/// Returns all sequences, in groups.
pub fn rows() -> Vec<Row> {
    let mut rows = uploads();
    rows.extend(replacements());
    rows.extend(request_ids());
    rows.extend(pipelines());
    rows
}

/// Sequences with which clients upload files and create directories.
fn uploads() -> Vec<Row> {
    vec![
        row("lftp: FSETSTAT and CLOSE behind unacknowledged WRITEs")
            .ask(open("@/up", WRITE | CREAT))
            .together(vec![
                write(nth(0), 0, vec![b'a'; 32_768]),
                write(nth(0), 32_768, vec![b'b'; 32_768]),
                write(nth(0), 65_536, "end"),
                fsetstat(
                    nth(0),
                    &Attrs {
                        size: Some(65_539),
                        times: Some((7, 8)),
                        ..Attrs::default()
                    },
                ),
                close(nth(0)),
                stat("@/up"),
            ]),
        row("sshfs: OPEN(CREAT) and LSTAT")
            .together(vec![open_with("@/new", 0x1a, &Attrs::mode(0)), lstat("@/new")]),
        row("lftp: MKDIR q, q/w, q/w/e").together(vec![
            mkdir("@/q", &Attrs::default()),
            mkdir("@/q/w", &Attrs::default()),
            mkdir("@/q/w/e", &Attrs::default()),
        ]),
        row("curl: MKDIR of what exists, then beneath").together(vec![
            mkdir("@/dir", &Attrs::mode(0o40755)),
            mkdir("@/dir/n", &Attrs::mode(0o40755)),
            open_with("@/dir/n/f", WRITE | CREAT | TRUNC, &Attrs::mode(0o100_644)),
        ]),
        row("scp: WRITE|CREAT without TRUNC, then FSETSTAT size")
            .ask(open("@/file", WRITE | CREAT))
            .together(vec![
                write(nth(0), 0, "short"),
                fsetstat(nth(0), &Attrs::size(5)),
                close(nth(0)),
            ]),
        row("put -a: STAT, OPEN WRITE|CREAT|APPEND").asks([
            stat("@/file"),
            open("@/file", WRITE | CREAT | APPEND),
            write(nth(0), 12, "more"),
            fstat(nth(0)),
        ]),
    ]
}

/// Sequences with which clients replace files and list directories.
fn replacements() -> Vec<Row> {
    vec![
        row("WinSCP: CLOSE and SETSTAT before the acknowledgements")
            .ask(open("@/f.part", WRITE | CREAT | TRUNC))
            .together(vec![
                write(nth(0), 0, "content"),
                close(nth(0)),
                remove("@/f"),
                rename("@/f.part", "@/f"),
                setstat(
                    "@/f",
                    &Attrs {
                        mode: Some(0o640),
                        times: Some((9, 10)),
                        ..Attrs::default()
                    },
                ),
                lstat("@/f"),
            ]),
        row("restic: OPEN W|C|X on a temporary name, then posix-rename")
            .ask(open("@/tmp", WRITE | CREAT | EXCL))
            .asks([
                write(nth(0), 0, "pack"),
                fsetstat(nth(0), &Attrs::mode(0o400)),
                close(nth(0)),
                extended_paths("posix-rename@openssh.com", &[b"@/tmp", b"@/file"]),
                lstat("@/file"),
            ]),
        row("rclone: REMOVE, RENAME, SETSTAT, STAT").together(vec![
            remove("@/file"),
            rename("@/old", "@/file"),
            setstat("@/file", &Attrs::times(11, 12)),
            stat("@/file"),
        ]),
        row("FileZilla: four READDIRs queued")
            .ask(opendir("@/emptydir"))
            .together(vec![
                readdir(nth(0)),
                readdir(nth(0)),
                readdir(nth(0)),
                readdir(nth(0)),
                close(nth(0)),
                readdir(nth(0)),
            ]),
    ]
}

/// Requests whose ids are unusual or repeated.
fn request_ids() -> Vec<Row> {
    vec![
        row("OpenSSH: ids 8, 9, then 7")
            .ask(open("@/new", WRITE | CREAT))
            .together(vec![
                write(nth(0), 0, "a").id(8),
                write(nth(0), 1, "b").id(9),
                close(nth(0)).id(7),
            ]),
        row("psftp: ids begin again at 256").asks([
            open("@/new", WRITE | CREAT).id(256),
            write(nth(0), 0, "x").id(257),
            close(nth(0)).id(258),
            stat("@/new").id(256),
        ]),
        row("ids at the ends").asks([
            stat("@/file").id(0),
            stat("@/file").id(u32::MAX),
            stat("@/file").id(0x8000_0000),
            stat("@/file").id(0),
        ]),
        row("the same id four times at once").together(vec![
            stat("@/file").id(5),
            stat("@/missing").id(5),
            lstat("@/link").id(5),
            realpath("@/dlink").id(5),
        ]),
    ]
}

/// Many requests in one write.
fn pipelines() -> Vec<Row> {
    let prefetch = (0..64).map(|i| read(nth(0), i * 5_000, 5_000)).collect();
    vec![
        row("a handle is of no use right after CLOSE")
            .ask(open("@/file", READ))
            .together(vec![read(nth(0), 0, 5), close(nth(0)), read(nth(0), 0, 5)]),
        row("READs and WRITEs in turn")
            .ask(open("@/file", READ | WRITE))
            .together(
                (0..20)
                    .flat_map(|i| [write(nth(0), i, [b'a' + i as u8]), read(nth(0), 0, 40)])
                    .collect(),
            ),
        row("200 STATs at once").together(
            (0..200)
                .map(|i| stat(if i % 3 == 0 { "@/missing" } else { "@/file" }))
                .collect(),
        ),
        row("fsync among WRITEs")
            .ask(open("@/new", WRITE | CREAT))
            .together(vec![
                write(nth(0), 0, "a"),
                extended_handle("fsync@openssh.com", nth(0)),
                write(nth(0), 1, "b"),
                fstat(nth(0)),
                extended_handle("fsync@openssh.com", nth(0)),
                write(nth(0), 2, "c"),
                close(nth(0)),
                stat("@/new"),
            ]),
        row("paramiko: READs of the whole file at once")
            .ask(open("/shared/big", READ))
            .together(prefetch),
    ]
}
