//! The certificate and the addresses of the web page, as `check`, a start, a reload and a backup see them.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use crate::admin::backup::{errors, restore};
use crate::admin::machine::free_port;
use crate::admin::preflight::{check, edit, fifo, serve};
use testkit::server::TestServer;

const CHAIN: &str = include_str!("../../src/web/tls/fixtures/chain.pem");
const KEY: &str = include_str!("../../src/web/tls/fixtures/key.pem");
const OTHER: &str = include_str!("../../src/web/tls/fixtures/rsa.pem");
const OTHER_KEY: &str = include_str!("../../src/web/tls/fixtures/rsa_key.pem");

/// A server whose page has a certificate, beside the configuration.
fn with_certificate(listen: &str) -> TestServer {
    let listen = format!("listen = [\"{listen}\"]\npublic_url = \"https://files.example.org\"");
    let files = "certificate = \"fullchain.pem\"\nkey = \"privkey.pem\"";
    let server = TestServer::new(&[("web", &listen), ("web.tls", files)]);
    write(&server, CHAIN, KEY);
    server.add_user("alice", &[]);
    server
}

fn write(server: &TestServer, certificate: &str, key: &str) {
    fs::write(server.path().join("fullchain.pem"), certificate).unwrap();
    let file = server.path().join("privkey.pem");
    fs::write(&file, key).unwrap();
    // The server may run as another user than the test.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let owner = server.path().join("data").metadata().unwrap();
    std::os::unix::fs::chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
}

type Damage = fn(&TestServer);

/// Ways in which the page cannot be served, and what `check` and a start say.
const REFUSED: &[(&str, Damage, &str)] = &[
    (
        "nobody encrypts",
        |s| {
            edit(
                s,
                "[web.tls]\ncertificate = \"fullchain.pem\"\nkey = \"privkey.pem\"",
                "",
            );
            edit(
                s,
                "[web]\nlisten = [\"127.0.0.1:0\"]",
                "[web]\nlisten = [\"0.0.0.0:0\"]",
            );
        },
        "\"listen\" in [web] names 0.0.0.0:0, which is not a loopback address",
    ),
    (
        "there is no key in the configuration",
        |s| edit(s, "key = \"privkey.pem\"", ""),
        "\"key\" in [web.tls] is missing",
    ),
    (
        "there is no certificate",
        |s| fs::remove_file(s.path().join("fullchain.pem")).unwrap(),
        "fullchain.pem\": no such file or directory (hint: certbot's files are",
    ),
    (
        "the key is a FIFO",
        |s| {
            fs::remove_file(s.path().join("privkey.pem")).unwrap();
            fifo(&s.path().join("privkey.pem"));
        },
        "it is a FIFO, not a regular file",
    ),
    (
        "the files are exchanged",
        |s| write(s, KEY, CHAIN),
        "are \"certificate\" and \"key\" exchanged?",
    ),
    (
        "the key is that of another certificate",
        |s| write(s, CHAIN, OTHER_KEY),
        "it is not the key of the certificate",
    ),
    (
        "the key has a passphrase",
        |s| {
            write(
                s,
                CHAIN,
                include_str!("../../src/web/tls/fixtures/key_encrypted.pem"),
            );
        },
        "it is protected by a passphrase",
    ),
    (
        "the port is that of [server]",
        |s| {
            edit(
                s,
                "[server]\nlisten = [\"127.0.0.1:0\"]",
                "[server]\nlisten = [\"0.0.0.0:4711\"]",
            );
            edit(
                s,
                "[web]\nlisten = [\"127.0.0.1:0\"]",
                "[web]\nlisten = [\"127.0.0.1:4711\"]",
            );
        },
        "\"listen\" in [server] names 0.0.0.0:4711 too",
    ),
    (
        "an address that the machine lacks",
        |s| {
            edit(
                s,
                "[web]\nlisten = [\"127.0.0.1:0\"]",
                "[web]\nlisten = [\"192.0.2.1:0\"]",
            )
        },
        "cannot listen on 192.0.2.1:0",
    ),
];

