//! Stories about a user's own account on the web page: password, second factor, keys, tokens, sessions.

use homeportd::auth::totp::TotpSecret;
use serde_json::{Value, json};
use testkit::server::{TestServer, password};
use testkit::sign_in_talk::Device;
use testkit::web::{WebClient, WebReply};

const ACCOUNT: &str = "/api/v1/account";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 laptop";
const NEW: &str = "a tiger in the sandwich";

fn server_with(web: &str, users: &[&str]) -> TestServer {
    let web = format!("listen = [\"127.0.0.1:0\"]\n{web}");
    TestServer::start_with(&[("web", &web)], users)
}

fn server(users: &[&str]) -> TestServer {
    server_with("", users)
}

/// Signs a browser in by password alone.
fn browser(server: &TestServer, user: &str) -> WebClient {
    WebClient::new(server).sign_in(user, &password(user), None)
}

fn ok(answer: &WebReply) -> Value {
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text());
    answer.json()
}

/// Checks why a request was refused, and returns the sentence.
fn refused(answer: &WebReply, status: u16, code: &str) -> String {
    assert_eq!(answer.status, status, "{}", answer.text());
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], code, "{error}");
    error["message"].as_str().unwrap().to_owned()
}

fn account(client: &WebClient) -> Value {
    ok(&client.get(ACCOUNT))
}

/// Whether the browser is signed in.
fn is_in(client: &WebClient) -> bool {
    client.get(ACCOUNT).status == 200
}

/// Waits until the audit log has the change of a user, and returns it.
fn admin_event(server: &TestServer, what: &str) -> Value {
    server.wait_for_audit(&format!("\"what\":\"{what}\""));
    let mut events = server.events().into_iter();
    events.find(|event| event["what"] == what).unwrap()
}

#[test]
fn a_new_password_keeps_this_browser_and_ends_all_others() {
    let server = server(&["calvin"]);
    let (here, other) = (browser(&server, "calvin"), browser(&server, "calvin"));
    // Whoever has copied the cookie is somebody else.
    let copied = here.clone();
    let url = format!("{ACCOUNT}/password");
    let set = |current: &str, new: &str| {
        let body = json!({"current_password": current, "password": new});
        here.send("PUT", &url, &body)
    };
    refused(&set("not the password", NEW), 403, "password_required");
    let without = here.send("PUT", &url, &json!({"password": NEW}));
    refused(&without, 403, "password_required");
    let weak = refused(&set(&password("calvin"), "short"), 400, "bad_request");
    assert!(weak.contains("fewer than"), "{weak}");
    let same = refused(&set(&password("calvin"), &password("calvin")), 400, "bad_request");
    assert!(same.contains("must differ"), "{same}");
    assert!(is_in(&here) && is_in(&other));
    ok(&set(&password("calvin"), NEW));
    assert!(is_in(&here), "the browser that has set it stays signed in");
    assert!(!is_in(&other) && !is_in(&copied));
    assert_eq!(account(&here)["browsers"].as_array().unwrap().len(), 1);
    let again = WebClient::new(&server).sign_in("calvin", NEW, None);
    assert!(is_in(&again));
    let event = admin_event(&server, "own password");
    assert_eq!(
        (&event["name"], &event["web_user"]),
        (&json!("calvin"), &json!("calvin"))
    );
    assert!(!server.audit().contains(NEW) && !server.log().contains(NEW));
}

#[test]
fn a_second_factor_is_in_force_after_the_first_code() {
    let server = server(&["calvin"]);
    let (here, other) = (browser(&server, "calvin"), browser(&server, "calvin"));
    let begin = |body: &Value| here.send("POST", &format!("{ACCOUNT}/totp"), body);
    let confirm = |code: &str| here.send("POST", &format!("{ACCOUNT}/totp/confirm"), &json!({"code": code}));
    refused(&confirm("000000"), 410, "gone");
    refused(
        &begin(&json!({"current_password": "wrong"})),
        403,
        "password_required",
    );
    let begun = ok(&begin(&json!({"current_password": password("calvin")})));
    assert!(begun["qr"]["path"].as_str().unwrap().starts_with('M'));
    let mut device = Device {
        secret: TotpSecret::from_base32(begun["secret"].as_str().unwrap()).unwrap(),
        codes: Vec::new(),
    };
    refused(&confirm(&device.wrong()), 400, "bad_request");
    assert_eq!(account(&here)["totp"], false);
    assert!(
        is_in(&browser(&server, "calvin")),
        "a password alone is still enough"
    );
    let enrolled = ok(&confirm(&device.code(0)));
    let codes = enrolled["recovery_codes"].as_array().unwrap();
    device
        .codes
        .extend(codes.iter().map(|code| code.as_str().unwrap().to_owned()));
    assert_eq!(device.codes.len(), 10);
    assert!(is_in(&here) && !is_in(&other));
    let shown = account(&here);
    assert_eq!(
        (&shown["totp"], &shown["recovery_codes_left"]),
        (&json!(true), &json!(10))
    );
    let event = admin_event(&server, "user totp enroll");
    assert_eq!(event["web_user"], "calvin");
    // The recovery codes are in force.
    let by_code = WebClient::new(&server).sign_in("calvin", &password("calvin"), Some(&device.codes[0]));
    assert!(is_in(&by_code));
}

