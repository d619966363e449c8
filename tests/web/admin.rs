//! Stories about administrators on the web page: who is one, and what they change and see.

use serde_json::{Value, json};
use testkit::PATIENCE;
use testkit::raw::Received;
use testkit::server::{TestServer, password};
use testkit::sign_in_talk::Device;
use testkit::web::{WebClient, WebReply};

/// A server with a web page, an administrator, and users.
fn server(users: &[&str]) -> TestServer {
    let server = TestServer::start_with(&[("web", "listen = [\"127.0.0.1:0\"]")], users);
    server.admin_ok(&["user", "set", "calvin", "--admin"], "");
    server
}

/// Returns a client with a token of this scope.
fn with_token(server: &TestServer, user: &str, scope: &str) -> WebClient {
    let printed = server.admin_ok(&["token", "add", user, "--scope", scope], "");
    let token = printed.lines().last().unwrap().to_owned();
    WebClient::new(server).with_token(&token)
}

/// Checks the status, and returns the JSON.
fn ok(answer: &WebReply, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    answer.json()
}

fn refused(answer: &WebReply, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], code, "{error}");
    error["message"].as_str().unwrap().to_owned()
}

#[test]
fn only_administrators_with_a_second_factor_see_the_pages() {
    let server = server(&["calvin", "tom"]);
    let tom = WebClient::new(&server).sign_in("tom", &password("tom"), None);
    for page in ["/admin", "/admin/users", "/admin/users/calvin", "/admin/audit"] {
        assert_eq!(tom.get(page).status, 404, "{page}");
    }
    refused(&tom.get("/api/v1/users"), 403, "forbidden");
    // The administrator's record is not enough.
    let calvin = WebClient::new(&server).sign_in("calvin", &password("calvin"), None);
    let answer = calvin.get("/admin");
    assert_eq!(answer.status, 403);
    assert!(answer.text().contains("/account"), "{}", answer.text());
    refused(&calvin.get("/api/v1/users"), 403, "forbidden");
    // A token replaces the factors, if it is for administration.
    refused(
        &with_token(&server, "calvin", "files").get("/api/v1/users"),
        403,
        "forbidden",
    );
    refused(
        &with_token(&server, "tom", "admin").get("/api/v1/users"),
        403,
        "forbidden",
    );
    let admin = with_token(&server, "calvin", "admin");
    assert_eq!(ok(&admin.get("/api/v1/users"), 200)["found"], 2);
    // Whoever is no administrator any more is none with the next request.
    server.admin_ok(&["user", "set", "tom", "--admin"], "");
    server.admin_ok(&["user", "set", "calvin", "--no-admin"], "");
    let answer = admin.get("/api/v1/users");
    assert!(matches!(answer.status, 401 | 403), "{}", answer.text());
}

#[test]
fn users_are_searched_added_and_changed_as_by_the_command() {
    let server = server(&["calvin", "tom"]);
    let admin = with_token(&server, "calvin", "admin");
    let new = json!({"name": "hobbes", "generate_password": true, "settings": {"quota": "10MiB", "comment": "A tiger"}});
    let added = ok(&admin.send("POST", "/api/v1/users", &new), 201);
    assert_eq!(
        (&added["user"], &added["changed"]),
        (&json!("hobbes"), &json!(true))
    );
    assert_eq!(added["password"].as_str().unwrap().len(), 20);
    let again = refused(&admin.send("POST", "/api/v1/users", &new), 409, "conflict");
    assert!(again.contains("there is already a user \"hobbes\""), "{again}");
    let found = ok(&admin.get("/api/v1/users?search=TIGER"), 200);
    assert_eq!(
        (&found["found"], &found["users"][0]["name"]),
        (&json!(1), &json!("hobbes"))
    );
    // Pages follow each other.
    let first = ok(&admin.get("/api/v1/users?limit=2"), 200);
    assert_eq!(
        (&first["next"], first["users"].as_array().unwrap().len()),
        (&json!("hobbes"), 2)
    );
    let second = ok(&admin.get("/api/v1/users?limit=2&after=hobbes"), 200);
    assert_eq!(
        (&second["next"], &second["users"][0]["name"]),
        (&Value::Null, &json!("tom"))
    );
    // The same JSON as that of the command.
    let set = json!({"settings": {"quota": "1GiB", "permissions": ["list,read", "/in=create"]}});
    ok(&admin.send("PATCH", "/api/v1/users/hobbes", &set), 200);
    let shown = ok(&admin.get("/api/v1/users/hobbes"), 200);
    let by_command = server.admin_ok(&["user", "show", "hobbes", "--json"], "");
    let by_command: Value = serde_json::from_str(&by_command).unwrap();
    assert_eq!(shown, by_command);
    assert_eq!(shown["quota_bytes"], 1 << 30);
    // And the same words where something is wrong.
    let wrong = json!({"settings": {"quota": "much"}});
    let error = refused(
        &admin.send("PATCH", "/api/v1/users/hobbes", &wrong),
        400,
        "bad_request",
    );
    assert!(error.starts_with("quota: \"much\" is not a size"), "{error}");
    let unknown = json!({"settings": {"qouta": "1GiB"}});
    refused(
        &admin.send("PATCH", "/api/v1/users/hobbes", &unknown),
        400,
        "bad_request",
    );
    refused(&admin.get("/api/v1/users/nobody"), 404, "not_found");
    ok(
        &admin.send("POST", "/api/v1/users/hobbes/rename", &json!({"name": "tiger"})),
        200,
    );
    ok(&admin.send("DELETE", "/api/v1/users/tiger", &Value::Null), 200);
    refused(&admin.get("/api/v1/users/tiger"), 404, "not_found");
    // The log says who has done it.
    let log = server.admin_ok(&["audit", "--event", "admin", "--user", "tiger"], "");
    assert!(
        log.contains("user remove tiger") && log.contains("by calvin on the web page"),
        "{log}"
    );
}