#[test]
fn check_names_what_keeps_the_web_page_from_being_served() {
    for (name, spoil, expected) in REFUSED {
        let server = with_certificate("127.0.0.1:0");
        spoil(&server);
        for (who, said) in [("check", check(&server)), ("serve", serve(&server, &[]))] {
            assert!(!said.succeeded, "{name}: {who} succeeded: {}", said.text);
            assert!(said.text.contains(expected), "{name}: {who} says: {}", said.text);
        }
    }
}

#[test]
fn check_says_where_the_page_will_be_and_what_browsers_refuse() {
    let server = with_certificate("127.0.0.1:0");
    let said = check(&server);
    assert!(said.succeeded, "{}", said.text);
    let plan = "serve the web page on https://files.example.org, with a certificate for files.example.org, \
                *.example.net, 192.0.2.7, 2001:db8::7 until 2120-01-01";
    assert!(said.text.contains(plan), "{}", said.text);
    let warned = |expected: &str| {
        let said = check(&server);
        assert!(
            said.succeeded && said.text.contains(expected),
            "{expected}: {}",
            said.text
        );
    };
    let key = server.path().join("privkey.pem");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    warned("every user of this machine can read the key of the web page");
    write(
        &server,
        include_str!("../../src/web/tls/fixtures/expired.pem"),
        KEY,
    );
    warned("has expired on 2001-01-01, so that browsers refuse it");
    write(
        &server,
        include_str!("../../src/web/tls/fixtures/not_yet.pem"),
        KEY,
    );
    warned("is not valid before 2100-01-01");
    write(&server, CHAIN, KEY);
    edit(&server, "https://files.example.org", "https://example.org");
    warned("is not for example.org, which \"public_url\" in [web] names");
}

#[test]
fn the_running_server_holds_the_sockets_of_its_page() {
    let taken = TcpListener::bind(("127.0.0.1", free_port())).unwrap();
    let address = taken.local_addr().unwrap();
    let mut server = with_certificate(&address.to_string());
    let said = check(&server);
    let expected = format!("cannot listen on {address}: address already in use");
    assert!(!said.succeeded && said.text.contains(&expected), "{}", said.text);
    drop(taken);
    server.serve();
    server.wait_for_log(&format!("the web page is on https://{address}/"));
    let said = check(&server);
    assert!(said.succeeded, "{}", said.text);
    server.signal("TERM");
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn a_renewed_certificate_is_loaded_by_a_reload_and_a_broken_pair_changes_nothing() {
    let mut server = with_certificate("127.0.0.1:0");
    server.serve();
    // The key is still the former one.
    fs::write(server.path().join("fullchain.pem"), OTHER).unwrap();
    let refused = server.admin(&["reload"], "");
    let said = errors(&refused);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("it is not the key of the certificate"), "{said}");
    server.wait_for_log("the configuration was not changed: cannot use the key of the web page");
    write(&server, OTHER, OTHER_KEY);
    let said = server.admin_ok(&["reload"], "");
    for (file, setting) in [("fullchain.pem", "certificate"), ("privkey.pem", "key")] {
        let expected = format!("{file}\" has changed ([web.tls] {setting}), and is in force");
        assert!(said.contains(&expected), "{said}");
    }
}

#[test]
fn a_backup_has_the_certificate_and_the_key_with_its_mode() {
    let server = with_certificate("127.0.0.1:0");
    let backup = server.path().join("backup");
    server.admin_ok(&["backup", backup.to_str().unwrap()], "");
    let restored = restore(&server.path().join("new/homeportd.toml"), &backup, &[]);
    assert!(restored.status.success(), "{}", errors(&restored));
    let key = server.path().join("new/privkey.pem");
    assert_eq!(fs::read_to_string(&key).unwrap(), KEY);
    assert_eq!(key.metadata().unwrap().mode() & 0o777, 0o600);
    let certificate = server.path().join("new/fullchain.pem");
    assert_eq!(fs::read_to_string(certificate).unwrap(), CHAIN);
}
