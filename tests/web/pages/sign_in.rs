//! Signing in and out by the forms of the pages.

use testkit::server::{TestServer, password};
use testkit::sign_in_talk::{Device, expire_password};
use testkit::web::{WEB, WebClient, encoded};

use super::{place, start};

/// Settings that do not delay refusals, because the tests have many.
const QUICK: &str =
    "throttle = { first_delay_ms = 1, max_delay_ms = 1, failures = 10000, user_failures = 10000 }";
const WRONG: &str = "Name, password or code is wrong.";
const NEW: &str = "a tiger in the sandwich";

#[test]
fn a_browser_is_led_to_the_form_and_back() {
    let server = TestServer::start_with(&[WEB], &["alice"]);
    std::fs::create_dir_all(server.home("alice").join("a b")).unwrap();
    let browser = WebClient::new(&server);
    assert_eq!(place(&browser.page("/")), "/login");
    assert_eq!(place(&browser.page("/files/")), "/login");
    let wanted = "/files/a%20b/?sort=size&order=desc";
    let form = format!("/login?next={}", encoded(wanted));
    assert_eq!(place(&browser.page(wanted)), form);
    let shown = browser.page(&form).expect(200).text();
    let next = super::values(&shown, "name=\"next\" value");
    assert_eq!(next, [wanted]);
    let signed_in = browser.form(
        "/login",
        &[
            ("name", "alice"),
            ("password", &password("alice")),
            ("next", wanted),
        ],
    );
    assert_eq!(place(&signed_in), wanted);
    assert!(browser.page(wanted).expect(200).text().contains("<title>a b · "));
    // Whoever is signed in needs no form.
    assert_eq!(place(&browser.page(&form)), wanted);
    assert_eq!(place(&browser.page("/login")), "/files/");
    assert_eq!(place(&browser.page("/")), "/files/");
    // Programs are told, and not led.
    let program = WebClient::new(&server).get("/files/").expect(401);
    assert_eq!(program.code(), "sign_in_required");
}

#[test]
fn the_cookie_is_for_this_server_alone() {
    let server = TestServer::start_with(&[WEB], &["alice"]);
    let browser = WebClient::new(&server);
    let reply = browser.try_sign_in("alice", &password("alice"));
    assert_eq!(place(&reply), "/files/");
    let cookie = reply.header("set-cookie").unwrap();
    let mut parts: Vec<&str> = cookie.split("; ").collect();
    assert!(parts.remove(0).starts_with("__Host-homeport="), "{cookie}");
    parts.sort_unstable();
    assert_eq!(
        parts,
        [
            "HttpOnly",
            "Max-Age=604800",
            "Path=/",
            "SameSite=Strict",
            "Secure"
        ]
    );
    let value = browser.cookie().unwrap();
    let written = server.log() + &server.audit();
    assert!(
        !written.contains(&value) && !written.contains(&password("alice")),
        "{written}"
    );
    // A second sign-in replaces the first.
    let first = browser.clone();
    assert_eq!(
        place(&browser.try_sign_in("alice", &password("alice"))),
        "/files/"
    );
    assert_ne!(browser.cookie().unwrap(), value);
    assert_eq!(first.get("/api/v1/account").status, 401);
    assert_eq!(browser.get("/api/v1/account").status, 200);
}

#[test]
fn what_was_wrong_is_not_told() {
    let users = ["alice", "bob", "carol"];
    let server = TestServer::start_with(&[WEB, ("auth", QUICK)], &users);
    server.admin_ok(&["user", "disable", "bob"], "");
    let device = Device::enroll(&server, "carol", &[]);
    let (of_bob, of_carol, wrong_code) = (password("bob"), password("carol"), device.wrong());
    let mut answers = Vec::new();
    for (name, typed, code) in [
        ("alice", "wrong", ""),
        ("nobody", "wrong", ""),
        ("bob", of_bob.as_str(), ""),
        ("carol", of_carol.as_str(), ""),
        ("carol", of_carol.as_str(), wrong_code.as_str()),
        ("<script>\"", "wrong", ""),
    ] {
        let browser = WebClient::new(&server);
        let fields = [("name", name), ("password", typed), ("code", code)];
        let reply = browser.form("/login", &fields);
        assert_eq!(reply.header("set-cookie"), None, "{name}");
        let html = reply.text();
        assert!(html.contains(WRONG) && !html.contains("<script>\""), "{html}");
        let shown = format!(
            "name=\"name\" value=\"{}\"",
            super::values(&html, "name=\"name\" value")[0]
        );
        answers.push((reply.status, html.replace(&shown, "")));
    }
    for answer in &answers {
        assert_eq!(answer.0, 401);
        assert_eq!(*answer, answers[0]);
    }
    let signed_in = WebClient::new(&server).sign_in("carol", &password("carol"), Some(&device.code(0)));
    assert_eq!(signed_in.get("/api/v1/account").status, 200);
}

