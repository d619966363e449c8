use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::domain::event::{
    Actor, AdminAct, AdminRecord, FileEnd, FileUse, Operator, QuotaCrossing, QuotaKind, SessionId, Setting,
    SettingValue, UploadDigest,
};
use crate::domain::path::VirtualPath;

fn actor() -> Actor {
    Actor {
        session: SessionId(7),
        user: "calvin".parse().unwrap(),
        peer: "[::1]:9".parse().unwrap(),
        home: Path::new(OsStr::from_bytes(b"/h\xff")).into(),
        folders: std::sync::Arc::default(),
        protocol: crate::domain::event::Protocol::Ssh,
        share: None,
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
                is_for_writing: true,
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
fn the_events_of_the_server_and_of_operators_have_their_fields() {
    let check = |event: Event, expected: &str| {
        let line = AuditLine {
            run: "r",
            time: Timestamp::UNIX_EPOCH,
            count: 1,
        };
        let written = line.event(&event);
        assert_eq!(
            written,
            format!("{{\"time\":\"1970-01-01T00:00:00.000Z\",{expected}}}")
        );
        serde_json::from_str::<Value>(&written).unwrap();
    };
    let number = |name: &str, number| Setting {
        name: name.to_owned(),
        value: SettingValue::Number(number),
    };
    check(
        Event::Admin(Box::new(AdminRecord {
            by: Operator {
                uid: 0,
                sudo_user: Some("hobbes".to_owned()),
                web_user: None,
            },
            act: AdminAct {
                what: "user set".to_owned(),
                name: "calvin".to_owned(),
                before: vec![number("quota_bytes", 1)],
                after: vec![number("quota_bytes", 2)],
            },
        })),
        r#""event":"admin","uid":0,"sudo_user":"hobbes","web_user":null,"what":"user set","name":"calvin","before":{"quota_bytes":1},"after":{"quota_bytes":2},"v":2,"run":"r""#,
    );
    let crossing = QuotaCrossing {
        kind: QuotaKind::Bytes,
        percent: 80,
        rising: true,
        used: 8,
        limit: Some(10),
    };
    check(
        Event::NearQuota {
            user: Some("calvin".parse().unwrap()),
            home: Path::new("/h").into(),
            folder: None,
            crossing,
        },
        r#""event":"near_quota","user":"calvin","quota":"bytes","percent":80,"direction":"up","used":8,"limit":10,"v":2,"run":"r","home":"/h""#,
    );
    check(
        Event::NearQuota {
            user: None,
            home: Path::new("/f").into(),
            folder: Some("team".parse().unwrap()),
            crossing,
        },
        r#""event":"near_quota","quota":"bytes","percent":80,"direction":"up","used":8,"limit":10,"folder":"team","v":2,"run":"r","home":"/f""#,
    );
    check(
        Event::Started {
            version: "1.0",
            listening: vec!["[::1]:22".parse().unwrap()],
        },
        r#""event":"started","version":"1.0","listening":["[::1]:22"],"v":2,"run":"r""#,
    );
    let uploaded = |digest| Event::Uploaded {
        who: actor(),
        path: VirtualPath::parse(b"f").unwrap(),
        size: Some(3),
        file: None,
        from: None,
        digest: Some(digest),
    };
    let origin = r#""v":2,"run":"r","peer":"[::1]:9","ip":"::1","port":9,"home":"/h\\xFF""#;
    let uploaded_fields = r#""event":"uploaded","session":7,"user":"calvin","path":"/f","size":3"#;
    check(
        uploaded(UploadDigest::Missing("why")),
        &format!(r#"{uploaded_fields},"sha256":null,"no_sha256":"why",{origin}"#),
    );
    let digest = "ab".repeat(32);
    check(
        uploaded(UploadDigest::Sha256([0xab; 32])),
        &format!(r#"{uploaded_fields},"sha256":"{digest}",{origin}"#),
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
