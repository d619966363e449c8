use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;

const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILH+QUAVfWzPC6ohzKnEqP/eVOwAMG2+KRPWS4GkWzVd";
const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAViNAQAE3R21CpKBNy5B+3500p/k7qBNSO/SinGK6L+";
/// A key of another type.
const C: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBIIfAujTIc4zz8Q7W4JlCmmlJHXID+R5vnY/4Gs822ReKbltoLRMaAmj1aV4MOiNpqYa0IDk5m9UFVQS4MUX4bM=";
/// `host.example.com` and `[host.example.com]:2222`, as ssh-keygen -H wrote them.
const HASHED: &str = "|1|nvuAfnBwHb5GGLL6tD0z+COibKs=|xtFxWrdO7NZkxEaPgEBpmllLvtU=";
const HASHED_PORT: &str = "|1|8n9CA9hcmHBzKHwrvSm/BGxWbow=|de6dS6gc/WbgBDTlE42zFZ209qU=";

fn key(text: &str) -> PublicKey {
    PublicKey::from_openssh(text).unwrap()
}

fn known(text: &str) -> KnownHosts {
    let mut known = KnownHosts::default();
    known.add(Path::new("kh"), text);
    known
}

/// `known`, `unknown`, `changed LINE` or `revoked LINE`.
fn status(text: &str, host: &HostName, presented: &str) -> String {
    match known(text).check(host, &key(presented)) {
        HostKeyStatus::Known => "known".to_owned(),
        HostKeyStatus::Unknown => "unknown".to_owned(),
        HostKeyStatus::Changed(listed) => format!("changed {}", listed.line),
        HostKeyStatus::Revoked(listed) => format!("revoked {}", listed.line),
    }
}

#[test]
fn every_form_of_a_line() {
    let h = "host.example.com";
    for (text, (host, port), presented, expected) in [
        ("", (h, 22), A, "unknown"),
        (&*format!("{h} {A}"), (h, 22), A, "known"),
        (&format!("{h} {A} a comment # more"), (h, 22), A, "known"),
        (&format!("  {h}\t {A}"), (h, 22), A, "known"),
        (
            &format!("HOST.example.com {A}"),
            ("Host.Example.COM", 22),
            A,
            "known",
        ),
        (&format!("{h} {A}"), (h, 22), B, "changed 1"),
        (
            &format!("# c\n\nnonsense\n{h} ssh-ed25519 AAAA\n{h} {A}"),
            (h, 22),
            B,
            "changed 5",
        ),
        // Of several keys, any will do; the one of the same type is named.
        (&format!("{h} {A}\n{h} {B}"), (h, 22), B, "known"),
        (&format!("{h} {C}\n{h} {A}"), (h, 22), B, "changed 2"),
        // As OpenSSH has it: a type that is not listed is a change as well.
        (&format!("{h} {C}"), (h, 22), A, "changed 1"),
        // Lists, wildcards, negation.
        (&format!("x,{h},y {A}"), (h, 22), A, "known"),
        (&format!("*.example.com {A}"), (h, 22), A, "known"),
        (&format!("*.example.com,!{h} {A}"), (h, 22), A, "unknown"),
        (&format!("*.example.com,!{h} {A}\n{h} {B}"), (h, 22), B, "known"),
        (&format!("h?st.* {A}"), (h, 22), A, "known"),
        // Ports.
        (&format!("[{h}]:2222 {A}"), (h, 2222), A, "known"),
        (&format!("[{h}]:2222 {A}"), (h, 22), A, "unknown"),
        (&format!("[{h}]:2222 {A}"), (h, 2222), B, "changed 1"),
        (&format!("{h} {A}"), (h, 2222), A, "known"),
        (&format!("{h} {A}"), (h, 2222), B, "unknown"),
        (&format!("{h} {A}\n[{h}]:2222 {B}"), (h, 2222), A, "changed 2"),
        (&format!("[::1]:2222 {A}"), ("::1", 2222), A, "known"),
        (&format!("::1 {A}"), ("::1", 22), A, "known"),
        // Hashed.
        (&format!("{HASHED} {A}"), (h, 22), A, "known"),
        (&format!("{HASHED} {A}"), ("other", 22), A, "unknown"),
        (&format!("{HASHED} {A}"), (h, 22), B, "changed 1"),
        (&format!("{HASHED_PORT} {B}"), (h, 2222), B, "known"),
        (&format!("|1|x|y {A}"), (h, 22), A, "unknown"),
        (&format!("|2|AAAA|AAAA {A}"), (h, 22), A, "unknown"),
        // Marked.
        (&format!("@revoked * {A}\n{h} {A}"), (h, 22), A, "revoked 1"),
        (&format!("{h} {A}\n@revoked {h} {A}"), (h, 22), A, "revoked 2"),
        (&format!("@revoked * {A}\n{h} {B}"), (h, 22), B, "known"),
        (&format!("@revoked {h} {A}"), (h, 22), B, "unknown"),
        (&format!("@revoked {h} {A}"), (h, 2222), A, "revoked 1"),
        (&format!("@cert-authority * {A}"), (h, 22), A, "unknown"),
        (&format!("@cert-authority * {A}"), (h, 22), B, "unknown"),
        (&format!("@nonsense {h} {A}"), (h, 22), A, "unknown"),
    ] {
        let host = HostName::new(host, port, None);
        assert_eq!(
            status(text, &host, presented),
            expected,
            "{text}\n{}",
            host.as_str()
        );
    }
}

