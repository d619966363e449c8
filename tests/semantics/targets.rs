//! The targets of rows: names in the row's directory, and names outside of it.

/// A name for messages, and the path that is sent (`@` is the row's directory).
pub type Target = (String, Vec<u8>);

/// Names in the row's directory: one of each kind of file, paths through other files and links, and unusual spellings.
const PLAIN: &[&str] = &[
    "missing",
    "file",
    "empty",
    "old",
    "dir",
    "emptydir",
    "link",
    "dlink",
    "dangling",
    "loop",
    "abs",
    "absdir",
    "up",
    "deep",
    "chain",
    "self",
    "slashed",
    "parent",
    "into",
    "secret",
    "locked",
    "locked/in",
    "readonly",
    "rodir",
    "rodir/f",
    "rodir/new",
    "nox",
    "nox/f",
    "wonly",
    "exec",
    "suid",
    "hard1",
    "socket",
    // Paths through a file that is not a directory, or through links.
    "missing/x",
    "file/x",
    "link/x",
    "dlink/inner",
    "absdir/inner",
    "dangling/x",
    "loop/x",
    "self/self/file",
    "dir/back",
    "dlink/../file",
    "dlink/new",
    "up/x",
    // Unusual spellings.
    "file/",
    "dir/",
    "emptydir/",
    "dlink/",
    "link/",
    "dangling/",
    "loop/",
    "missing/",
    "file/.",
    "dir/.",
    "dir/..",
    "dlink/..",
    "dlink/.",
    "file/..",
    "missing/..",
    "missing/../file",
    "dir/../file",
    "dir/./inner",
    "dir//inner",
    "dir///",
    "./file",
    "with space",
    "new\nline",
    "-dash",
    "*glob?[x]",
    "back\\slash",
    "tab\t\u{1b}[31mred",
    "\u{fc}n\u{ef}",
];

/// Paths in the row's directory that are not plain text, or are very long, with names for messages.
fn special() -> [(&'static str, Vec<u8>); 10] {
    [
        ("latin-1 name", b"@/caf\xe9".to_vec()),
        ("missing latin-1 name", b"@/na\xefve".to_vec()),
        (
            "name of 255 bytes",
            ["@/".to_owned(), "n".repeat(255)].concat().into_bytes(),
        ),
        (
            "missing name of 255 bytes",
            ["@/".to_owned(), "m".repeat(255)].concat().into_bytes(),
        ),
        (
            "name of 256 bytes",
            ["@/".to_owned(), "n".repeat(256)].concat().into_bytes(),
        ),
        (
            "component of 300 bytes",
            ["@/".to_owned(), "c".repeat(300), "/x".to_owned()]
                .concat()
                .into_bytes(),
        ),
        (
            "path of 4000 bytes",
            ["@/", &"./".repeat(1990), "file"].concat().into_bytes(),
        ),
        (
            "path of 5000 bytes",
            ["@/", &"./".repeat(2490), "file"].concat().into_bytes(),
        ),
        ("NUL in the name", b"@/fi\0le".to_vec()),
        ("NUL behind the name", b"@/file\0".to_vec()),
    ]
}

/// Returns one target of each kind, in each spelling.
pub fn inside() -> Vec<Target> {
    let mut targets: Vec<Target> = PLAIN
        .iter()
        .map(|name| (name.escape_debug().to_string(), format!("@/{name}").into_bytes()))
        .collect();
    targets.extend(special().map(|(name, path)| (name.to_owned(), path)));
    targets
}

/// Returns paths from the root, and paths that would leave it.
pub fn outside() -> Vec<Target> {
    let paths = [
        "",
        ".",
        "..",
        "/",
        "//",
        "/.",
        "/..",
        "./",
        "../",
        "./.",
        "../..",
        "/../..",
        "/@",
        "/@/",
        "/@/file",
        "//@//file",
        "/@/dir/../file",
        "../@/file",
        "/../@/file",
        "../../../../etc/passwd",
        "/../../etc/passwd",
        "/etc/passwd",
        "/etc/shadow",
        "/proc/self/root/etc/passwd",
        "~",
        "~/x",
        "~alice",
        "/shared/big",
        "\0",
    ];
    paths
        .iter()
        .map(|path| (format!("\"{}\"", path.escape_debug()), path.as_bytes().to_vec()))
        .collect()
}

/// Returns the targets inside and outside the directory.
pub fn all() -> Vec<Target> {
    [inside(), outside()].concat()
}
