//! SETSTAT, FSETSTAT and lsetstat@: each attribute, all at once, and values that cannot be set.

use crate::semantics::row::{Row, row};
use testkit::packets::*;
use testkit::{is_root, skipped};

fn attributes() -> Vec<(&'static str, Attrs)> {
    let owner = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    vec![
        ("nothing", Attrs::default()),
        ("size 0", Attrs::size(0)),
        ("size 5", Attrs::size(5)),
        ("size 12", Attrs::size(12)),
        ("size 100", Attrs::size(100)),
        ("size 2^40", Attrs::size(1 << 40)),
        ("size 2^63", Attrs::size(1 << 63)),
        ("size 2^64-1", Attrs::size(u64::MAX)),
        ("mode 0644", Attrs::mode(0o644)),
        ("mode 0666", Attrs::mode(0o666)),
        ("mode 0100600", Attrs::mode(0o100_600)),
        ("mode 0777", Attrs::mode(0o777)),
        ("mode 0500", Attrs::mode(0o500)),
        ("mode 0700", Attrs::mode(0o700)),
        ("mode 0", Attrs::mode(0)),
        ("mode 0222", Attrs::mode(0o222)),
        ("mode 04755", Attrs::mode(0o4755)),
        ("mode 02755", Attrs::mode(0o2755)),
        ("mode 01777", Attrs::mode(0o1777)),
        ("mode 0xffffffff", Attrs::mode(u32::MAX)),
        ("both times", Attrs::times(1_100_000_000, 1_200_000_000)),
        ("times 0", Attrs::times(0, 0)),
        ("times after 2038", Attrs::times(0x8000_0000, 0x8000_0001)),
        ("the owner that it has", Attrs::owner(owner.0, owner.1)),
        ("another owner", Attrs::owner(12345, 12345)),
        ("owner -1", Attrs::owner(u32::MAX, u32::MAX)),
        (
            "all",
            Attrs {
                size: Some(4),
                mode: Some(0o600),
                times: Some((1, 2)),
                owner: Some(owner),
                ..Attrs::default()
            },
        ),
        (
            "all but another owner",
            Attrs {
                size: Some(4),
                mode: Some(0o600),
                times: Some((1, 2)),
                owner: Some((9, 9)),
                ..Attrs::default()
            },
        ),
        (
            "size and times",
            Attrs {
                size: Some(4),
                times: Some((1, 2)),
                ..Attrs::default()
            },
        ),
        (
            "a bad size and a mode",
            Attrs {
                size: Some(1 << 63),
                mode: Some(0o600),
                ..Attrs::default()
            },
        ),
        (
            "extended pairs",
            Attrs {
                extended: vec![(b"x@y".to_vec(), b"z".to_vec()); 3],
                ..Attrs::mode(0o600)
            },
        ),
        (
            "an odd flag",
            Attrs {
                odd_flags: 0x20,
                ..Attrs::mode(0o600)
            },
        ),
    ]
}

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, attrs) in attributes() {
        // In a user namespace, other owners do not exist, so the reference returns EINVAL instead of EPERM.
        if name.contains("another owner") && !is_root() {
            skipped(
                name,
                "the reference runs in a namespace in which there are no other users",
            );
            continue;
        }
        for place in [
            "file", "dir", "link", "dlink", "dangling", "readonly", "secret", "locked",
        ] {
            let path = format!("@/{place}");
            rows.push(row(format!("setstat {name}: {place}")).asks([setstat(&path, &attrs), lstat(&path)]));
            // chmod of a file that is not a link, by fchmodat, depends on the age of OpenSSH's libc and kernel.
            if attrs.mode.is_none() || place.contains("link") {
                rows.push(
                    row(format!("lsetstat {name}: {place}")).asks([lsetstat(&path, &attrs), lstat(&path)]),
                );
            }
        }
        for (how, open) in [
            ("for writing", open("@/file", READ | WRITE)),
            ("for reading", open("@/file", READ)),
            ("as a directory", opendir("@/dir")),
        ] {
            let name = format!("fsetstat {name}: opened {how}");
            rows.push(row(name).asks([open, fsetstat(nth(0), &attrs), fstat(nth(0))]));
        }
        rows.push(row(format!("mkdir with {name}")).asks([mkdir("@/new", &attrs), lstat("@/new")]));
    }
    for path in ["@", "/@", "@/.", "/@/"] {
        let name = format!("setstat times: \"{path}\"");
        rows.push(row(name).asks([setstat(path, &Attrs::times(1, 2)), stat("@")]));
    }
    rows
}
