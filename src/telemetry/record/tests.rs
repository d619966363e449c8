use super::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use crate::domain::event::{Actor, FileEnd, FileUse, SessionId};

fn actor() -> Actor {
    Actor {
        session: SessionId(7),
        user: "calvin".parse().unwrap(),
        peer: "[::1]:9".parse().unwrap(),
        home: Path::new(OsStr::from_bytes(b"/h\xff")).into(),
    }
}

#[test]
fn lines_are_json_with_stable_names() {
    let check = |event: Event, expected: &str| {
        let line = AuditLine {
            run: "r",
            time: "2026-01-02T03:04:05.6789Z".parse().unwrap(),
            count: 1,
        };
        let written = line.event(&event);
        assert_eq!(
            written,
            format!("{{\"time\":\"2026-01-02T03:04:05.679Z\",{expected}}}")
        );
        serde_json::from_str::<Value>(&written).unwrap();
    };
    let path = |raw: &[u8]| VirtualPath::parse(raw).unwrap();
    check(
        Event::Closed {
            who: actor(),
            path: path(b"/a b"),
            file: FileUse {
                bytes_read: 0,
                bytes_written: 1 << 40,
                duration: Duration::from_micros(1_500_400),
                end: FileEnd::Client,
                size: Some(1 << 40),
            },
        },
        r#""event":"closed","session":7,"user":"calvin","path":"/a b","bytes_read":0,"bytes_written":1099511627776,"seconds":1.5,"end":"client","size":1099511627776,"v":2,"run":"r","peer":"[::1]:9","ip":"::1","port":9,"home":"/h\\xFF""#,
    );
    check(
        Event::Removed {
            who: actor(),
            path: path(b"x\xff\\\n\x1b"),
        },
        r#""event":"removed","session":7,"user":"calvin","path":"/x\\xFF\\\\\n\u001b","v":2,"run":"r","peer":"[::1]:9","ip":"::1","port":9,"home":"/h\\xFF""#,
    );
    check(
        Event::Denied {
            peer: "[::1]:9".parse().unwrap(),
            user: "a\"\u{202e},\"event\":\"signed_in".into(),
            method: "password",
            code: "unknown_user",
            reason: "unknown user".into(),
        },
        r#""event":"denied","user":"a\"\u202e,\"event\":\"signed_in","peer":"[::1]:9","method":"password","reason":"unknown user","code":"unknown_user","v":2,"run":"r","ip":"::1","port":9"#,
    );
}

#[test]
fn a_peer_cannot_fill_the_log_with_its_name() {
    let event = Event::Denied {
        peer: "127.0.0.1:9".parse().unwrap(),
        user: "é".repeat(100_000),
        method: "password",
        code: "unknown_user",
        reason: "unknown user".into(),
    };
    let line = AuditLine {
        run: "r",
        time: Timestamp::UNIX_EPOCH,
        count: 1,
    };
    assert!(line.event(&event).len() < 1000);
}
