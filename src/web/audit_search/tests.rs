use std::fmt::Write as _;

use super::*;

/// Writes a log with these events, one for each second but for the last, which has three.
fn log(dir: &Path) -> std::path::PathBuf {
    let mut text = String::new();
    for second in (0..10).chain([9, 9]) {
        let number = text.lines().count();
        let _ = writeln!(
            text,
            r#"{{"time":"2026-11-23T00:20:{second:02}.000Z","event":"removed","user":"tom","path":"/{number}","peer":"192.0.2.7:5"}}"#
        );
    }
    let file = dir.join("audit.log");
    std::fs::write(&file, text).unwrap();
    file
}

fn paths(answer: &AuditAnswer) -> Vec<String> {
    let path = |line: &String| {
        let json: serde_json::Value = serde_json::from_str(line).unwrap();
        json["path"].as_str().unwrap().to_owned()
    };
    answer.lines.iter().map(path).collect()
}

#[test]
fn the_log_is_read_in_parts_from_both_ends() {
    let dir = tempfile::tempdir().unwrap();
    let file = log(dir.path());
    let words = AuditWords::default();
    let all: Vec<String> = (0..12).map(|number| format!("/{number}")).collect();
    for limit in [1, 2, 5, 12, 100] {
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let answer = ask(&words, AuditOrder::After(cursor), limit, &file).unwrap();
            found.extend(paths(&answer));
            cursor = answer.next.map(|next| next.to_string().parse().unwrap());
            if !answer.has_more {
                break;
            }
        }
        assert_eq!(found, all, "{limit}");
        // Nothing has come since.
        let answer = ask(&words, AuditOrder::After(cursor.clone()), limit, &file).unwrap();
        assert!(answer.lines.is_empty() && answer.next == cursor);
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let answer = ask(&words, AuditOrder::Before(cursor), limit, &file).unwrap();
            found.extend(paths(&answer));
            cursor = answer.next;
            if !answer.has_more {
                break;
            }
        }
        found.reverse();
        assert_eq!(found, all, "{limit}");
    }
}

#[test]
fn filters_are_those_of_the_command() {
    let dir = tempfile::tempdir().unwrap();
    let file = log(dir.path());
    let ask = |words: AuditWords| ask(&words, AuditOrder::Before(None), 50, &file).map(|found| paths(&found));
    let of_path = AuditWords {
        path: "/7".to_owned(),
        ..AuditWords::default()
    };
    assert_eq!(ask(of_path).unwrap(), ["/7"]);
    let until = AuditWords {
        until: "2026-11-23T00:20:01Z".to_owned(),
        ..AuditWords::default()
    };
    assert_eq!(ask(until).unwrap(), ["/1", "/0"]);
    let nobody = AuditWords {
        user: "nobody".to_owned(),
        ..AuditWords::default()
    };
    assert!(ask(nobody).unwrap().is_empty());
    let wrong = AuditWords {
        since: "soon".to_owned(),
        ..AuditWords::default()
    };
    assert!(ask(wrong).is_err());
}

#[test]
fn cursors_are_those_of_answers() {
    for bad in [
        "",
        "~",
        "yesterday~1",
        "2026-11-23T00:20:09.000Z",
        "2026-11-23T00:20:09.000Z~x",
    ] {
        assert!(bad.parse::<AuditCursor>().is_err(), "{bad}");
    }
    let cursor: AuditCursor = "2026-11-23T00:20:09.000Z~3".parse().unwrap();
    assert_eq!(cursor.to_string(), "2026-11-23T00:20:09.000Z~3");
}

#[test]
fn failed_sign_ins_are_counted_by_address() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("audit.log");
    let denied = |second: u8, user: &str, peer: &str, count: u8| {
        format!(
            r#"{{"time":"2026-11-23T00:20:{second:02}.000Z","event":"denied","user":"{user}","peer":"{peer}:5","method":"password","count":{count}}}"#
        )
    };
    let lines = [
        denied(0, "root", "192.0.2.7", 1),
        denied(1, "tom", "192.0.2.8", 1),
        denied(2, "admin", "192.0.2.7", 4),
    ];
    std::fs::write(&file, format!("{}\n", lines.join("\n"))).unwrap();
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    let found = failed_sign_ins(&file, now).unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].attempts, found[1].attempts), (5, 1));
    assert_eq!(found[0].users, ["root", "admin"]);
    assert_eq!(found[0].last, "2026-11-23T00:20:02.000Z");
    let later = "2026-11-24T00:20:01Z".parse().unwrap();
    assert_eq!(failed_sign_ins(&file, later).unwrap()[0].attempts, 4);
}
