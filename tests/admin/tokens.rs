//! Tokens of the API and administrators, beside a running server and without one.

use serde_json::Value;

use super::backup::errors;
use testkit::server::TestServer;
use testkit::wait_for;

/// Returns the lines of the audit log about changes by operators of this kind.
fn acts(server: &TestServer, what: &str) -> Vec<Value> {
    let log = server.audit();
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["what"] == what).collect()
}

#[test]
fn a_token_is_printed_once_and_recorded_without_itself() {
    let server = TestServer::start(&["alice"]);
    let said = server.admin_ok(
        &[
            "token",
            "add",
            "alice",
            "--scope",
            "files",
            "--comment",
            "nightly export",
            "--expires",
            "90d",
        ],
        "",
    );
    let token = said.lines().last().unwrap();
    assert!(token.starts_with("hpt_") && token.len() == 36, "{said}");
    wait_for("the token to be recorded", || {
        acts(&server, "token add").len() == 1
    });
    let act = &acts(&server, "token add")[0];
    assert_eq!(act["name"], "alice");
    assert_eq!(act["after"]["scope"], "files", "{act}");
    assert_eq!(act["after"]["comment"], "nightly export", "{act}");
    assert!(!server.audit().contains(token));
    let listed = server.admin_ok(&["token", "list", "--json"], "");
    assert!(!listed.contains(token), "{listed}");
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let id = listed[0]["id"].to_string();

    let removed = server.admin_ok(&["token", "remove", "alice", &id, "--json"], "");
    let removed: Value = serde_json::from_str(&removed).unwrap();
    let confirmed = (
        &removed["changed"],
        &removed["confirmed"],
        &removed["sessions_ended"],
    );
    assert_eq!(confirmed, (&true.into(), &true.into(), &0.into()), "{removed}");
    wait_for("the removal to be recorded", || {
        acts(&server, "token remove").len() == 1
    });
    let again = server.admin(&["token", "remove", "alice", &id], "");
    assert_eq!(again.status.code(), Some(3), "{}", errors(&again));
    assert!(
        errors(&again).contains("alice has no token"),
        "{}",
        errors(&again)
    );
}

#[test]
fn an_administrator_is_made_and_unmade_beside_the_server() {
    let server = TestServer::start(&["alice"]);
    let refused = server.admin(&["token", "add", "alice", "--scope", "admin"], "");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        errors(&refused).contains("user set alice --admin"),
        "{}",
        errors(&refused)
    );
    for (option, is_admin) in [("--admin", true), ("--no-admin", false)] {
        let said = server.admin_ok(&["user", "set", "alice", option, "--json"], "");
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (&said["changed"], &said["confirmed"]),
            (&true.into(), &true.into()),
            "{said}"
        );
        let shown = server.admin_ok(&["user", "show", "alice", "--json"], "");
        let shown: Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(shown["admin"], is_admin);
    }
    wait_for("both to be recorded", || acts(&server, "user set").len() == 2);
    let acts = acts(&server, "user set");
    assert_eq!(
        (&acts[0]["before"]["admin"], &acts[0]["after"]["admin"]),
        (&false.into(), &true.into()),
        "{}",
        acts[0]
    );
    assert_eq!(acts[1]["after"]["admin"], false, "{}", acts[1]);
}

#[test]
fn without_a_server_the_store_alone_is_changed() {
    let server = TestServer::new(&[]);
    server.admin_ok(&["user", "add", "alice", "--generate"], "");
    let added = server.admin_ok(&["token", "add", "alice", "--scope", "files", "--json"], "");
    let added: Value = serde_json::from_str(&added).unwrap();
    let removed = server.admin_ok(&["token", "remove", "alice", &added["id"].to_string()], "");
    assert!(removed.starts_with("removed token"), "{removed}");
    let nobody = server.admin(&["token", "add", "nobody", "--scope", "files"], "");
    assert_eq!(nobody.status.code(), Some(3), "{}", errors(&nobody));
}
