//! OPENDIR and READDIR: listings, compared as sorted lists with attributes and long names.

use crate::semantics::row::{Row, row};
use testkit::packets::*;

pub fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for path in [
        "@",
        "@/",
        "/@",
        "@/.",
        "@/dir",
        "@/dir/",
        "@/dir/.",
        "@/dir/..",
        "@/emptydir",
        "@/dlink",
        "@/dlink/",
        "@/absdir",
        "@/self",
        "@/slashed",
        "@/parent",
        "@/rodir",
        "@/nox",
        "@/dir/sub/..",
        "/shared",
        "/shared/many",
        "/etc",
    ] {
        rows.push(row(format!("list \"{path}\"")).ask(opendir(path)).list(0));
    }
    // The root contains the directories of all rows, so only its own two names are compared.
    for path in ["/", "", ".", "..", "/..", "../.."] {
        let name = format!("attributes of \"{path}\" and above");
        rows.push(row(name).asks([stat(path), lstat(path), realpath(path)]));
    }
    handles(&mut rows);
    long_names(&mut rows);
    rows
}

/// Adds rows about the handles of directories, and about directories that change while they are open.
fn handles(rows: &mut Vec<Row>) {
    rows.push(
        row("readdir after the end")
            .ask(opendir("@/emptydir"))
            .list(0)
            .asks([readdir(nth(0)), readdir(nth(0)), close(nth(0))]),
    );
    rows.push(row("four readdirs at once").ask(opendir("@/dir")).together(vec![
        readdir(nth(0)).id(900),
        readdir(nth(0)).id(901),
        readdir(nth(0)).id(902),
        readdir(nth(0)).id(903),
    ]));
    rows.push(
        row("two handles of one directory")
            .asks([opendir("@/dir"), opendir("@/dir")])
            .list(0)
            .list(1),
    );
    rows.push(
        row("list a directory that was removed")
            .asks([opendir("@/emptydir"), rmdir("@/emptydir")])
            .list(0),
    );
    rows.push(
        row("list what was made a moment ago")
            .ask(mkdir("@/new", &Attrs::default()))
            .asks([
                open("@/new/a", WRITE | CREAT),
                write(nth(0), 0, "12345"),
                close(nth(0)),
                symlink("a", "@/new/l"),
                mkdir("@/new/d", &Attrs::default()),
                opendir("@/new"),
            ])
            .list(1),
    );
    rows.push(
        row("list renamed directory")
            .asks([opendir("@/dir"), rename("@/dir", "@/moved")])
            .list(0),
    );
    rows.push(row("fstat of a directory's handle").asks([opendir("@/dir"), fstat(nth(0))]));
}

/// Adds rows about the columns of long names.
fn long_names(rows: &mut Vec<Row>) {
    rows.push(
        row("list modes")
            .asks(
                MODES
                    .iter()
                    .map(|&mode| mkdir(format!("@/emptydir/{mode:o}"), &Attrs::mode(mode))),
            )
            .ask(opendir("@/emptydir"))
            .list(0),
    );
    rows.push(
        row("list sizes")
            .asks(SIZES.iter().flat_map(|&size| {
                let name = format!("@/emptydir/{size}");
                [
                    open(&name, WRITE | CREAT | EXCL),
                    setstat(&name, &Attrs::size(size)),
                ]
            }))
            .ask(opendir("@/emptydir"))
            .list(SIZES.len()),
    );
    rows.push(
        row("list dates")
            .asks(DATES.iter().flat_map(|&date| {
                let name = format!("@/emptydir/{date}");
                [
                    open(&name, WRITE | CREAT | EXCL),
                    setstat(&name, &Attrs::times(date, date)),
                ]
            }))
            .ask(opendir("@/emptydir"))
            .list(DATES.len()),
    );
}

const MODES: [u32; 12] = [
    0o700, 0o755, 0o750, 0o711, 0o701, 0o720, 0o702, 0o744, 0o754, 0o777, 0o500, 0o555,
];

/// Sizes from one digit to fourteen, around the width of the column.
const SIZES: [u64; 9] = [
    0,
    9,
    12_345,
    9_999_999,
    12_345_678,
    123_456_789,
    1_234_567_890,
    12_345_678_901,
    1_000_000_000_000,
];

/// Times in 1970, with days of one and two digits, in winter and summer, on a leap day, and after 2038.
const DATES: [u32; 9] = [
    0,
    86_399,
    951_782_400,
    1_000_000_000,
    1_120_000_000,
    1_136_073_600,
    1_230_767_999,
    1_330_473_600,
    2_200_000_000,
];
