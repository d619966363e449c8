use std::process::Command;

use super::*;

const ONE: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMd6xXnVT1S/yCl4qB7po332lDM7TUEWm0vjYEfkxSE9 one@a";
const TWO: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINko6B7eV50qdxHVQUhh8eBcVciQKnLae6pBtEqfUhGa two@b";

fn lines(bytes: &[u8]) -> Vec<String> {
    parse("f", bytes).unwrap_or_else(|e| panic!("{e}")).lines
}

#[test]
fn lines_of_authorized_keys_are_read_and_the_bad_ones_named() {
    assert_eq!(lines(ONE.as_bytes()), [ONE]);
    assert_eq!(
        lines(format!("# mine\n\n  {ONE}\r\n{TWO}\n").as_bytes()),
        [ONE, TWO]
    );
    assert_eq!(lines(format!("\u{feff}{ONE}").as_bytes()), [ONE]);
    let sftp_only = format!("command=\"internal-sftp\",restrict {ONE}");
    assert_eq!(lines(sftp_only.as_bytes()), [sftp_only]);
    // A comment that is not UTF-8.
    assert_eq!(lines(&[ONE.as_bytes(), b" J\xfcrgen\n"].concat()).len(), 1);

    let text = format!("{ONE}\ncommand=\"/bin/sh\" {TWO}\n\nssh-ed25519 AAAA x\n{TWO}\nssh-dss AAAA\n");
    let found = parse("f", text.as_bytes()).unwrap();
    assert_eq!(found.lines, [ONE, TWO]);
    let numbers: Vec<usize> = found.refused.iter().map(|line| line.number).collect();
    assert_eq!(numbers, [2, 4, 6]);
    assert_eq!(found.refused[0].reason, "option command= is not supported");
}

#[test]
fn a_file_without_a_usable_key_says_why() {
    let check = |text: &str, expected: &str| {
        let error = parse("f", text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    };
    check("", "no public key in it");
    check("# nothing\n\n", "no public key in it");
    check("ssh-dss AAAA", "cannot use the keys in f: line 1: ");
    check(
        "ssh-dss AAAA\nssh-ed25519 AAAA",
        "\n  line 2: the key's data is damaged",
    );
    check(&format!("{BEGIN}\nAAAA\n"), "is missing");
    check(&format!("{BEGIN}\n!\n{END}\n"), "damaged");
    check(&format!("{BEGIN}\n{END}\n"), "damaged");
}

#[test]
fn rfc_4716_is_read() {
    let data = ONE.split(' ').nth(1).unwrap();
    let (front, back) = data.split_at(40);
    let check = |headers: &str, expected: &str| {
        for end in ["\n", "\r\n"] {
            let text = format!("{BEGIN}\n{headers}{front}\n{back}\n{END}\n").replace('\n', end);
            assert_eq!(lines(text.as_bytes()), [expected], "{text}");
        }
    };
    let bare = ONE.replace(" one@a", "");
    check("", &bare);
    // As PuTTYgen writes it.
    check("Comment: \"one@a\"\n", ONE);
    check("Subject: me\nComment: one@a\nx-private: a:b\n", ONE);
    check("Comment: \"one\\\n@a\"\n", ONE);
    // Beside lines, and several.
    let block = format!("{BEGIN}\n{data}\n{END}\n");
    assert_eq!(lines(format!("{TWO}\n{block}{block}").as_bytes()).len(), 3);
}

#[test]
fn what_ssh_keygen_exports_is_read() {
    let dir = tempfile::tempdir().unwrap();
    for kind in ["ed25519", "ecdsa", "rsa"] {
        let key = dir.path().join(kind);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", kind, "-N", "", "-C", "somebody's key", "-f"])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let public = std::fs::read_to_string(key.with_extension("pub")).unwrap();
        let exported = Command::new("ssh-keygen")
            .arg("-e")
            .arg("-f")
            .arg(&key)
            .output()
            .unwrap();
        let read = lines(&exported.stdout);
        assert!(read[0].starts_with(public.trim_end().strip_suffix(" somebody's key").unwrap()));
        // And the private halves are named for what they are.
        for (format, name) in [("RFC4716", "OpenSSH's"), ("PEM", "PEM"), ("PKCS8", "PKCS#8")] {
            if kind == "ed25519" && format != "RFC4716" {
                continue;
            }
            let converted = Command::new("ssh-keygen")
                .args(["-q", "-p", "-N", "", "-P", "", "-m", format, "-f"])
                .arg(&key)
                .stdout(std::process::Stdio::null())
                .status();
            assert!(converted.unwrap().success());
            let error = parse("\"k\"", &std::fs::read(&key).unwrap())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains(name) && error.contains("ssh-keygen -y -f \"k\""),
                "{error}"
            );
        }
        if kind == "rsa" {
            for (format, name) in [("PEM", "public key in PEM"), ("PKCS8", "public key in PKCS#8")] {
                let exported = Command::new("ssh-keygen")
                    .args(["-e", "-m", format, "-f"])
                    .arg(key.with_extension("pub"))
                    .output();
                let error = parse("\"k\"", &exported.unwrap().stdout).unwrap_err().to_string();
                assert!(error.contains(name), "{error}");
                assert!(error.contains(&format!("ssh-keygen -i -m {format}")), "{error}");
            }
        }
    }
}

#[test]
fn files_of_other_kinds_are_named_with_the_way_out() {
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let check = |bytes: &[u8], what: &str, way_out: &str| {
        let error = parse("\"k\"", bytes).unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(way_out), "{error}");
    };
    let iconv = "iconv -f UTF-16 -t UTF-8 \"k\"";
    check(&utf16(&format!("\u{feff}{ONE}\r\n")), "UTF-16", iconv);
    check(&utf16(ONE), "UTF-16", iconv);
    check(
        b"PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\n",
        ".ppk",
        "puttygen \"k\" -O public-openssh",
    );
    check(
        b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\n",
        "ssh.com's",
        "public half",
    );
    check(
        b"-----BEGIN ENCRYPTED PRIVATE KEY-----\n",
        "PKCS#8",
        "ssh-keygen -y -f",
    );
    check(b"-----BEGIN EC PRIVATE KEY-----\n", "PEM", "ssh-keygen -y -f");
    check(b"-----BEGIN CERTIFICATE-----\n", "X.509", ".pub");
    let error = parse("standard input", b"-----BEGIN PUBLIC KEY-----\n")
        .unwrap_err()
        .to_string();
    assert!(error.contains("-f FILE"), "{error}");
}
