//! Edge cases of the extensions; those that take one path or one handle are also in the tables for paths and handles.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    rows.push(row("limits").ask(extended("limits@openssh.com", vec![])));
    rows.push(row("limits with something behind it").ask(extended("limits@openssh.com", vec![Part::U32(7)])));
    for name in [
        "",
        "unknown@example.com",
        "limits",
        "limits@openssh.com\0",
        "LIMITS@OPENSSH.COM",
        "posix-rename",
        "fsync",
        "statvfs",
        "copy-data@openssh.com",
        "copy-file",
        "home-directory@openssh.com",
        "text-seek",
        "vendor-id",
        "\u{7f}\n",
    ] {
        rows.push(row(format!("extension \"{}\"", name.escape_debug())).ask(extended(name, vec![])));
    }
    rows.push(row("extension with a long name").ask(extended(&"x".repeat(10_000), vec![Part::U32(1)])));
    for (name, path) in [
        ("home", "~"),
        ("home with a slash", "~/"),
        ("beneath the home", "~/dir/x"),
        ("of the user", "~alice/x"),
        ("of nobody", "~nobody-here/x"),
        ("plain", "x/../y"),
        ("tilde inside", "a~b"),
        ("tilde behind a slash", "/~"),
        ("nothing", ""),
        ("up", "~/../.."),
        ("existing", "/shared/many/.."),
        ("two tildes", "~~"),
    ] {
        rows.push(
            row(format!("expand-path {name}"))
                .ask(extended_paths("expand-path@openssh.com", &[path.as_bytes()])),
        );
    }
    for name in ["alice", "", "nobody-here", "root", "../alice", "alice\0", "ALICE"] {
        let request = extended("home-directory", vec![Part::Text(name.into())]);
        rows.push(row(format!("home-directory of \"{}\"", name.escape_debug())).ask(request));
    }
    ids(&mut rows);
    copies(&mut rows);
    broken(&mut rows);
    rows.push(row("fsync of what was written").asks([
        open("@/new", WRITE | CREAT),
        write(nth(0), 0, "x"),
        extended_handle("fsync@openssh.com", nth(0)),
    ]));
    rows.push(row("lsetstat leaves the target alone").asks([
        lsetstat("@/link", &Attrs::times(5, 6)),
        lstat("@/link"),
        stat("@/link"),
    ]));
    rows
}

fn ids(rows: &mut Vec<Row>) {
    let numbers = |ids: &[u32]| Part::Text(ids.iter().flat_map(|id| id.to_be_bytes()).collect());
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let name = "users-groups-by-id@openssh.com";
    for (what, users, groups) in [
        ("of oneself", vec![uid], vec![gid]),
        ("of nobody", vec![], vec![]),
        ("unknown", vec![77_777, u32::MAX], vec![88_888]),
        ("mixed", vec![77_777, uid, uid], vec![gid, 88_888]),
        ("a thousand", vec![uid; 1000], vec![gid; 1000]),
    ] {
        rows.push(
            row(format!("users-groups-by-id {what}"))
                .ask(extended(name, vec![numbers(&users), numbers(&groups)])),
        );
    }
    let half = Part::Text(vec![0, 0]);
    rows.push(
        row("users-groups-by-id with half an id")
            .own_session()
            .ask(extended(name, vec![half, numbers(&[])])),
    );
    rows.push(
        row("users-groups-by-id without groups")
            .own_session()
            .ask(extended(name, vec![numbers(&[uid])])),
    );
}