#[test]
fn the_last_administrator_stays_one() {
    let server = server(&["calvin", "tom"]);
    let admin = with_token(&server, "calvin", "admin");
    let none = json!({"settings": {"admin": false}});
    let attempts = [
        ("PATCH", "/api/v1/users/calvin", none.clone()),
        ("POST", "/api/v1/users/calvin/disable", Value::Null),
        ("DELETE", "/api/v1/users/calvin", Value::Null),
    ];
    for (method, path, body) in &attempts {
        let why = refused(&admin.send(method, path, body), 409, "conflict");
        assert!(why.contains("calvin is the last administrator"), "{why}");
    }
    ok(
        &admin.send(
            "PATCH",
            "/api/v1/users/tom",
            &json!({"settings": {"admin": true}}),
        ),
        200,
    );
    ok(&admin.send("PATCH", "/api/v1/users/calvin", &none), 200);
}

#[test]
fn a_browser_gives_the_password_again_before_it_hands_out_rights() {
    let server = server(&["calvin", "tom"]);
    let device = Device::enroll(&server, "calvin", &[]);
    let code = device.code(0);
    let admin = WebClient::new(&server).sign_in("calvin", &password("calvin"), Some(&code));
    let key = std::fs::read_to_string(server.path().join("key-calvin.pub")).unwrap();
    let changes = [
        ("PATCH", "/api/v1/users/tom", json!({"settings": {"admin": true}})),
        ("PUT", "/api/v1/users/tom/password", json!({"generate": true})),
        ("POST", "/api/v1/users/tom/keys", json!({"keys": key})),
        ("POST", "/api/v1/users/tom/totp/reset", json!({})),
    ];
    for (method, path, body) in changes {
        refused(&admin.send(method, path, &body), 403, "password_required");
        let with = |password: &str| {
            let mut body = body.clone();
            body["current_password"] = json!(password);
            admin.send(method, path, &body)
        };
        refused(&with("wrong wrong wrong"), 403, "password_required");
        ok(&with(&password("calvin")), 200);
    }
    // What hands out nothing needs no password.
    let quota = json!({"settings": {"quota": "1GiB"}});
    ok(&admin.send("PATCH", "/api/v1/users/tom", &quota), 200);
    for page in [
        "/admin",
        "/admin/sessions",
        "/admin/users",
        "/admin/users/tom",
        "/admin/groups",
        "/admin/folders",
    ] {
        assert_eq!(admin.get(page).status, 200, "{page}");
    }
    for page in [
        "/admin/homes",
        "/admin/audit",
        "/admin/failed-sign-ins",
        "/admin/graphs?period=week",
    ] {
        let answer = admin.get(page);
        assert_eq!(answer.status, 200, "{page}");
        assert!(!answer.text().contains("style="), "{page}");
    }
}

#[test]
fn sessions_are_seen_and_ended() {
    let server = server(&["calvin", "tom"]);
    let admin = with_token(&server, "calvin", "admin");
    let mut raw = server.raw("tom");
    let listed = ok(&admin.get("/api/v1/admin/sessions"), 200);
    let sessions = listed["sessions"].as_array().unwrap();
    let tom = sessions.iter().find(|session| session["user"] == "tom").unwrap();
    assert_eq!(tom["protocol"], "ssh");
    assert!(sessions.iter().any(|session| session["protocol"] == "web"));
    let path = format!("/api/v1/admin/sessions/{}", tom["id"]);
    assert_eq!(
        ok(&admin.send("DELETE", &path, &Value::Null), 200)["sessions_ended"],
        1
    );
    assert!(matches!(raw.receive(PATIENCE), Received::Ended));
    refused(&admin.send("DELETE", &path, &Value::Null), 404, "not_found");
}

#[test]
fn the_audit_log_is_read_in_parts() {
    let server = server(&["calvin", "tom"]);
    let admin = with_token(&server, "calvin", "admin");
    for number in 0..5 {
        let name = format!("group{number}");
        ok(&admin.send("POST", "/api/v1/groups", &json!({"name": name})), 201);
    }
    let mut names: Vec<String> = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = ok(
            &admin.get(&format!("/api/v1/audit?event=admin&limit=2&after={cursor}")),
            200,
        );
        let events = page["events"].as_array().unwrap();
        let groups = events.iter().filter(|event| event["what"] == "group add");
        names.extend(groups.map(|event| event["name"].as_str().unwrap().to_owned()));
        cursor = page["next"].as_str().unwrap().to_owned();
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(names, ["group0", "group1", "group2", "group3", "group4"]);
    refused(&admin.get("/api/v1/audit?after=yesterday"), 400, "bad_request");
    let refused_sign_in = WebClient::new(&server).try_sign_in("tom", "wrong wrong wrong");
    assert_ne!(refused_sign_in.status, 200);
    let failed = ok(&admin.get("/api/v1/audit/failed-sign-ins"), 200);
    assert_eq!(failed["addresses"][0]["address"], "127.0.0.1");
    assert_eq!(failed["addresses"][0]["users"], json!(["tom"]));
}
