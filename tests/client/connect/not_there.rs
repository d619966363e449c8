//! Servers that are not there, do not answer, or are none.

use homeport::connect::{ConnectError, Credentials};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::client::connect::Way;
use crate::client::connect::person::Person;
use testkit::PATIENCE;

async fn words_of(way: &Way) -> (ConnectError, String) {
    way.fail(&Credentials::default(), &Person::absent()).await
}

#[tokio::test]
async fn each_says_what_to_do() {
    // Taken, so that no other program gets it, and nothing listens there.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let gone = taken.local_addr().unwrap().port();
    let (error, words) = words_of(&Way::new("x", gone, "")).await;
    assert!(matches!(error, ConnectError::Unreachable(_)), "{words}");
    assert_eq!((error.exit_code(), error.may_pass()), (1, true));
    let expected = format!(
        "cannot connect to \"127.0.0.1\" port {gone}: connection refused (hint: is the server running"
    );
    assert!(words.starts_with(&expected), "{words}");

    let mut way = Way::new("x", gone, "");
    way.destination.host = "no-such-host.invalid".to_owned();
    let (_, words) = words_of(&way).await;
    assert!(
        words.starts_with("cannot find the host \"no-such-host.invalid\""),
        "{words}"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = Way::new("x", listener.local_addr().unwrap().port(), "ConnectTimeout 1\n");
    let (error, words) = words_of(&way).await;
    assert!(error.may_pass() && words.contains("does not answer"), "{words}");
    // Nothing of the connection is left behind.
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
async fn what_is_no_ssh_server_is_told() {
    for (answer, expected) in [
        (
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            ["closed the connection", "does not speak SSH 2"],
        ),
        ("", ["closed the connection at once", "port of an SSH server"]),
        (
            "SSH-1.5-old\r\n",
            ["closed the connection", "does not speak SSH 2"],
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let way = Way::new("x", listener.local_addr().unwrap().port(), "ConnectTimeout 60\n");
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
        };
        let ((), (error, words)) = tokio::join!(serve, words_of(&way));
        assert!(matches!(error, ConnectError::Protocol(_)), "{words}");
        assert!(
            expected.iter().any(|part| words.contains(part)),
            "{answer:?}: {words}"
        );
    }
}
