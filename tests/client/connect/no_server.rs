//! Addresses where nothing listens, nothing answers, or no SSH server runs.

use homeport::connect::{ConnectError, Credentials};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::client::connect::Connector;
use crate::client::connect::prompts::ScriptedPrompts;
use testkit::PATIENCE;

async fn connect_error(connector: &Connector) -> (ConnectError, String) {
    connector
        .connect_err(&Credentials::default(), &ScriptedPrompts::without_answers())
        .await
}

#[tokio::test]
async fn unreachable_servers_are_reported_with_a_hint() {
    // The port is bound, so that no other program gets it, but nothing listens on it.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = taken.local_addr().unwrap().port();
    let (error, words) = connect_error(&Connector::new("x", gone, "")).await;
    assert!(matches!(error, ConnectError::Unreachable(_)), "{words}");
    assert_eq!((error.exit_code(), error.may_pass()), (1, true));
    let expected = format!(
        "cannot connect to \"127.0.0.1\" port {gone}: connection refused (hint: is the server running"
    );
    assert!(words.starts_with(&expected), "{words}");

    let mut connector = Connector::new("x", gone, "");
    connector.destination.host = "no-such-host.invalid".to_owned();
    let (_, words) = connect_error(&connector).await;
    assert!(
        words.starts_with("cannot find the host \"no-such-host.invalid\""),
        "{words}"
    );
}

#[tokio::test]
async fn a_silent_server_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = Connector::new("x", listener.local_addr().unwrap().port(), "ConnectTimeout 1\n");
    let (error, words) = connect_error(&connector).await;
    assert!(error.may_pass() && words.contains("does not answer"), "{words}");
    // The client closes its connection.
    let (stream, _) = listener.accept().await.unwrap();
    let ended = async {
        let mut buffer = [0; 64];
        loop {
            stream.readable().await.unwrap();
            match stream.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the connection ends");
}

#[tokio::test]
async fn a_server_of_another_protocol_is_reported() {
    for (answer, expected) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            ["is not an SSH server", "it says \"HTTP/1.1 400 Bad Request\""],
        ),
        ("", ["closed the connection at once", "port of an SSH server"]),
        ("SSH-1.5-old\r\n", ["speaks only version 1 of SSH", "not safe"]),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connector = Connector::new("x", listener.local_addr().unwrap().port(), "ConnectTimeout 60\n");
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let ((), (error, words)) = tokio::join!(serve, connect_error(&connector));
        assert!(matches!(error, ConnectError::Protocol(_)), "{words}");
        assert!(
            expected.iter().all(|part| words.contains(part)),
            "{answer:?}: {words}"
        );
    }
}