fn copies(rows: &mut Vec<Row>) {
    let two = [open("/shared/big", READ), open("@/new", READ | WRITE | CREAT)];
    for (at, length, into) in [
        (0, 0, 0),
        (0, 1000, 0),
        (1000, 0, 0),
        (299_990, 100, 0),
        (300_000, 0, 0),
        (300_000, 10, 0),
        (400_000, 10, 0),
        (0, 10, 50),
        (0, u64::MAX, 0),
        (1 << 63, 0, 0),
        (0, 10, 1 << 63),
        (u64::MAX, u64::MAX, u64::MAX),
        (0, 0, 5),
        (250_000, 100_000, 7),
        (250_000, 50_001, 0),
        (250_000, 1_000_000, 0),
        (300_000, 65_536, 0),
        (300_000, 65_537, 0),
        (1 << 62, 0, 0),
        (1 << 62, 5, 0),
        (0, 10, 1 << 62),
    ] {
        rows.push(
            row(format!("copy-data {at}+{length} to {into}"))
                .asks(two.clone())
                .asks([
                    copy_data(nth(0), at, length, nth(1), into),
                    fstat(nth(1)),
                    read(nth(1), 0, 100),
                ]),
        );
    }
    rows.push(row("copy-data onto itself").asks([
        open("@/file", READ | WRITE),
        copy_data(nth(0), 0, 0, nth(0), 0),
        copy_data(nth(0), 0, 5, nth(0), 100),
    ]));
    rows.push(row("copy-data within one file, two handles").asks([
        open("@/file", READ),
        open("@/file", READ | WRITE),
        copy_data(nth(0), 0, 5, nth(1), 6),
        read(nth(1), 0, 100),
    ]));
    rows.push(row("copy-data overlapping, two handles").asks([
        open("@/file", READ),
        open("@/file", READ | WRITE),
        copy_data(nth(0), 0, 8, nth(1), 2),
        read(nth(1), 0, 100),
    ]));
    rows.push(row("copy-data to a handle for reading").asks([
        open("@/file", READ),
        open("@/old", READ),
        copy_data(nth(0), 0, 0, nth(1), 0),
    ]));
    rows.push(row("copy-data from a handle for writing").asks([
        open("@/file", WRITE),
        open("@/new", WRITE | CREAT),
        copy_data(nth(0), 0, 0, nth(1), 0),
    ]));
    rows.push(row("copy-data from a directory").asks([
        opendir("@/dir"),
        open("@/new", WRITE | CREAT),
        copy_data(nth(0), 0, 0, nth(1), 0),
    ]));
    rows.push(row("copy-data to a directory").asks([
        open("@/file", READ),
        opendir("@/dir"),
        copy_data(nth(0), 0, 0, nth(1), 0),
    ]));
    rows.push(row("copy-data from a bad handle").asks([
        open("@/new", WRITE | CREAT),
        copy_data(bogus(b"none"), 0, 0, nth(0), 0),
    ]));
    rows.push(
        row("copy-data to a bad handle")
            .asks([open("@/file", READ), copy_data(nth(0), 0, 0, bogus(b"none"), 0)]),
    );
    rows.push(row("copy-data to an appending handle").asks([
        open("@/file", READ),
        open("@/old", WRITE | APPEND),
        copy_data(nth(0), 0, 0, nth(1), 0),
        fstat(nth(1)),
    ]));
}

/// Adds requests whose bodies are too short.
fn broken(rows: &mut Vec<Row>) {
    let whole = [
        (
            "posix-rename",
            extended_paths("posix-rename@openssh.com", &[b"@/file", b"@/new"]),
        ),
        (
            "hardlink",
            extended_paths("hardlink@openssh.com", &[b"@/file", b"@/new"]),
        ),
        ("statvfs", extended_paths("statvfs@openssh.com", &[b"@/file"])),
        ("expand-path", extended_paths("expand-path@openssh.com", &[b"~"])),
        ("home-directory", extended_paths("home-directory", &[b"alice"])),
        ("fsync", extended_handle("fsync@openssh.com", bogus(b"\0\0\0\0"))),
        ("lsetstat", lsetstat("@/file", &Attrs::mode(0o600))),
        (
            "copy-data",
            copy_data(bogus(b"\0\0\0\0"), 0, 0, bogus(b"\0\0\0\0"), 0),
        ),
    ];
    for (name, request) in whole {
        rows.push(
            row(format!("{name}, cut short"))
                .own_session()
                .ask(request.clone().cut(1)),
        );
        rows.push(row(format!("{name}, with more behind it")).ask(request.trailing(b"more")));
    }
}
