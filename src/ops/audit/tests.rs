use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::*;

/// A log of four files, of which the oldest is compressed, and in which two lines are broken.
struct SampleLog {
    dir: tempfile::TempDir,
}

fn line(second: u32, rest: &str) -> String {
    format!("{{\"time\":\"2026-11-23T00:00:{second:02}.000Z\",{rest}}}\n")
}

fn by(event: &str, user: &str, rest: &str) -> String {
    format!(
        "\"event\":\"{event}\",\"session\":1,\"user\":\"{user}\",{rest},\"v\":2,\"run\":\"r\",\
         \"peer\":\"192.0.2.7:5\",\"ip\":\"192.0.2.7\",\"port\":5,\"home\":\"/h/{user}\""
    )
}

impl SampleLog {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let mut oldest = GzEncoder::new(
            std::fs::File::create(dir.path().join("audit.log.2.gz")).unwrap(),
            Compression::fast(),
        );
        let text = line(1, &by("opened", "alice", r#""path":"/draft.pdf","write":true"#))
            + &line(2, &by("closed", "alice", r#""path":"/draft.pdf","bytes_read":0"#));
        oldest.write_all(text.as_bytes()).unwrap();
        oldest.finish().unwrap();
        write(
            "audit.log.1",
            &(line(3, &by("opened", "bob", r#""path":"/draft.pdf","write":false"#))
                + "{\"time\":\"2026-11-23T00:00:03.500Z\",\"event\":\"clo\n"
                + &line(
                    4,
                    &by("renamed", "alice", r#""from":"/draft.pdf","to":"/invoice.pdf""#),
                )
                + "\n\0\0\0\0\n"),
        );
        write(
            "audit.log-20261123",
            &line(5, &by("removed", "alice", r#""path":"/invoice.pdf""#)),
        );
        write(
            "audit.log",
            &(line(
                6,
                r#""event":"denied","user":"al\"ice","peer":"[2001:db8::1]:9","method":"password","reason":"x""#,
            ) + &line(7, r#""event":"admin","what":"user set","name":"alice""#)
                + "{\"time\":\"2026-11-23T00:00:08"),
        );
        write("audit.log.9.xz", "");
        Self { dir }
    }

    fn ask(&self, query: AuditQuery) -> (Vec<u32>, AuditFindings) {
        let search = AuditSearch::prepare(query, &self.dir.path().join("audit.log")).unwrap();
        let mut seconds = Vec::new();
        let findings = search.run(
            |raw, entry, out| {
                assert!(raw.ends_with(b"}"));
                out.push(entry.time[17..19].parse().unwrap());
            },
            |rendered| {
                seconds.extend(rendered.iter().copied().map(u32::from));
                Ok(())
            },
        );
        (seconds, findings.unwrap())
    }
}

#[test]
fn all_files_are_read_in_order_and_broken_lines_are_counted() {
    let log = SampleLog::new();
    let (seconds, findings) = log.ask(AuditQuery::default());
    assert_eq!(seconds, [1, 2, 3, 4, 5, 6, 7]);
    // The last line of the current file may be one that the server is writing.
    assert_eq!((findings.found, findings.broken), (7, 2));
    let first = findings.first_broken.unwrap();
    assert_eq!(
        (first.file.file_name().unwrap(), first.number),
        ("audit.log.1".as_ref(), 2)
    );
    assert!(findings.damaged.is_empty());
    let search = AuditSearch::prepare(AuditQuery::default(), &log.dir.path().join("audit.log")).unwrap();
    assert!(search.skipped()[0].ends_with("audit.log.9.xz"));
}

#[test]
fn each_question_finds_its_lines() {
    let log = SampleLog::new();
    let check = |query: AuditQuery, expected: &[u32]| assert_eq!(log.ask(query).0, expected);
    let user = |name: &str| AuditQuery {
        user: Some(name.to_owned()),
        ..AuditQuery::default()
    };
    check(user("alice"), &[1, 2, 4, 5, 7]);
    check(user("al\"ice"), &[6]);
    check(user("ali"), &[]);
    let path = |pattern: &str| AuditQuery {
        path: Some(pattern.parse().unwrap()),
        ..AuditQuery::default()
    };
    // Bob's file of the same name is another one.
    check(path("/invoice.pdf"), &[1, 2, 4, 5]);
    check(path("/draft.pdf"), &[1, 2, 3, 4]);
    check(path("*.pdf"), &[1, 2, 3, 4, 5]);
    check(path("nothing"), &[]);
    let events = |names: &[&str]| AuditQuery {
        events: names.iter().map(ToString::to_string).collect(),
        ..AuditQuery::default()
    };
    check(events(&["removed", "renamed"]), &[4, 5]);
    let address = |network: &str| AuditQuery {
        address: Some(network.parse().unwrap()),
        ..AuditQuery::default()
    };
    check(address("192.0.2.7/32"), &[1, 2, 3, 4, 5]);
    check(address("192.0.0.0/16"), &[1, 2, 3, 4, 5]);
    check(address("2001:db8::/32"), &[6]);
    check(address("192.0.2.70/32"), &[]);
    let times = |since: Option<&str>, until: Option<&str>| AuditQuery {
        since: since.map(|time| time.parse().unwrap()),
        until: until.map(|time| time.parse().unwrap()),
        ..AuditQuery::default()
    };
    check(times(Some("2026-11-23T00:00:05Z"), None), &[5, 6, 7]);
    check(times(None, Some("2026-11-23T00:00:02Z")), &[1, 2]);
    check(
        times(Some("2026-11-23T00:00:03Z"), Some("2026-11-23T00:00:04Z")),
        &[3, 4],
    );
    let search = AuditSearch::prepare(path("/invoice.pdf"), &log.dir.path().join("audit.log")).unwrap();
    let former = &search.former_names()[0];
    assert_eq!(
        (&former.path[..], &former.became[..]),
        (&b"/draft.pdf"[..], &b"/invoice.pdf"[..])
    );
    assert_eq!(former.until, "2026-11-23T00:00:04.000Z");
}

#[test]
fn a_damaged_archive_is_reported_and_the_rest_is_read() {
    let log = SampleLog::new();
    let archive = log.dir.path().join("audit.log.2.gz");
    let whole = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &whole[..whole.len() - 12]).unwrap();
    let (seconds, findings) = log.ask(AuditQuery::default());
    assert!(seconds.ends_with(&[3, 4, 5, 6, 7]), "{seconds:?}");
    assert_eq!(findings.damaged.len(), 1);
    assert!(findings.damaged[0].to_string().contains("audit.log.2.gz"));
}

#[test]
fn a_file_that_is_damaged_from_its_beginning_is_reported_too() {
    let log = SampleLog::new();
    let at = |name: &str| log.dir.path().join(name);
    let noise = [0xa1, 0xd2, 0xe2, 0xe0, 0x41, 0xdf].repeat(100);
    std::fs::write(at("audit.log.3.gz"), &noise).unwrap();
    std::fs::write(at("audit.log.4.gz"), "").unwrap();
    std::fs::write(at("audit.log.5"), "no line of this\nis an event\n").unwrap();
    // An empty file has lost nothing, and an archive that is still being written has its lines in the file beside it.
    std::fs::write(at("audit.log.6"), "").unwrap();
    std::fs::write(at("audit.log.1.gz"), &noise).unwrap();
    let search = AuditSearch::prepare(AuditQuery::default(), &at("audit.log")).unwrap();
    let mut said: Vec<String> = search.unreadable().iter().map(ToString::to_string).collect();
    said.sort();
    assert_eq!(said.len(), 3, "{said:?}");
    for (error, name) in said
        .iter()
        .zip(["audit.log.3.gz", "audit.log.4.gz", "audit.log.5"])
    {
        assert!(error.contains(&format!("{name}\": ")), "{error}");
        assert!(error.contains("damaged from its beginning"), "{error}");
    }
    let (seconds, _) = log.ask(AuditQuery::default());
    assert_eq!(seconds, [1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn without_a_log_the_error_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let Err(error) = AuditSearch::prepare(AuditQuery::default(), &dir.path().join("audit.log")) else {
        panic!("there is no log");
    };
    assert!(error.to_string().contains("there is no audit log"), "{error}");
}

#[test]
fn what_is_no_file_is_reported_and_the_rest_is_read() {
    let log = SampleLog::new();
    let at = |name: &str| log.dir.path().join(name);
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    let fifo = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, at("audit.log.3"), fifo, mode, 0).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, at("audit.log.4.gz"), fifo, mode, 0).unwrap();
    std::fs::create_dir(at("audit.log.2")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("audit.log-20261122")).unwrap();
    std::os::unix::fs::symlink("/dev/null", at("audit.log.5")).unwrap();
    std::os::unix::fs::symlink("nowhere", at("audit.log.6")).unwrap();
    let search = AuditSearch::prepare(AuditQuery::default(), &at("audit.log")).unwrap();
    let mut said: Vec<String> = search.unreadable().iter().map(ToString::to_string).collect();
    said.sort();
    assert_eq!(said.len(), 6, "{said:?}");
    for (error, expected) in said.iter().zip([
        "audit.log-20261122\": it is a socket, not a regular file",
        "audit.log.2\": it is a directory, not a regular file",
        "audit.log.3\": it is a FIFO, not a regular file",
        "audit.log.4.gz\": it is a FIFO, not a regular file",
        "audit.log.5\": it is a device, not a regular file",
        "audit.log.6\": no such file or directory",
    ]) {
        assert!(error.ends_with(expected), "{error}");
    }
    // The archive counts, although something has its name without the ending.
    let (seconds, _) = log.ask(AuditQuery::default());
    assert_eq!(seconds, [1, 2, 3, 4, 5, 6, 7]);
    // What has become unreadable since then is said, too.
    std::fs::remove_file(at("audit.log.1")).unwrap();
    std::fs::create_dir(at("audit.log.1")).unwrap();
    let findings = search.run(|_, _, _| (), |_| Ok(())).unwrap();
    assert_eq!(findings.damaged.len(), 1, "{findings:?}");
    assert!(
        findings.damaged[0].to_string().contains("it is a directory"),
        "{findings:?}"
    );
}

#[test]
fn who_may_not_read_the_log_is_told_who_may() {
    // Root may read everything.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let log = SampleLog::new();
    let current = log.dir.path().join("audit.log");
    std::fs::set_permissions(&current, std::fs::Permissions::from_mode(0o000)).unwrap();
    let search = AuditSearch::prepare(AuditQuery::default(), &current).unwrap();
    let said = search.unreadable()[0].to_string();
    assert!(
        said.ends_with("permission denied (hint: run the command as root, or as the server's user)"),
        "{said}"
    );
}

#[test]
fn a_log_of_which_nothing_can_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("audit.log")).unwrap();
    let Err(error) = AuditSearch::prepare(AuditQuery::default(), &dir.path().join("audit.log")) else {
        panic!("it is a directory");
    };
    assert!(error.to_string().contains("it is a directory"), "{error}");
}

#[test]
fn a_time_that_ends_before_it_begins_is_refused() {
    let log = SampleLog::new();
    let prepare = |since: &str, until: &str| {
        let query = AuditQuery {
            since: Some(since.parse().unwrap()),
            until: Some(until.parse().unwrap()),
            ..AuditQuery::default()
        };
        AuditSearch::prepare(query, &log.dir.path().join("audit.log")).map(drop)
    };
    let error = prepare("2026-11-24T00:00:00Z", "2026-11-23T00:00:00Z").unwrap_err();
    assert_eq!(
        error.to_string(),
        "nothing is between 2026-11-24T00:00:00Z and 2026-11-23T00:00:00Z: the first is the later one (hint: --since is the \
         earlier time, and --until the later one)"
    );
    prepare("2026-11-23T00:00:00Z", "2026-11-23T00:00:00Z").unwrap();
}

#[test]
fn a_pattern_finds_what_was_done_before_a_directory_was_renamed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.log");
    let renamed = |from: &str, to: &str| {
        by(
            "renamed",
            "alice",
            &format!("\"from\":\"{from}\",\"to\":\"{to}\""),
        )
    };
    let opened = |path: &str| by("opened", "alice", &format!("\"path\":\"{path}\""));
    let text = line(1, &opened("/drafts/2026/x"))
        + &line(2, &opened("/drafts2/x"))
        + &line(3, &renamed("/drafts", "/ready"))
        + &line(4, &opened("/ready/2026/x"))
        + &line(5, &renamed("/ready", "/exchange"))
        + &line(6, &by("opened", "bob", "\"path\":\"/drafts/x\""))
        + &line(7, &opened("/drafts/another"))
        + &line(8, &renamed("/exchange", "/drafts"))
        + &line(9, &opened("/drafts/2026/x"));
    std::fs::write(&path, text).unwrap();
    let check = |pattern: &str, expected: &[u32]| {
        let query = AuditQuery {
            path: Some(pattern.parse().unwrap()),
            user: Some("alice".to_owned()),
            ..AuditQuery::default()
        };
        let search = AuditSearch::prepare(query, &path).unwrap();
        let mut seconds: Vec<u32> = Vec::new();
        let render = |_: &[u8], entry: &AuditEntry<'_>, out: &mut Vec<u8>| {
            out.push(entry.time[17..19].parse().unwrap());
        };
        let take = |rendered: &[u8]| {
            seconds.extend(rendered.iter().copied().map(u32::from));
            Ok(())
        };
        search.run(render, take).unwrap();
        assert_eq!(seconds, expected, "{pattern}");
    };
    check("/exchange/**", &[1, 3, 4, 5, 8]);
    check("/exchange/*/x", &[1, 4]);
    check("/ready/2026/x", &[1, 4]);
    check("/drafts/**", &[1, 3, 4, 5, 7, 8, 9]);
    check("/nothing/**", &[]);
}
