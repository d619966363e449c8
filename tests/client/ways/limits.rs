//! What servers do before SFTP begins: nothing, the wrong thing, or more than is good.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;

use super::{CommandResult, Laptop, SFTP, sshd_with_key};

#[test]
fn a_server_that_never_begins_sftp_ends_within_the_limit() {
    let script = tempfile::tempdir().unwrap();
    let texty = script.path().join("texty");
    crate::client::commands::script(&texty, "echo \"Welcome to the machine\"\nsleep 100");
    let texty = format!("Subsystem sftp {}", texty.display());
    // Only the second server has to be waited for until the time is over, and a slow machine signs in within that.
    for (config, limit, expected) in [
        ("", "120", "the server does not offer SFTP"),
        (
            "Subsystem sftp internal-sftp\nForceCommand sleep 100",
            "8",
            "has not begun it within 8 s",
        ),
        (
            texty.as_str(),
            "120",
            "sent text instead of SFTP: \"Welcome to the machine",
        ),
        (
            "Subsystem sftp /bin/false",
            "120",
            "ended SFTP before it had begun",
        ),
    ] {
        let (sshd, key) = sshd_with_key(config);
        let laptop = Laptop::new("");
        let result = laptop.list(&sshd, &["-i", &key, "--batch", "--connect-timeout", limit]);
        result.expect_code(1).expect_stderr(&[expected]);
    }
}

#[test]
fn banners_need_not_be_utf_8_nor_short() {
    let dir = tempfile::tempdir().unwrap();
    let banner = dir.path().join("banner");
    let config = format!("{SFTP}\nBanner {}", banner.display());
    let (sshd, key) = sshd_with_key(&config);
    let laptop = Laptop::new("");
    std::fs::write(&banner, b"Gr\xfc\xdf Gott\n").unwrap();
    laptop
        .list(&sshd, &["-i", &key])
        .expect_code(0)
        .expect_stderr(&["Gr", " Gott"]);
    // As much as fits into a packet.
    std::fs::write(&banner, "long line of a banner\n".repeat(10_000)).unwrap();
    let result = laptop.list(&sshd, &["-i", &key]).expect_code(0);
    assert!(result.err.len() < 20_000, "{}", result.err.len());
    result.expect_stderr(&["long line of a banner\nlong line of a banner\n", "…"]);
    // OpenSSH's own processes do not pass on a banner of this size: the one that signs users in ends, and so does the
    // connection. The client cannot know more than that it was closed.
    std::fs::write(&banner, "x".repeat(1_000_000)).unwrap();
    laptop
        .list(&sshd, &["-i", &key])
        .expect_code(3)
        .expect_stderr(&["not signed in", "closed the connection"]);
}

/// Listens for one connection, sends this text to the client first, and then connects it with the server.
fn text_before(server: u16, text: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        // A client that has had enough closes the connection.
        let _ = client.write_all(&text);
        let Ok(mut server) = TcpStream::connect(("127.0.0.1", server)) else {
            return;
        };
        let (mut to_server, mut from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let _ = std::io::copy(&mut server, &mut client);
    });
    port
}

#[test]
fn lines_before_the_identification_are_skipped() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("");
    let long = [vec![b'x'; 8000], b"\r\n".to_vec()].concat();
    for (text, code) in [
        (b"one line\n".repeat(1000), 0),
        (long, 0),
        (b"one line\n".repeat(1100), 1),
        (vec![b'x'; 9000], 1),
    ] {
        let port = text_before(sshd.port, text);
        let url = format!("sftp://{}@127.0.0.1:{port}/etc/hostname", sshd.user());
        let result = laptop.run(["ls", &url, "-i", &key, "--accept-new", "--batch"]);
        let result = result.expect_code(code);
        if code != 0 {
            result.expect_stderr(&["no identification of an SSH server within 1024 lines"]);
        }
    }
}

#[test]
fn another_service_is_named_by_what_it_says() {
    let laptop = Laptop::new("");
    for (answer, closes, expected) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            true,
            "is not an SSH server: it says \"HTTP/1.1 400 Bad Request\"",
        ),
        (
            "220 mail ESMTP\r\n",
            false,
            "is not an SSH server: it says \"220 mail ESMTP\"",
        ),
        (
            "Exceeded MaxStartups\r\n",
            true,
            "refuses the connection: it says \"Exceeded MaxStartups\"",
        ),
        ("SSH-1.5-old\r\n", true, "speaks only version 1 of SSH"),
        (
            "SSH-2.0-slow\r\n",
            false,
            "answers as \"SSH-2.0-slow\", but does not go on",
        ),
        ("", false, "took the connection, but does not answer"),
        ("", true, "closed the connection at once"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("sftp://x@127.0.0.1:{}/", listener.local_addr().unwrap().port());
        let served = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
            if closes {
                let _ = stream.shutdown(std::net::Shutdown::Write);
            }
            // Until the client closes.
            let _ = stream.read_to_end(&mut Vec::new());
        });
        // A server that closes the connection says all before, and the others are waited for.
        let limit = if closes { "120" } else { "5" };
        let result = laptop.run(["ls", &url, "--batch", "--connect-timeout", limit]);
        result.expect_code(1).expect_stderr(&[expected]);
        served.join().unwrap();
    }
}

