//! The pages as browsers get them: what every one of them has, and what the first one costs.

mod listing;
mod sign_in;

use std::collections::BTreeSet;

use testkit::server::{TestServer, password};
use testkit::web::{WEB, WebClient, WebReply};

use super::files::write;

/// What scripts, styles and forms of pages may be.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; \
                      media-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";

/// The most bytes that a browser fetches for the first page.
const FIRST_LOAD: usize = 60 * 1024;

/// Starts a server with the web page and a user, and returns a browser in which the user is signed in.
fn start(user: &str) -> (TestServer, WebClient) {
    let server = TestServer::start_with(&[WEB], &[user]);
    let browser = WebClient::new(&server).sign_in(user, &password(user), None);
    (server, browser)
}

/// Returns where a reply sends the browser.
#[track_caller]
fn place(reply: &WebReply) -> &str {
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.header("location").unwrap()
}

/// Returns the values of an attribute in a page.
fn values(html: &str, attribute: &str) -> Vec<String> {
    let begin = format!("{attribute}=\"");
    let behind = html.split(begin.as_str()).skip(1);
    behind
        .map(|rest| rest.split('"').next().unwrap().replace("&#38;", "&"))
        .collect()
}

/// Returns the path below which the assets are.
fn assets(browser: &WebClient) -> String {
    let html = browser.page("/login").text() + &browser.page("/files/").text();
    let sources = values(&html, "src");
    let script = sources
        .iter()
        .find(|source| source.starts_with("/assets/"))
        .unwrap();
    script.rsplit_once('/').unwrap().0.to_owned()
}

#[test]
fn every_answer_says_what_browsers_may_do_with_it() {
    let (_server, browser) = start("alice");
    let style = format!("{}/app.css", assets(&browser));
    for (path, status) in [
        ("/files/", 200),
        ("/account", 200),
        ("/shares", 200),
        ("/none", 404),
        ("/files/none/", 404),
        ("/admin", 404),
        ("/", 303),
        (style.as_str(), 200),
        ("/robots.txt", 200),
        ("/favicon.ico", 200),
    ] {
        let reply = browser.page(path).expect(status);
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            // With `no-referrer`, browsers would send our own forms with `Origin: null`.
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(reply.header(name), Some(value), "{name} of {path}");
        }
        let is_page = reply
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/html"));
        assert_eq!(
            is_page,
            matches!(path, "/files/" | "/account" | "/shares") || status == 404,
            "{path}"
        );
        if is_page {
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
            let html = reply.text();
            for inline in ["<style", " style=", "javascript:", " onclick=", " onload="] {
                assert!(!html.contains(inline), "{inline} in {path}:\n{html}");
            }
            let scripts = html.matches("<script").count();
            let loaded =
                values(&html, "<script src").len() + values(&html, "<script type=\"module\" src").len();
            assert_eq!(scripts, loaded, "{path} has a script of its own:\n{html}");
        }
    }
}

#[test]
fn assets_are_kept_by_browsers_and_belong_to_one_version() {
    let (server, browser) = start("alice");
    let base = assets(&browser);
    // The form for signing in needs them, too.
    let stranger = WebClient::new(&server);
    for (name, kind) in [
        ("app.css", "text/css; charset=utf-8"),
        ("files.mjs", "text/javascript; charset=utf-8"),
        ("theme_early.js", "text/javascript; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
    ] {
        let path = format!("{base}/{name}");
        let plain = stranger.get(&path).expect(200);
        assert_eq!(plain.header("content-type"), Some(kind), "{name}");
        assert_eq!(
            plain.header("cache-control"),
            Some("public, max-age=31536000, immutable")
        );
        assert_eq!(plain.header("vary"), Some("accept-encoding"));
        assert_eq!(plain.header("content-encoding"), None);
    }
    let path = format!("{base}/app.css");
    let packed = stranger
        .ask("GET", &path, &[("Accept-Encoding", "gzip, br")], b"")
        .expect(200);
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 2 < stranger.get(&path).body.len());
    for wrong in [
        "/assets/0000000000000000/app.css".to_owned(),
        format!("{base}/none.css"),
        format!("{base}/..%2Fassets.rs"),
    ] {
        let reply = stranger.get(&wrong);
        assert_eq!(
            (reply.status, reply.header("cache-control")),
            (404, Some("no-store")),
            "{wrong}"
        );
    }
    let robots = stranger.get("/robots.txt").expect(200);
    assert_eq!(robots.text(), "User-agent: *\nDisallow: /\n");
    assert_eq!(
        stranger.get("/favicon.ico").expect(200).header("content-type"),
        Some("image/svg+xml")
    );
}

#[test]
fn the_first_page_is_small() {
    let (server, browser) = start("alice");
    let home = server.home("alice");
    for number in 0..600 {
        write(&home.join(format!("report of the month {number}.pdf")), b"");
    }
    let gzip = [("Accept-Encoding", "gzip")];
    let html = browser.page("/files/").expect(200).text();
    let mut bytes = browser.ask("GET", "/files/", &gzip, b"").expect(200).body.len();
    let linked = [values(&html, "src"), values(&html, "href")].concat();
    let mut waiting: Vec<String> = linked
        .into_iter()
        .filter(|place| place.starts_with("/assets/"))
        .collect();
    let mut fetched = BTreeSet::new();
    while let Some(path) = waiting.pop() {
        if !fetched.insert(path.clone()) {
            continue;
        }
        bytes += browser.ask("GET", &path, &gzip, b"").expect(200).body.len();
        let (directory, _) = path.rsplit_once('/').unwrap();
        let text = browser.get(&path).text();
        // What is imported when it is needed does not count.
        let imported = text.split(" from \"./").skip(1);
        waiting.extend(imported.map(|rest| format!("{directory}/{}", rest.split('"').next().unwrap())));
    }
    assert!(fetched.len() > 10, "{fetched:?}");
    assert!(bytes <= FIRST_LOAD, "{bytes} bytes for {fetched:?}");
}

#[test]
fn administrators_have_their_pages_in_the_menu() {
    let (server, browser) = start("alice");
    let has_menu = || browser.page("/files/").text().contains("href=\"/admin\"");
    assert!(!has_menu());
    server.admin_ok(&["user", "set", "alice", "--admin"], "");
    let again = WebClient::new(&server).sign_in("alice", &password("alice"), None);
    assert!(again.page("/files/").text().contains("href=\"/admin\""));
}

#[test]
fn the_use_of_the_home_stands_on_every_page() {
    let mut server = TestServer::new(&[WEB]);
    server.add_user("alice", &["--quota", "4KiB"]);
    server.serve();
    let browser = WebClient::new(&server).sign_in("alice", &password("alice"), None);
    browser.page("/files/").expect(200);
    for page in ["/files/", "/shares", "/account"] {
        let html = browser.page(page).expect(200).text();
        assert!(html.contains(" of 4.0 KiB"), "{page}: {html}");
        assert!(
            html.contains("<progress id=\"usage-bar\" max=\"1000\""),
            "{page}: {html}"
        );
    }
}