#[test]
fn forms_of_other_sites_are_refused() {
    let (server, browser) = start("alice");
    let ours = WebClient::new(&server).origin();
    let secret = password("alice");
    let fields = [("name", "alice"), ("password", secret.as_str())];
    let other_scheme = ours.replace("http:", "https:");
    for origin in [
        None,
        Some("null"),
        Some("http://evil.example"),
        Some(other_scheme.as_str()),
    ] {
        let stranger = WebClient::new(&server);
        let reply = stranger.form_from(origin, "/login", &fields).expect(403);
        assert!(reply.text().contains("Not allowed"), "{}", reply.text());
        assert_eq!(
            (reply.header("set-cookie"), stranger.cookie()),
            (None, None),
            "{origin:?}"
        );
        browser.form_from(origin, "/logout", &[]).expect(403);
    }
    browser.page("/files/").expect(200);
    let json = browser.send("POST", "/login", &serde_json::json!({"name": "alice"}));
    assert_eq!(json.status, 400, "{}", json.text());
}

#[test]
fn a_sign_in_leads_nowhere_else() {
    let server = TestServer::start_with(&[WEB], &["alice"]);
    let (browser, secret) = (WebClient::new(&server), password("alice"));
    for next in [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/\t/evil.example/",
        "javascript:alert(1)",
        "/files/\r\nSet-Cookie: a=b",
        "/logout",
        "evil",
    ] {
        let shown = WebClient::new(&server)
            .page(&format!("/login?next={}", encoded(next)))
            .expect(200);
        assert_eq!(
            super::values(&shown.text(), "name=\"next\" value"),
            [""],
            "{next}"
        );
        let fields = [("name", "alice"), ("password", secret.as_str()), ("next", next)];
        let reply = browser.form("/login", &fields);
        assert_eq!(place(&reply), "/files/", "{next}");
    }
}

#[test]
fn signing_out_ends_the_cookie_wherever_it_was_copied_to() {
    let (_server, browser) = start("alice");
    let copied = browser.clone();
    copied.page("/files/").expect(200);
    let reply = browser.form("/logout", &[]);
    assert_eq!(place(&reply), "/login");
    let cookie = reply.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-homeport=; Max-Age=0; "), "{cookie}");
    assert_eq!(browser.cookie(), None);
    assert_eq!(place(&copied.page("/files/")), "/login");
    assert_eq!(copied.get("/api/v1/account").status, 401);
    // Nobody is signed in, and nothing is wrong with that.
    assert_eq!(place(&browser.form("/logout", &[])), "/login");
}

#[test]
fn an_expired_password_is_changed_by_a_form() {
    let auth = format!("{QUICK}\npassword = {{ max_age = \"1d\" }}");
    let server = TestServer::start_with(&[WEB, ("auth", &auth)], &["alice"]);
    expire_password(&server, "alice");
    let browser = WebClient::new(&server);
    let html = browser
        .try_sign_in("alice", &password("alice"))
        .expect(200)
        .text();
    assert!(html.contains("Your password has expired"), "{html}");
    assert_eq!(browser.cookie(), None);
    let pending = super::values(&html, "name=\"pending\" value").remove(0);
    let set = |pending: &str, new: &str, again: &str| {
        let fields = [
            ("name", "alice"),
            ("pending", pending),
            ("password", new),
            ("again", again),
        ];
        browser.form("/login/password", &fields)
    };
    let different = set(&pending, NEW, "something else").expect(400).text();
    assert!(different.contains("not the same"), "{different}");
    let short = set(&pending, "short", "short").expect(400).text();
    assert!(short.contains("fewer than 8 characters"), "{short}");
    assert_eq!(
        super::values(&short, "name=\"pending\" value"),
        [pending.as_str()]
    );
    let unknown = set("unknown", NEW, NEW).expect(410).text();
    assert!(unknown.contains("sign in again"), "{unknown}");
    assert_eq!(browser.cookie(), None);
    assert_eq!(place(&set(&pending, NEW, NEW)), "/files/");
    browser.page("/files/").expect(200);
    // What waited is over, and the old password is wrong.
    set(&pending, NEW, NEW).expect(410);
    WebClient::new(&server)
        .try_sign_in("alice", &password("alice"))
        .expect(401);
    assert_eq!(place(&browser.page("/login/password")), "/login");
    let written = server.log() + &server.audit();
    assert!(!written.contains(NEW) && !written.contains(&pending), "{written}");
}