#[test]
fn a_second_factor_is_taken_away_with_the_password_and_a_code_unless_it_is_required() {
    let server = server(&["calvin"]);
    let device = Device::enroll(&server, "calvin", &[]);
    let sign_in = |code: &str| WebClient::new(&server).sign_in("calvin", &password("calvin"), Some(code));
    let (here, other) = (sign_in(&device.codes[0]), sign_in(&device.codes[1]));
    let remove = |code: &str| {
        let body = json!({"current_password": password("calvin"), "code": code});
        here.send("POST", &format!("{ACCOUNT}/totp/remove"), &body)
    };
    server.admin_ok(&["user", "set", "calvin", "--require", "password,totp"], "");
    let why = refused(&remove(&device.codes[2]), 409, "conflict");
    assert!(why.contains("required"), "{why}");
    server.admin_ok(&["user", "set", "calvin", "--require", "any"], "");
    let only_password = json!({"current_password": password("calvin")});
    let url = format!("{ACCOUNT}/totp/remove");
    refused(&here.send("POST", &url, &only_password), 403, "password_required");
    refused(&remove(&device.wrong()), 403, "password_required");
    // A new device needs a code of the present one, too.
    let begin = here.send("POST", &format!("{ACCOUNT}/totp"), &only_password);
    refused(&begin, 403, "password_required");
    ok(&remove(&device.codes[2]));
    assert_eq!(account(&here)["totp"], false);
    assert!(!is_in(&other));
    assert!(is_in(&browser(&server, "calvin")));
    assert_eq!(admin_event(&server, "user totp reset")["web_user"], "calvin");
}

#[test]
fn own_keys_are_added_and_removed_as_by_the_command() {
    let server = server(&["calvin"]);
    let here = browser(&server, "calvin");
    let url = format!("{ACCOUNT}/keys");
    let before = account(&here)["keys"].as_array().unwrap().len();
    let add = |keys: &str, password: &str| {
        here.send("POST", &url, &json!({"keys": keys, "current_password": password}))
    };
    refused(&add(KEY, "wrong"), 403, "password_required");
    let words = refused(&add("ssh-dss AAAA", &password("calvin")), 400, "bad_request");
    assert!(words.contains("cannot use the keys"), "{words}");
    let restricted = format!("from=\"127.0.0.0/8\" {KEY}");
    ok(&add(&restricted, &password("calvin")));
    let keys = account(&here)["keys"].clone();
    let keys = keys.as_array().unwrap();
    assert_eq!(keys.len(), before + 1);
    let key = keys.last().unwrap();
    assert_eq!(
        (&key["type"], &key["comment"], &key["options"]),
        (
            &json!("ssh-ed25519"),
            &json!("laptop"),
            &json!("from=\"127.0.0.0/8\"")
        )
    );
    let fingerprint = key["fingerprint"].as_str().unwrap();
    let listed = server.admin_ok(&["user", "key", "list", "calvin"], "");
    assert!(listed.contains(fingerprint), "{listed}");
    let page = here.get("/account").text();
    assert!(page.contains(fingerprint) && page.contains("calvin"), "{page}");
    let encoded = fingerprint.replace('/', "%2F").replace('+', "%2B");
    ok(&here.send("DELETE", &format!("{url}/{encoded}"), &json!({})));
    assert_eq!(account(&here)["keys"].as_array().unwrap().len(), before);
    for what in ["user key add", "user key remove"] {
        assert_eq!(admin_event(&server, what)["web_user"], "calvin", "{what}");
    }
}

#[test]
fn where_users_have_no_say_about_their_keys_nothing_changes() {
    let server = server_with("own_keys = false", &["calvin"]);
    let here = browser(&server, "calvin");
    assert_eq!(account(&here)["may_change_keys"], false);
    let body = json!({"keys": KEY, "current_password": password("calvin")});
    refused(
        &here.send("POST", &format!("{ACCOUNT}/keys"), &body),
        403,
        "forbidden",
    );
    let listed = server.admin_ok(&["user", "key", "list", "calvin"], "");
    assert!(!listed.contains("laptop"), "{listed}");
}

