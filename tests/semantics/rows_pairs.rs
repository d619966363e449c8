//! Requests of two names: RENAME, posix-rename@, hardlink@, SYMLINK.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

const FROM: [&str; 26] = [
    "missing",
    "file",
    "dir",
    "emptydir",
    "link",
    "dlink",
    "dangling",
    "loop",
    "abs",
    "secret",
    "readonly",
    "rodir/f",
    "locked/in",
    "hard1",
    "file/",
    "dir/",
    "dlink/",
    "link/",
    "missing/x",
    "file/x",
    "dlink/inner",
    "dir/.",
    "dir/..",
    "socket",
    "fifo",
    "with space",
];

const TO: [&str; 29] = [
    "new",
    "file",
    "dir",
    "emptydir",
    "link",
    "dlink",
    "dangling",
    "loop",
    "hard2",
    "dir/new",
    "dir/sub",
    "dir/sub/new",
    "emptydir/new",
    "dlink/new",
    "missing/new",
    "file/new",
    "rodir/new",
    "locked/new",
    "new/",
    "file/",
    "emptydir/",
    "dlink/",
    "dangling/",
    "dir/.",
    "dir/..",
    "readonly",
    "secret",
    "new\nname",
    "self/new",
];

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for from in FROM {
        for to in TO {
            // Not all pairs are needed: each special name is combined with the plain ones of the other side.
            let plain = |name: &str| ["new", "file", "dir", "emptydir", "link", "dlink"].contains(&name);
            if !plain(from) && !plain(to) {
                continue;
            }
            let (a, b) = (format!("@/{from}"), format!("@/{to}"));
            let names = format!("{from} to {}", to.escape_debug());
            rows.push(row(format!("rename {names}")).ask(rename(&a, &b)));
            let paths = [a.as_bytes(), b.as_bytes()];
            rows.push(
                row(format!("posix-rename {names}")).ask(extended_paths("posix-rename@openssh.com", &paths)),
            );
            rows.push(row(format!("hardlink {names}")).ask(extended_paths("hardlink@openssh.com", &paths)));
        }
    }
    odd_pairs(&mut rows);
    symlinks(&mut rows);
    rows
}

fn odd_pairs(rows: &mut Vec<Row>) {
    let long = format!("@/{}", "l".repeat(300));
    let longest = format!("@/{}", "l".repeat(255));
    let endless = format!("@/{}", "x/".repeat(2500));
    let pairs: [(&str, &[u8], &[u8]); 17] = [
        ("from nothing", b"", b"@/new"),
        ("to nothing", b"@/file", b""),
        ("from .", b".", b"@/new"),
        ("from ..", b"..", b"@/new"),
        ("from /", b"/", b"@/new"),
        ("to /", b"@/file", b"/"),
        ("to .", b"@/emptydir", b"."),
        ("to ..", b"@/emptydir", b".."),
        ("to a name of 255 bytes", b"@/file", longest.as_bytes()),
        ("to a name of 300 bytes", b"@/file", long.as_bytes()),
        ("from a name of 300 bytes", long.as_bytes(), b"@/new"),
        ("to a path of 5000 bytes", b"@/file", endless.as_bytes()),
        ("to a latin-1 name", b"@/file", b"@/na\xefve"),
        ("from a latin-1 name", b"@/caf\xe9", b"@/new"),
        ("to a name with NUL", b"@/file", b"@/ne\0w"),
        ("absolute", b"/@/file", b"/@/dir/moved"),
        ("through the top", b"/../@/file", b"../../@/new"),
    ];
    for (name, from, to) in pairs {
        rows.push(row(format!("rename {name}")).ask(rename(from, to)));
        let paths = [from, to];
        rows.push(
            row(format!("posix-rename {name}")).ask(extended_paths("posix-rename@openssh.com", &paths)),
        );
        rows.push(row(format!("hardlink {name}")).ask(extended_paths("hardlink@openssh.com", &paths)));
    }
    rows.push(row("a directory into itself, deep").asks([
        rename("@/dir", "@/dir/sub/dir"),
        extended_paths("posix-rename@openssh.com", &[b"@/dir", b"@/dir/sub/dir"]),
    ]));
    rows.push(row("rename there and back").asks([
        rename("@/file", "@/dir/f"),
        rename("@/dir/f", "@/file"),
        lstat("@/file"),
    ]));
    rows.push(
        row("hard links count")
            .asks([
                extended_paths("hardlink@openssh.com", &[b"@/file", b"@/second"]),
                extended_paths("hardlink@openssh.com", &[b"@/second", b"@/emptydir/third"]),
                opendir("@/emptydir"),
            ])
            .list(0),
    );
}

fn symlinks(rows: &mut Vec<Row>) {
    let long = "t".repeat(4096);
    let targets: [(&str, &[u8]); 15] = [
        ("a file", b"file"),
        ("nothing there", b"nowhere"),
        ("an absolute path", b"/etc/passwd"),
        ("the top", b"/"),
        ("far up", b"../../../../etc/passwd"),
        ("itself", b"new"),
        ("an empty target", b""),
        ("a dot", b"."),
        ("spelled oddly", b"a//b/./../c/"),
        ("spaces and newlines", b"a b\nc"),
        ("latin-1", b"caf\xe9"),
        ("4095 bytes", &long.as_bytes()[..4095]),
        ("4096 bytes", long.as_bytes()),
        ("with NUL", b"fi\0le"),
        ("a target beginning with ~", b"~/x"),
    ];
    for (name, target) in targets {
        rows.push(row(format!("symlink to {name}")).asks([
            symlink(target, "@/new"),
            readlink("@/new"),
            lstat("@/new"),
            stat("@/new"),
            realpath("@/new"),
            open("@/new", READ),
        ]));
    }
    for place in [
        "/@/new",
        "@/dlink/new",
        "@/self/self/new",
        "@/missing/new",
        "@/new/",
        "",
        "@/file/new",
        "@/rodir/new",
    ] {
        rows.push(row(format!("symlink placed at \"{place}\"")).asks([symlink("x", place), readlink(place)]));
    }
    rows.push(row("a chain of 39 links").asks(chain(39)).asks([
        stat("@/l39"),
        open("@/l39", READ),
        realpath("@/l39"),
    ]));
    rows.push(row("a chain of 45 links").asks(chain(45)).asks([
        stat("@/l45"),
        open("@/l45", READ),
        realpath("@/l45"),
    ]));
    rows.push(row("remove a link, not its target").asks([remove("@/link"), stat("@/file"), lstat("@/link")]));
    rows.push(row("remove a link to a directory").asks([
        remove("@/dlink"),
        stat("@/dir/inner"),
        lstat("@/dlink"),
    ]));
}

fn chain(length: usize) -> Vec<Request> {
    let link = |n: usize| match n {
        0 => symlink("file", "@/l0"),
        n => symlink(format!("l{}", n - 1), format!("@/l{n}")),
    };
    (0..=length).map(link).collect()
}
