//! The intended differences from OpenSSH, each with its reason.

use crate::semantics::meant::Difference;
use crate::semantics::meant::Ours::{Announces, Lines, SafeModes};

/// The intended differences; the first entry that applies to a row counts.
pub const MEANT: &[Difference] = &[
    Difference {
        rows: &["hello, version*", "hello with*", "hello twice"],
        ours: Announces(&[
            "md5-hash",
            "md5-hash-handle",
            "check-file",
            "check-file-name",
            "check-file-handle",
            "continue-hash@homeport",
            "space-available",
            "supported",
            "vendor-id",
        ]),
        certain: true,
        because: "both ends can prove that they hold the same bytes",
    },
    Difference {
        rows: &["symlink to with NUL"],
        ours: Lines(&[
            NUL,
            "#2 status 2 No such file",
            "#3 status 2 No such file",
            "#4 status 2 No such file",
            "#5 names \"/@/new\" [/@/new] flags=0",
            "#6 status 2 No such file",
        ]),
        certain: true,
        because: "OpenSSH ends the session, and a mistake in one name need not end all transfers",
    },
    Difference {
        rows: &["setstat of nothing: NUL in the name"],
        ours: Lines(&["#1 status 0 Success"]),
        certain: true,
        because: "nothing is to be changed, so the name is not looked at; OpenSSH ends the session",
    },
    Difference {
        rows: &["*NUL in the name", "*a name with NUL"],
        ours: Lines(&[NUL]),
        certain: true,
        because: "OpenSSH ends the session, and a mistake in one name need not end all transfers",
    },
    Difference {
        rows: &[
            "*setstat mode*: *",
            "*setstat all*: *",
            "*setstat a bad size and a mode: *",
            "*setstat extended pairs: *",
            "*setstat an odd flag: *",
            "mkdir with mode *",
            "mkdir with all*",
            "mkdir with a bad size and a mode",
            "mkdir with extended pairs",
            "mkdir with an odd flag",
            "open WC missing with mode *",
            "sshfs: *",
        ],
        ours: SafeModes,
        // Some modes satisfy the rule already, and do not differ.
        certain: false,
        because: "what its owner can't read can't be measured for the quota, and users are virtual",
    },
    Difference {
        rows: &[
            "* cut by 1",
            "* cut by 4",
            "* of nothing at all",
            "* of a string *",
            "* of half a length",
        ],
        ours: Lines(&[
            "#1 status 5 Bad message",
            "#2 attrs flags=f size=12 owner=self mode=100644 mtime=untouched",
        ]),
        certain: true,
        because: "OpenSSH ends the session; the packet's length is known, so the next one can be found",
    },
    Difference {
        rows: &[
            "*, cut short",
            "users-groups-by-id with half an id",
            "users-groups-by-id without groups",
        ],
        ours: Lines(&["#1 status 5 Bad message"]),
        certain: true,
        because: "OpenSSH ends the session; the packet's length is known, so the next one can be found",
    },
    Difference {
        rows: &["a chain of 39 links"],
        ours: Lines(&["#43 names \"/@/file\" [/@/file] flags=0"]),
        certain: false,
        because: "what can be opened can be resolved: the kernel follows 40 links, OpenSSH's own REALPATH 32",
    },
    Difference {
        rows: &["extension \"limits@openssh.com\\0\""],
        ours: Lines(&[LIMITS]),
        certain: true,
        because: "the limit on handles is a setting",
    },
    Difference {
        rows: &["limits*"],
        ours: Lines(&["#1 limits packet=262144 read=261120 write=261120 handles=1024"]),
        certain: true,
        because: "the limit on handles is a setting",
    },
    Difference {
        rows: &["home-directory of \"\""],
        ours: Lines(&["#1 names \"/\" [/] flags=0"]),
        certain: true,
        because: "draft-ietf-secsh-filexfer-extensions-00: an empty name means the user who asks",
    },
    Difference {
        rows: &["lsetstat, with more behind it"],
        ours: Lines(&[
            "#1 status 0 Success",
            "disk file| mode=100600 size=12 links=1 mtime=untouched \"hello world\\n\"",
        ]),
        certain: false,
        because: "chmod without following links needs fchmodat2(2), of Linux 6.6, unless the file is opened",
    },
    Difference {
        rows: &["list renamed directory"],
        ours: Lines(&[
            "\".\" [drwxr-xr-x    3 alice    alice        4096 DATE .] flags=f size=4096 owner=self mode=40755 mtime=untouched",
            "\"..\" [drwxr-xr-x    7 alice    alice        4096 DATE ..] flags=f size=4096 owner=self mode=40755 mtime=untouched",
            "\"back\" [lrwxrwxrwx    1 alice    alice           7 DATE back] flags=f size=7 owner=self mode=120777 mtime=untouched",
            "\"inner\" [-rw-r--r--    1 alice    alice           6 DATE inner] flags=f size=6 owner=self mode=100644 mtime=untouched",
            "\"sub\" [drwxr-xr-x    2 alice    alice        4096 DATE sub] flags=f size=4096 owner=self mode=40755 mtime=untouched",
            "status 1 End of file",
        ]),
        certain: true,
        because: "entries are looked at through the open directory, OpenSSH's by the name that it had",
    },
    Difference {
        rows: &["rename rodir/f to new"],
        ours: Lines(&["disk .| mode=40755 size=4096 links=7 mtime=untouched "]),
        certain: true,
        because: "it is one step, and so leaves no trace when it fails; OpenSSH makes a link and removes it again",
    },
    Difference {
        rows: &["rename link to dangling"],
        ours: Lines(&[
            "#1 status 4 Failure",
            "disk .| mode=40755 size=4096 links=7 mtime=untouched ",
            "disk dangling| mode=120777 size=7 links=1 mtime=untouched -> \"nowhere\"",
            "disk link| mode=120777 size=4 links=1 mtime=untouched -> \"file\"",
        ]),
        certain: true,
        because: NEVER_REPLACES,
    },
    Difference {
        rows: &["rename dlink to dangling"],
        ours: Lines(&[
            "#1 status 4 Failure",
            "disk .| mode=40755 size=4096 links=7 mtime=untouched ",
            "disk dangling| mode=120777 size=7 links=1 mtime=untouched -> \"nowhere\"",
            "disk dlink| mode=120777 size=3 links=1 mtime=untouched -> \"dir\"",
        ]),
        certain: true,
        because: NEVER_REPLACES,
    },
    Difference {
        rows: &["rename link to loop"],
        ours: Lines(&[
            "#1 status 4 Failure",
            "disk .| mode=40755 size=4096 links=7 mtime=untouched ",
            "disk link| mode=120777 size=4 links=1 mtime=untouched -> \"file\"",
            "disk loop| mode=120777 size=4 links=1 mtime=untouched -> \"loop\"",
        ]),
        certain: true,
        because: NEVER_REPLACES,
    },
    Difference {
        rows: &["rename dlink to loop"],
        ours: Lines(&[
            "#1 status 4 Failure",
            "disk .| mode=40755 size=4096 links=7 mtime=untouched ",
            "disk dlink| mode=120777 size=3 links=1 mtime=untouched -> \"dir\"",
            "disk loop| mode=120777 size=4 links=1 mtime=untouched -> \"loop\"",
        ]),
        certain: true,
        because: NEVER_REPLACES,
    },
];

const LIMITS: &str = r#"#1 extended "\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x00\x03\xfc\x00\x00\x00\x00\x00\x00\x03\xfc\x00\x00\x00\x00\x00\x00\x00\x04\x00""#;
const NUL: &str = "#1 status 5 a path cannot contain a NUL byte";
const NEVER_REPLACES: &str = "the kernel looks whether something stands there, and says so before anything else \
    (RENAME_NOREPLACE); OpenSSH looks itself, through links, and so replaces those that lead nowhere";