#[test]
fn tokens_are_made_with_the_password_shown_once_and_never_open_the_account() {
    let server = server(&["calvin"]);
    let here = browser(&server, "calvin");
    let url = format!("{ACCOUNT}/tokens");
    let make = |scope: &str, more: &Value| {
        let mut body = json!({"scope": scope, "comment": "backup", "current_password": password("calvin")});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        here.send("POST", &url, &body)
    };
    refused(
        &make("files", &json!({"current_password": "wrong"})),
        403,
        "password_required",
    );
    refused(&make("admin", &json!({})), 403, "forbidden");
    refused(&make("everything", &json!({})), 400, "bad_request");
    refused(
        &make("files", &json!({"expires": "2001-01-01"})),
        400,
        "bad_request",
    );
    let made = ok(&make("files", &json!({"expires": "2199-01-01"})));
    let token = made["token"].as_str().unwrap();
    assert!(token.starts_with("hpt_") && token.len() == 36, "{token}");
    let listed = account(&here)["tokens"][0].clone();
    assert_eq!(
        (&listed["scope"], &listed["comment"]),
        (&json!("files"), &json!("backup"))
    );
    let text = here.get(ACCOUNT).text() + &here.get("/account").text();
    assert!(!text.contains(token), "it is shown once");
    assert!(!server.log().contains(token) && !server.audit().contains(token));
    let program = WebClient::new(&server).with_token(token);
    for path in [ACCOUNT, "/api/v1/sessions"] {
        refused(&program.get(path), 403, "forbidden");
    }
    let body = json!({"current_password": password("calvin"), "password": NEW});
    refused(
        &program.send("PUT", &format!("{ACCOUNT}/password"), &body),
        403,
        "forbidden",
    );
    ok(&here.send("DELETE", &format!("{url}/{}", made["id"]), &json!({})));
    refused(&program.get(ACCOUNT), 401, "sign_in_required");
    refused(
        &here.send("DELETE", &format!("{url}/{}", made["id"]), &json!({})),
        404,
        "not_found",
    );
    for what in ["token add", "token remove"] {
        assert_eq!(admin_event(&server, what)["web_user"], "calvin", "{what}");
    }
}

#[test]
fn users_end_their_own_sessions_and_nobody_elses() {
    let server = server(&["calvin", "tom"]);
    let (here, other, tom) = (
        browser(&server, "calvin"),
        browser(&server, "calvin"),
        browser(&server, "tom"),
    );
    assert!(is_in(&tom) && is_in(&other));
    let sessions = |client: &WebClient| ok(&client.get("/api/v1/sessions"))["sessions"].clone();
    let of_tom = sessions(&tom)[0]["id"].clone();
    let own = sessions(&here);
    let own = own.as_array().unwrap();
    assert_eq!(own.len(), 2, "{own:?}");
    refused(
        &here.send("DELETE", &format!("/api/v1/sessions/{of_tom}"), &json!({})),
        404,
        "not_found",
    );
    assert!(is_in(&tom));
    let others = own.iter().find(|session| session["current"] == false).unwrap();
    ok(&here.send(
        "DELETE",
        &format!("/api/v1/sessions/{}", others["id"]),
        &json!({}),
    ));
    testkit::wait_for("the other browser to be signed out", || !is_in(&other));
    assert!(is_in(&here));
    assert_eq!(admin_event(&server, "sessions kick")["web_user"], "calvin");
}

#[test]
fn browsers_are_signed_out_one_by_one_or_all_at_once() {
    let server = server(&["calvin"]);
    let clients: Vec<WebClient> = (0..4).map(|_| browser(&server, "calvin")).collect();
    let [here, one, two, three] = &clients[..] else {
        panic!("there are four")
    };
    let url = format!("{ACCOUNT}/browsers");
    let mine = account(one)["browsers"].clone();
    let mut mine = mine.as_array().unwrap().iter();
    let id = mine.find(|browser| browser["current"] == true).unwrap()["id"].clone();
    let id = id.as_str().unwrap().to_owned();
    ok(&here.send("DELETE", &format!("{url}/{id}"), &json!({})));
    assert!(!is_in(one) && is_in(two) && is_in(three));
    refused(
        &here.send("DELETE", &format!("{url}/{id}"), &json!({})),
        404,
        "not_found",
    );
    let all = ok(&here.send("DELETE", &url, &json!({})));
    assert_eq!(all["signed_out"], 2);
    assert!(is_in(here) && !is_in(two) && !is_in(three));
    let sign_ins = account(here)["sign_ins"].clone();
    let latest = &sign_ins[0];
    assert_eq!(
        (&latest["address"], &latest["method"]),
        (&json!("127.0.0.1"), &json!("password"))
    );
}