#[test]
fn an_alias_stands_for_host_and_port() {
    let alias = HostName::new("10.0.0.1", 2222, Some("web"));
    assert_eq!(alias.as_str(), "web");
    assert_eq!(status(&format!("web {A}"), &alias, A), "known");
    assert_eq!(status(&format!("[10.0.0.1]:2222 {A}"), &alias, A), "unknown");
}

#[test]
fn listed_key_types_are_returned() {
    let host = HostName::new("h", 2222, None);
    let types = |text: &str| -> Vec<String> {
        known(text)
            .algorithms(&host)
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert_eq!(
        types(&format!("[h]:2222 {C}\n@revoked * {A}\nh {A}")),
        ["ecdsa-sha2-nistp256"]
    );
    assert_eq!(types(&format!("h {A}")), ["ssh-ed25519"]);
    assert!(types("").is_empty());
}

#[test]
fn an_added_key_is_known_to_homeport_and_to_openssh() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".ssh/known_hosts");
    let plain = HostName::new("Plain.example.com", 22, None);
    let port = HostName::new("::1", 2222, None);
    add_key(&file, &plain, &key(A), false).unwrap();
    // A last line without an end must not swallow the next.
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().trim_end()).unwrap();
    add_key(&file, &port, &key(&format!("{B} a comment")), true).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file.parent().unwrap()), mode(&file)), (0o700, 0o600));
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains("::1"), "the second is hashed: {text}");
    let known = KnownHosts::read(&[dir.path().join("nothing"), file.clone()]).unwrap();
    assert_eq!(known.check(&plain, &key(A)), HostKeyStatus::Known);
    assert_eq!(known.check(&port, &key(B)), HostKeyStatus::Known);
    for host in ["plain.example.com", "[::1]:2222"] {
        let found = Command::new("ssh-keygen")
            .arg("-f")
            .arg(&file)
            .args(["-F", host])
            .output()
            .unwrap();
        assert!(found.status.success(), "{host}");
    }
}

#[test]
fn an_unreadable_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let error = KnownHosts::read(&[dir.path().to_owned()])
        .unwrap_err()
        .to_string();
    assert!(error.contains("cannot read"), "{error}");
    assert!(
        add_key(
            &dir.path().join("no/such/file"),
            &HostName::new("h", 22, None),
            &key(A),
            false
        )
        .is_err()
    );
}
