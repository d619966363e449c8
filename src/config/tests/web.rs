//! The section `[web]`: what needs a restart, and what a backup has.

use super::*;

/// A page with a certificate.
const WITH_TLS: &str =
    "[web]\nlisten = [\"0.0.0.0:443\"]\n[web.tls]\ncertificate = \"a.pem\"\nkey = \"a.key\"\n";

#[test]
fn a_reload_of_the_web_page_applies_all_but_where_and_how_it_is_served() {
    let check = |before: &str, fresh: &str, restart: &[&str], reload: &[&str]| {
        let (before, after) = (parse(before).unwrap(), parse(fresh).unwrap());
        assert_eq!(before.waiting_for_restart(&after), restart, "{fresh}");
        assert_eq!(before.applied_by_reload(&after), reload, "{fresh}");
    };
    check(WITH_TLS, WITH_TLS, &[], &[]);
    check("", WITH_TLS, &["[web] listen", "[web.tls]"], &[]);
    let renamed = WITH_TLS.replace("a.key", "b.key");
    check(WITH_TLS, &renamed, &[], &["[web.tls]"]);
    // The sockets of the start must not be served without the certificate.
    let plain = "[web]\nlisten = [\"0.0.0.0:443\"]\ntrusted_proxies = [\"10.0.0.5\"]";
    check(WITH_TLS, plain, &["[web.tls]"], &["[web] trusted_proxies"]);
    let public = "[web]\npublic_url = \"https://files.example.org\"";
    check("", public, &[], &["[web] public_url"]);
    check("", "[web]\nown_keys = false", &[], &["[web] own_keys"]);
}

#[test]
fn a_backup_has_the_certificate_and_its_key() {
    let mut config = parse(WITH_TLS).unwrap();
    paths::rebase(&mut config, Path::new("/etc/homeport"));
    let named = named_paths(&config);
    let path_of = |setting: &str| {
        let found = named.iter().find(|named| named.setting == setting);
        found.map(|named| named.path.as_path())
    };
    assert_eq!(
        path_of("web.tls.certificate"),
        Some(Path::new("/etc/homeport/a.pem"))
    );
    assert_eq!(path_of("web.tls.key"), Some(Path::new("/etc/homeport/a.key")));
}