#[test]
fn algorithms_are_as_configured_and_what_is_missing_is_named() {
    let gex = format!("{SFTP}\nKexAlgorithms diffie-hellman-group-exchange-sha256\nCiphers aes256-ctr");
    let (sshd, key) = sshd_with_key(&gex);
    let laptop = Laptop::new("");
    let list = |more: &[&str]| laptop.list(&sshd, &[&["-i", &key, "--batch"][..], more].concat());
    list(&["-v"]).expect_code(0).expect_stderr(&[
        "agreed on keys: diffie-hellman-group-exchange-sha256, aes256-ctr, hmac-sha2-256-etm",
    ]);
    list(&["-v", "-o", "MACs=hmac-sha2-512"])
        .expect_code(0)
        .expect_stderr(&["hmac-sha2-512,"]);
    list(&["-o", "Ciphers=aes128-ctr"])
        .expect_code(1)
        .expect_stderr(&[
            "on a cipher (Ciphers): it offers only aes256-ctr, and this client aes128-ctr",
            "the configuration of this client leaves them out",
        ]);
    list(&["-o", "HostKeyAlgorithms=rsa-sha2-512"])
        .expect_code(1)
        .expect_stderr(&["on a type of host key (HostKeyAlgorithms)"]);
    let (sshd, key) = sshd_with_key(&format!(
        "{SFTP}\nKexAlgorithms sntrup761x25519-sha512@openssh.com"
    ));
    laptop.list(&sshd, &["-i", &key]).expect_code(1).expect_stderr(&[
        "on a key exchange (KexAlgorithms): it offers only sntrup761x25519-sha512@openssh.com",
        "this client does not have them",
        "--ssh",
    ]);
    // ssh itself has it.
    laptop
        .list(&sshd, &["-i", &key, "--ssh", "--known-hosts", "kh"])
        .expect_code(0);
}

#[test]
fn addresses_are_as_configured() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("");
    let list = |more: &[&str]| laptop.list(&sshd, &[&["-i", &key, "--batch"][..], more].concat());
    list(&["-o", "AddressFamily=inet", "-o", "BindAddress=127.0.0.9"]).expect_code(0);
    assert!(sshd.log().contains("Connection from 127.0.0.9"), "{}", sshd.log());
    list(&["-o", "AddressFamily=inet6"])
        .expect_code(1)
        .expect_stderr(&["no address of the wanted family"]);
    for address in ["192.0.2.1", "::1"] {
        list(&["-o", &format!("BindAddress={address}")])
            .expect_code(1)
            .expect_stderr(&[
                &format!(
                    "cannot connect to \"127.0.0.1\" port {} from \"{address}\": ",
                    sshd.port
                ),
                "BindAddress is an address of this machine",
            ]);
    }
    list(&["-o", "AddressFamily=ipv6"])
        .expect_code(2)
        .expect_stderr(&[
            "cannot use the option -o \"AddressFamily=ipv6\"",
            "any, inet or inet6",
        ]);
}

/// A server that is not up yet is waited for, but only if that was asked for, and not for longer.
#[tokio::test(flavor = "multi_thread")]
async fn the_first_connection_is_tried_for_as_long_as_asked() {
    let (sshd, key) = sshd_with_key(SFTP);
    // The port is bound, so that no other program gets it, but nothing listens on it yet.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    let url = format!("sftp://{}@127.0.0.1:{port}/etc/hostname", sshd.user());
    let laptop = Laptop::new("");
    let command = move |more: &[&str]| {
        let words = ["ls", &url, "-i", &key, "--accept-new", "--batch"];
        laptop.command([&words[..], more].concat())
    };
    let trying = tokio::task::spawn_blocking(move || {
        let list = |more: &[&str]| CommandResult::of(command(more).output().unwrap());
        let once = list(&[]).expect_code(1);
        assert!(!once.err.contains("again in"), "{}", once.err);
        list(&["--retry-for", "5s"])
            .expect_code(1)
            .expect_stderr(&["connection refused", "connecting again in 0.5 s (attempt 1, for "]);
        // This one is told that nothing listens, and waits.
        let mut waiting = command(&["--retry-for", "5m"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(waiting.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("connecting again in") {
            line.clear();
            assert!(errors.read_line(&mut line).unwrap() > 0, "it has ended");
        }
        (waiting, errors, command)
    });
    let (mut waiting, mut errors, _command) = trying.await.unwrap();
    let listener = socket.listen(16).unwrap();
    let serving = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = tokio::net::TcpStream::connect(("127.0.0.1", sshd.port))
            .await
            .unwrap();
        // The client closes its side first, or the server does: both are an end.
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        sshd
    });
    let ended = tokio::task::spawn_blocking(move || {
        let mut rest = String::new();
        errors.read_to_string(&mut rest).unwrap();
        (waiting.wait().unwrap().code(), rest)
    });
    let (code, rest) = ended.await.unwrap();
    assert_eq!(code, Some(0), "{rest}");
    serving.await.unwrap();
}

#[test]
fn what_is_not_obeyed_is_said_once() {
    let (sshd, key) = sshd_with_key(SFTP);
    let laptop = Laptop::new("Compression yes\nForwardAgent yes\nRekeyLimit 1G\nControlMaster auto\n");
    let said = laptop.list(&sshd, &["-i", &key]).expect_code(0).err;
    assert_eq!(
        said.matches("does not obey: rekeylimit (hint").count(),
        1,
        "{said}"
    );
    // What only concerns speed or comfort is not worth a line each time.
    let asked_for = laptop.list(&sshd, &["-i", &key, "-v"]).expect_code(0);
    asked_for.expect_stderr(&["only concerns speed or comfort: compression, controlmaster"]);
    assert!(!said.contains("compression"), "{said}");
    let quiet = laptop.list(&sshd, &["-i", &key, "-q"]).expect_code(0).err;
    assert!(!quiet.contains("obey"), "{quiet}");
    let words = ["-i", &key, "-q", "-v"];
    let asked_for = laptop.list(&sshd, &words).expect_code(0);
    asked_for.expect_stderr(&["debug: connecting to", "debug: agreed on keys"]);
}
