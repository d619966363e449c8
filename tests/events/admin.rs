//! What operators change is in the audit log, whether the server runs or not.

use super::*;

/// Returns what operators have done so far.
fn acts(server: &TestServer) -> Vec<String> {
    let events = named(server, "admin").into_iter();
    events
        .map(|event| {
            assert_eq!(event["uid"], rustix::process::getuid().as_raw(), "{event}");
            assert_eq!(event["v"], 2, "{event}");
            format!(
                "{} {}",
                event["what"].as_str().unwrap(),
                event["name"].as_str().unwrap()
            )
        })
        .collect()
}

#[test]
fn changes_are_recorded_by_the_running_server() {
    let mut server = TestServer::start(&["alice"]);
    server.make_key("other");
    let key = format!("{}.pub", server.key("other").display());
    let session = server.raw("alice");
    let commands: &[(&[&str], &str, &str)] = &[
        (
            &["user", "add", "bob", "--quota", "1MiB", "--password-stdin"],
            "secret of bob",
            "user add bob",
        ),
        (
            &["user", "set", "bob", "--quota", "2MiB", "--read-only"],
            "",
            "user set bob",
        ),
        (
            &["user", "passwd", "bob", "--password-stdin"],
            "a new password",
            "user passwd bob",
        ),
        (&["user", "key", "add", "bob", &key], "", "user key add bob"),
        (&["user", "disable", "bob"], "", "user disable bob"),
        (&["user", "enable", "bob"], "", "user enable bob"),
        (&["user", "rename", "bob", "carol"], "", "user rename bob"),
        (&["user", "remove", "carol"], "", "user remove carol"),
        (
            &["sessions", "kick", "--user", "alice"],
            "",
            "sessions kick alice",
        ),
    ];
    for (at, (command, input, _)) in commands.iter().enumerate() {
        server.admin_ok(command, input);
        wait_for(&format!("{command:?}"), || acts(&server).len() > at);
    }
    let expected: Vec<&str> = commands.iter().map(|(_, _, expected)| *expected).collect();
    assert_eq!(acts(&server), expected);
    // What changes nothing is not recorded.
    server.admin_ok(&["user", "enable", "alice"], "");
    let events = named(&server, "admin");
    assert_eq!(events.len(), expected.len());
    let set = &events[1];
    assert_eq!(set["before"]["quota_bytes"], 1 << 20, "{set}");
    assert_eq!(set["after"]["quota_bytes"], 2 << 20, "{set}");
    assert_eq!(
        set["after"]["permissions"],
        serde_json::json!(["list", "read"]),
        "{set}"
    );
    assert_eq!(set["before"].as_object().unwrap().len(), 2, "{set}");
    let rename = &events[6];
    assert_eq!(
        (&rename["before"]["name"], &rename["after"]["name"]),
        (&"bob".into(), &"carol".into())
    );
    assert!(!server.audit().contains("a new password"));
    drop(session);
    // Without a server, the command writes the line itself.
    server.signal("TERM");
    server.wait_for_exit();
    server.admin_ok(&["user", "disable", "alice"], "");
    server.admin_ok(&["hostkey", "rotate"], "");
    let all = acts(&server);
    assert_eq!(all[expected.len()], "user disable alice");
    assert!(all[expected.len() + 1].starts_with("hostkey rotate "), "{all:?}");
    assert_eq!(all.len(), expected.len() + 2);
}
