use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, RootCertStore, ServerConnection};

use super::*;

const CHAIN: &str = include_str!("fixtures/chain.pem");
const KEY: &str = include_str!("fixtures/key.pem");

/// Writes a certificate and a key into a directory.
fn pair(dir: &Path, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> TlsFiles {
    let files = TlsFiles {
        certificate: dir.join("fullchain.pem"),
        key: dir.join("privkey.pem"),
    };
    std::fs::write(&files.certificate, certificate).unwrap();
    std::fs::write(&files.key, key).unwrap();
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    files
}

/// Returns why files cannot be used.
fn refusal(files: &TlsFiles) -> String {
    match CertifiedFiles::load(files) {
        Ok(_) => panic!("{files:?} was accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_usual_form_of_keys_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for (certificate, key) in [
        (CHAIN, KEY),
        (CHAIN, include_str!("fixtures/key_sec1.pem")),
        (
            include_str!("fixtures/rsa.pem"),
            include_str!("fixtures/rsa_key.pem"),
        ),
        (
            include_str!("fixtures/ed25519.pem"),
            include_str!("fixtures/ed25519_key.pem"),
        ),
    ] {
        let files = pair(dir.path(), certificate, key);
        assert!(CertifiedFiles::load(&files).is_ok(), "{key}");
        // One file may have both.
        let both = format!("{key}{certificate}");
        assert!(
            CertifiedFiles::load(&pair(dir.path(), &both, &both)).is_ok(),
            "{key}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let other = include_str!("fixtures/rsa_key.pem");
    let (first, _) = CHAIN.split_at(CHAIN.len() / 4);
    let der = CertificateDer::from_pem_slice(CHAIN.as_bytes()).unwrap();
    let many = CHAIN.repeat(10);
    let large = "#".repeat((1 << 20) + 1);
    let rows: &[(&[u8], &[u8], &str)] = &[
        (b"", KEY.as_bytes(), "fullchain.pem\": it is empty"),
        (
            b"hello",
            KEY.as_bytes(),
            "it has no certificate (hint: a line -----BEGIN CERTIFICATE-----",
        ),
        (KEY.as_bytes(), KEY.as_bytes(), "it has a key and no certificate"),
        (
            CHAIN.as_bytes(),
            CHAIN.as_bytes(),
            "privkey.pem\": it has a certificate and no key",
        ),
        (&der[..], KEY.as_bytes(), "it is DER, not PEM"),
        (
            first.as_bytes(),
            KEY.as_bytes(),
            "its last section has no line that begins with -----END",
        ),
        (
            many.as_bytes(),
            KEY.as_bytes(),
            "it has 20 certificates, more than 16",
        ),
        (large.as_bytes(), KEY.as_bytes(), "it is larger than 1.0 MiB"),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            KEY.as_bytes(),
            "its first certificate cannot be understood",
        ),
        (CHAIN.as_bytes(), b"hello", "it has no private key"),
        (
            CHAIN.as_bytes(),
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "it is damaged, or of a kind that TLS does not use here",
        ),
        (
            CHAIN.as_bytes(),
            b"-----BEGIN PRIVATE KEY-----\n!!!!\n-----END PRIVATE KEY-----\n",
            "is not base64",
        ),
        (
            CHAIN.as_bytes(),
            include_bytes!("fixtures/key_encrypted.pem"),
            "it is protected by a passphrase",
        ),
        (
            CHAIN.as_bytes(),
            include_bytes!("fixtures/key_encrypted_sec1.pem"),
            "it is protected by a passphrase",
        ),
        (
            CHAIN.as_bytes(),
            b"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
            "it is a key of OpenSSH",
        ),
        (
            CHAIN.as_bytes(),
            other.as_bytes(),
            "it is not the key of the certificate",
        ),
        (
            include_bytes!("fixtures/reversed.pem"),
            KEY.as_bytes(),
            "its certificate is not the first one in",
        ),
    ];
    for (certificate, key, expected) in rows {
        let said = refusal(&pair(dir.path(), certificate, key));
        assert!(said.contains(expected), "{expected}: {said}");
        assert!(!said.contains("!!!!"), "{said}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let files = pair(dir.path(), CHAIN, KEY);
    let directory = TlsFiles {
        key: dir.path().to_owned(),
        ..files.clone()
    };
    let said = refusal(&directory);
    assert!(said.contains("it is a directory, not a regular file"), "{said}");
    std::fs::remove_file(&files.key).unwrap();
    let said = refusal(&files);
    assert!(
        said.contains("privkey.pem\": no such file or directory (hint: certbot's"),
        "{said}"
    );
    // Root reads everything.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let files = pair(dir.path(), CHAIN, KEY);
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o000)).unwrap();
    let said = refusal(&files);
    assert!(
        said.contains("permission denied (hint: user ") && said.contains("setfacl"),
        "{said}"
    );
}

#[test]
fn a_certificate_that_browsers_refuse_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let now: Timestamp = "2027-06-01T12:00:00Z".parse().unwrap();
    let check = |certificate: &str, public_url: Option<&str>, now: Timestamp, expected: &[&str]| {
        let files = pair(dir.path(), certificate, KEY);
        let settings = WebSettings {
            public_url: public_url.map(str::to_owned),
            ..WebSettings::default()
        };
        let warnings = CertifiedFiles::load(&files).unwrap().warnings(&settings, now);
        assert_eq!(warnings.len(), expected.len(), "{warnings:?}");
        for (warning, expected) in warnings.iter().zip(expected) {
            assert!(warning.contains(expected), "{warning}");
        }
    };
    check(CHAIN, None, now, &[]);
    check(CHAIN, Some("https://files.example.org"), now, &[]);
    check(CHAIN, Some("https://www.example.net:8443"), now, &[]);
    check(CHAIN, Some("https://[2001:db8::7]"), now, &[]);
    check(
        CHAIN,
        Some("https://example.org"),
        now,
        &[
            "is not for example.org, which \"public_url\" in [web] names, but for files.example.org, *.example.net",
        ],
    );
    let expired = include_str!("fixtures/expired.pem");
    check(expired, None, now, &["has expired on 2001-01-01"]);
    let not_yet = include_str!("fixtures/not_yet.pem");
    check(not_yet, None, now, &["is not valid before 2100-01-01"]);
    check(include_str!("fixtures/endless.pem"), None, now, &[]);
    check(
        include_str!("fixtures/no_names.pem"),
        None,
        now,
        &["has no names"],
    );
    let near = "2119-12-28T00:00:00Z".parse().unwrap();
    check(CHAIN, None, near, &["expires on 2120-01-01"]);
}

#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let files = pair(dir.path(), CHAIN, KEY);
    let check = |mode: u32, expected: bool| {
        std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(mode)).unwrap();
        let certified = CertifiedFiles::load(&files).unwrap();
        let warnings = certified.warnings(&WebSettings::default(), Timestamp::now());
        let is_told = warnings
            .iter()
            .any(|warning| warning.contains("every user of this machine"));
        assert_eq!(is_told, expected, "{mode:o}: {warnings:?}");
    };
    check(0o640, false);
    check(0o644, true);
}

