//! Listings as browsers without scripts read them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;

use testkit::web::WebClient;

use super::super::files::write;
use super::{place, start, values};

/// Returns the names of the entries of all parts, as the links from part to part lead to them.
fn names(browser: &WebClient, first: &str) -> Vec<String> {
    let (mut names, mut address) = (Vec::new(), first.to_owned());
    loop {
        let html = browser.page(&address).expect(200).text();
        let entries = values(&html, "<a class=\"entry\" href");
        names.extend(
            entries
                .iter()
                .map(|href| href.rsplit('/').next().unwrap().to_owned()),
        );
        let count = html.split("id=\"count\"").nth(1).unwrap();
        let count = count.split("</p>").next().unwrap();
        assert_eq!(count.contains("First part"), address != first, "{count}");
        match count.contains("rel=\"next\"") {
            true => address = values(count, "href").pop().unwrap(),
            false => return names,
        }
    }
}

#[test]
fn a_listing_is_read_sorted_and_filtered_by_links_alone() {
    let (server, browser) = start("alice");
    let many = server.home("alice").join("many files");
    for number in 0..1203 {
        write(&many.join(format!("f{number:04}")), b"");
    }
    fs::write(many.join("f0700"), b"twelve bytes").unwrap();
    let sorted: Vec<String> = (0..1203).map(|number| format!("f{number:04}")).collect();
    assert_eq!(names(&browser, "/files/many%20files/"), sorted);
    let html = browser.page("/files/many%20files/").expect(200).text();
    let heads = values(&html, "<a href");
    let reversed = "/files/many%20files/?sort=name&order=desc";
    assert!(heads.iter().any(|head| head == reversed), "{heads:?}");
    let mut backwards = names(&browser, reversed);
    backwards.reverse();
    assert_eq!(backwards, sorted);
    let largest = names(&browser, "/files/many%20files/?sort=size&order=desc");
    assert_eq!(largest[0], "f0700");
    assert_eq!(names(&browser, "/files/many%20files/?filter=F070").len(), 10);
    let nothing = browser
        .page("/files/many%20files/?filter=%3Cb%3E")
        .expect(200)
        .text();
    assert!(
        nothing.contains("No name contains") && !nothing.contains("<b>"),
        "{nothing}"
    );
    assert!(html.contains("data-path=\"/many%20files\"") && html.contains("data-next=\""));
    browser.page("/files/many%20files/?sort=x").expect(400);
    browser.page("/files/many%20files/?after=x").expect(400);
    let packed = browser.ask("GET", "/files/many%20files/", &[("Accept-Encoding", "gzip")], b"");
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() * 5 < html.len());
}

#[test]
fn every_address_leads_to_the_page_or_to_the_file() {
    let (server, browser) = start("alice");
    let home = server.home("alice");
    write(&home.join("a b/c.txt"), b"content");
    symlink("a b", home.join("link")).unwrap();
    symlink("nowhere", home.join("broken")).unwrap();
    assert_eq!(place(&browser.page("/files")), "/files/");
    assert_eq!(
        place(&browser.page("/files/a%20b?sort=size")),
        "/files/a%20b/?sort=size"
    );
    assert_eq!(
        place(&browser.page("/files/a%20b/c.txt")),
        "/api/v1/files/a%20b/c.txt"
    );
    assert_eq!(
        place(&browser.page("/files/a%20b/c.txt/")),
        "/api/v1/files/a%20b/c.txt"
    );
    let html = browser.page("/files/").expect(200).text();
    let entries = values(&html, "<a class=\"entry\" href");
    assert_eq!(entries, ["/files/a%20b/", "/files/broken", "/files/link"]);
    assert_eq!(place(&browser.page("/files/link")), "/files/link/");
    assert!(
        browser
            .page("/files/link/")
            .expect(200)
            .text()
            .contains("/api/v1/files/link/c.txt")
    );
    for (path, status) in [
        ("/files/broken", 404),
        ("/files/none/", 404),
        ("/files/none", 404),
        ("/files/a%2Fb/", 400),
        ("/files/%2e%2e/", 400),
        ("/files/%zz/", 400),
    ] {
        let reply = browser.page(path).expect(status);
        assert!(
            reply.text().contains(&format!("Error {status}")),
            "{}",
            reply.text()
        );
    }
    let crumbs = browser.page("/files/a%20b/").expect(200).text();
    assert!(crumbs.contains("<a href=\"/files/\">Home</a>"), "{crumbs}");
    assert!(
        crumbs.contains("<a href=\"/files/a%20b/\" aria-current=\"page\">a b</a>"),
        "{crumbs}"
    );
}

#[test]
fn hostile_names_are_text_and_lead_to_their_files() {
    let (server, browser) = start("alice");
    let home = server.home("alice");
    let hostile: [&[u8]; 6] = [
        b"<img src=x onerror=alert(1)>.txt",
        b"\"'><script>alert(1)<\\script>",
        b"javascript:alert(1)",
        "invoice\u{202e}fdp.exe".as_bytes(),
        b"line\nbreak\xff",
        b"?sort=size#%2e%2e&amp;",
    ];
    for name in hostile {
        write(&home.join(OsStr::from_bytes(name)), name);
    }
    // A directory is on its own page by name.
    fs::create_dir(home.join("<b>bold")).unwrap();
    let html = browser.page("/files/").expect(200).text();
    for forbidden in [
        "<img",
        "<script>",
        "<b>",
        "\u{202e}",
        "href=\"javascript",
        "line\nbreak",
    ] {
        assert!(!html.contains(forbidden), "{forbidden:?} in\n{html}");
    }
    assert!(
        html.contains("\\u{202e}") && html.contains("line\\nbreak\\xff"),
        "{html}"
    );
    let entries = values(&html, "<a class=\"entry\" href");
    assert_eq!(entries.len(), hostile.len() + 1);
    let mut found = Vec::new();
    for href in entries.iter().filter(|href| href.starts_with("/api/")) {
        let reply = browser.get(href).expect(200);
        assert!(
            reply
                .header("content-disposition")
                .unwrap()
                .starts_with("attachment")
        );
        found.push(reply.body);
    }
    found.sort();
    let mut expected: Vec<Vec<u8>> = hostile.iter().map(|name| name.to_vec()).collect();
    expected.sort();
    assert_eq!(found, expected);
    let bold = browser.page("/files/%3Cb%3Ebold/").expect(200).text();
    assert!(!bold.contains("<b>"), "{bold}");
}
