//! Runs each fuzz target over its seeds and some thousand mutations of them. `scripts/fuzz` runs them longer.

use testkit::fuzz::smoke;

#[test]
fn packet() {
    smoke("packet", sftp_wire::fuzz::fuzz_packet);
}

#[test]
fn path() {
    smoke("path", homeportd::domain::path::fuzz::fuzz_path);
}

#[test]
fn words() {
    smoke("words", base::words::fuzz::fuzz_words);
}

#[test]
fn scp() {
    smoke("scp", homeportd::exec::fuzz_scp);
}

#[test]
fn configuration() {
    smoke("configuration", homeportd::config::fuzz::fuzz_configuration);
}

#[test]
fn authorized_keys() {
    smoke(
        "authorized_keys",
        homeportd::auth::keys::fuzz::fuzz_authorized_keys,
    );
}

#[test]
fn password_hash() {
    smoke(
        "password_hash",
        homeportd::auth::password::fuzz::fuzz_password_hash,
    );
}

#[test]
fn key_lists() {
    smoke("key_lists", homeportd::auth::trust::fuzz::fuzz_key_lists);
}

#[test]
fn known_hosts() {
    smoke(
        "known_hosts",
        homeport::connect::known_hosts::fuzz::fuzz_known_hosts,
    );
}

#[test]
fn ssh_config() {
    smoke("ssh_config", homeport::connect::ssh_config::fuzz::fuzz_ssh_config);
}

#[test]
fn proxy_header() {
    smoke(
        "proxy_header",
        homeportd::ssh::proxy_header::fuzz::fuzz_proxy_header,
    );
}

#[test]
fn users_import() {
    smoke("users_import", homeportd::ops::users_file::import::fuzz::import);
}

#[test]
fn users_file() {
    smoke("users_file", homeportd::config::users_file::fuzz::fuzz_users_file);
}

#[test]
fn second_factor() {
    smoke("second_factor", homeportd::auth::fuzz::fuzz_second_factor);
}

#[test]
fn certificate() {
    smoke("certificate", homeportd::auth::fuzz::fuzz_certificate);
}

#[cfg(feature = "web")]
#[test]
fn web_range() {
    smoke("web_range", homeportd::web::range::fuzz::fuzz_range);
}

#[cfg(feature = "web")]
#[test]
fn web_path() {
    smoke("web_path", homeportd::web::url_path::fuzz::fuzz_url_path);
}

#[cfg(feature = "web")]
#[test]
fn web_tus() {
    smoke("web_tus", homeportd::web::tus::headers::fuzz::fuzz_tus_headers);
}

#[cfg(feature = "web")]
#[test]
fn web_cookies() {
    smoke("web_cookies", homeportd::web::cookies::fuzz::fuzz_cookies);
}

#[cfg(feature = "web")]
#[test]
fn web_forwarded() {
    smoke("web_forwarded", homeportd::web::forwarded::fuzz::fuzz_forwarded);
}

/// Each target of cargo-fuzz is one of those above, with the same body and with seeds.
#[test]
fn every_target_runs_here() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |directory: &str| {
        let entries = std::fs::read_dir(root.join(directory)).unwrap();
        let names = entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_owned());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let targets = names("fuzz/fuzz_targets");
    assert_eq!(targets.len(), 20);
    assert_eq!(targets, names("fuzz/seeds"));
    let words: Vec<&str> = include_str!("fuzz.rs").split_whitespace().collect();
    let here = words.concat();
    for target in targets {
        let text = std::fs::read_to_string(root.join(format!("fuzz/fuzz_targets/{target}.rs"))).unwrap();
        let body = text
            .split(['|', '('])
            .rfind(|part| part.contains("::"))
            .unwrap()
            .trim();
        // rustfmt adds a comma behind the last argument of a long line.
        let call = format!("smoke(\"{target}\",{body}");
        assert!(here.contains(&call), "{target}: {body}");
    }
}