/// Connects a client that trusts the authority of the fixtures; returns the version and the protocol.
fn connect(server: Arc<ServerConfig>, client: ClientConfig) -> (ProtocolVersion, Vec<u8>) {
    let name = "files.example.org".try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    for _ in 0..10 {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut sent = bytes.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).unwrap();
            server.process_new_packets().unwrap();
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut sent = bytes.as_slice();
        while !sent.is_empty() {
            client.read_tls(&mut sent).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    (
        server.protocol_version().unwrap(),
        server.alpn_protocol().unwrap().to_vec(),
    )
}

#[test]
fn clients_of_both_versions_connect_and_a_reload_is_for_new_connections() {
    let dir = tempfile::tempdir().unwrap();
    let first = CertifiedFiles::load(&pair(dir.path(), CHAIN, KEY)).unwrap();
    let current = TlsCurrent::new(first.config());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(CHAIN.as_bytes()).skip(1) {
        roots.add(certificate.unwrap()).unwrap();
    }
    for (version, expected) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        client.alpn_protocols = vec![b"h2".to_vec(), HTTP.to_vec()];
        assert_eq!(connect(current.get(), client), (expected, HTTP.to_vec()));
    }
    let of_a_connection = current.get();
    let renewed = CertifiedFiles::load(&pair(
        dir.path(),
        include_str!("fixtures/rsa.pem"),
        include_str!("fixtures/rsa_key.pem"),
    ));
    current.replace(renewed.unwrap().config());
    assert!(Arc::ptr_eq(&of_a_connection, &first.config()));
    assert!(!Arc::ptr_eq(&of_a_connection, &current.get()));
}
