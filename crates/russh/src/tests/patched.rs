//! What the patches change, seen by a client that writes each packet by hand, without encryption.

use std::borrow::Cow;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ssh_key::{Algorithm, PrivateKey};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::raw_no_crypto::{
    MSG_KEXINIT, MSG_NEWKEYS, MSG_SERVICE_ACCEPT, MSG_SERVICE_REQUEST, MSG_USERAUTH_FAILURE,
    MSG_USERAUTH_REQUEST, MSG_USERAUTH_SUCCESS, RawSession, channel_open_payload,
    channel_request_payload, encode_string, kexinit_payload, push_u32, read_packet,
};
use super::*;

const MSG_DISCONNECT: u8 = 1;
const MSG_UNIMPLEMENTED: u8 = 3;
const MSG_USERAUTH_INFO_REQUEST: u8 = 60;
const MSG_USERAUTH_INFO_RESPONSE: u8 = 61;
const MSG_GLOBAL_REQUEST: u8 = 80;
const MSG_REQUEST_SUCCESS: u8 = 81;
const MSG_REQUEST_FAILURE: u8 = 82;
const MSG_CHANNEL_OPEN: u8 = 90;
const MSG_CHANNEL_OPEN_CONFIRMATION: u8 = 91;
const MSG_CHANNEL_OPEN_FAILURE: u8 = 92;
const MSG_CHANNEL_WINDOW_ADJUST: u8 = 93;
const MSG_CHANNEL_DATA: u8 = 94;
const MSG_CHANNEL_CLOSE: u8 = 97;
const MSG_CHANNEL_SUCCESS: u8 = 99;

const PASSWORD: &[u8] = b"p\xe4ssword";

/// Accepts [`PASSWORD`] and the method "none", and notes what it is told.
struct Handler {
    notes: Arc<Mutex<Vec<String>>>,
}

impl Handler {
    fn note(&self, text: impl Into<String>) {
        self.notes.lock().unwrap().push(text.into());
    }
}

impl server::Handler for Handler {
    type Error = Error;

    async fn auth_none(&mut self, user: &str) -> Result<server::Auth, Error> {
        self.note(format!("user {user}"));
        Ok(server::Auth::Accept)
    }

    async fn auth_password(&mut self, _: &str, password: &[u8]) -> Result<server::Auth, Error> {
        match password == PASSWORD {
            true => Ok(server::Auth::Accept),
            false => Ok(server::Auth::reject()),
        }
    }

    /// Asks, and notes the answers.
    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<server::Response<'a>>,
    ) -> Result<server::Auth, Error> {
        let Some(response) = response else {
            return Ok(server::Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![(Cow::Borrowed("password"), false)].into(),
            });
        };
        let is_malformed = response.is_malformed();
        let answers: Vec<_> = response.collect();
        self.note(format!("{} answers, {is_malformed}", answers.len()));
        match answers.iter().any(|answer| **answer == *PASSWORD) {
            true => Ok(server::Auth::Accept),
            false => Ok(server::Auth::reject()),
        }
    }

    async fn auth_publickey_failed(
        &mut self,
        _: &str,
        _: &str,
        _: Option<&ssh_key::PublicKey>,
        reason: &'static str,
    ) -> Result<(), Error> {
        self.note(reason);
        Ok(())
    }

    fn service_refused(&mut self, name: &str) {
        self.note(format!("service {name}"));
    }

    async fn channel_open_session(
        &mut self,
        _: Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _: &mut server::Session,
    ) -> Result<(), Error> {
        reply.accept().await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut server::Session) -> Result<(), Error> {
        self.note(format!("closed {id}"));
        Ok(())
    }

    async fn global_request(
        &mut self,
        name: &str,
        data: &[u8],
        session: &mut server::Session,
    ) -> Result<Option<Vec<u8>>, Error> {
        self.note(format!("{name} with {} bytes", data.len()));
        if name == "announce" {
            session.announce("news", data)?;
        }
        let chosen = session.algorithms().unwrap();
        assert_eq!((chosen.kex, chosen.cipher), (kex::NONE, cipher::NONE));
        // There is no hash without a key exchange.
        Ok((name != "unknown").then(|| [session.session_id(), b"id"].concat()))
    }

    /// The name says what to do before the answer.
    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut server::Session,
    ) -> Result<(), Error> {
        match name {
            "open" => session.open_window(id, value.parse().unwrap())?,
            "peer" => self.note(format!("{:?}", session.recipient_window(&id))),
            "close" => return session.close(id),
            _ => self.note(value),
        }
        session.channel_success(id)
    }
}

fn config() -> server::Config {
    server::Config {
        inactivity_timeout: None,
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: Some(Duration::ZERO),
        preferred: Preferred {
            host_key_certificates: Cow::Borrowed(&[]),
            kex: Cow::Owned(vec![kex::NONE]),
            key: Cow::Owned(vec![Algorithm::Ed25519]),
            cipher: Cow::Owned(vec![cipher::NONE]),
            mac: Cow::Owned(vec![mac::NONE]),
            compression: Cow::Owned(vec![compression::NONE]),
        },
        keys: vec![PrivateKey::random(&mut rand::rng(), Algorithm::Ed25519).unwrap()],
        ..Default::default()
    }
}

struct Client {
    raw: RawSession,
    notes: Arc<Mutex<Vec<String>>>,
}

impl Client {
    /// Connects, and reads the identification line and the KEXINIT of the server.
    async fn connect(config: server::Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap());
        let notes = Arc::new(Mutex::new(Vec::new()));
        let handler = Handler {
            notes: Arc::clone(&notes),
        };
        let server_task = tokio::spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            server::run_stream(Arc::new(config), socket, handler)
                .await?
                .await
        });
        let mut stream = stream.await.unwrap();
        stream.write_all(b"SSH-2.0-raw \xe4\r\n").await.unwrap();
        while stream.read_u8().await.unwrap() != b'\n' {}
        let mut client = Self {
            raw: RawSession {
                events: Arc::default(),
                stream,
                server_task,
            },
            notes,
        };
        client.expect(MSG_KEXINIT).await;
        client
    }

    /// Connects and exchanges keys.
    async fn start(config: server::Config) -> Self {
        let mut client = Self::connect(config).await;
        client.send(&kexinit_payload("none")).await;
        client.expect(MSG_NEWKEYS).await;
        client.send(&[MSG_NEWKEYS]).await;
        client
    }

    /// Connects, signs in and opens a channel with a window of 5,000 bytes.
    async fn open(config: server::Config) -> (Self, u32) {
        let mut client = Self::start(config).await;
        client.service("ssh-userauth").await;
        client.expect(MSG_SERVICE_ACCEPT).await;
        client.auth(b"user", "ssh-connection", b"none", &[]).await;
        client.expect(MSG_USERAUTH_SUCCESS).await;
        let mut open = vec![MSG_CHANNEL_OPEN];
        encode_string(&mut open, b"session");
        push_u32(&mut open, 7);
        push_u32(&mut open, 5000);
        push_u32(&mut open, 2000);
        client.send(&open).await;
        let confirmation = client.expect(MSG_CHANNEL_OPEN_CONFIRMATION).await;
        (client, number(&confirmation[5..]))
    }

    async fn send(&mut self, payload: &[u8]) {
        self.raw.send_packet(payload).await.unwrap();
    }

    async fn expect(&mut self, kind: u8) -> Vec<u8> {
        let packet = read_packet(&mut self.raw.stream).await.unwrap();
        assert_eq!(packet.first(), Some(&kind), "{packet:?}");
        packet
    }

    async fn service(&mut self, name: &str) {
        let mut request = vec![MSG_SERVICE_REQUEST];
        encode_string(&mut request, name.as_bytes());
        self.send(&request).await;
    }

    async fn auth(&mut self, user: &[u8], service: &str, method: &[u8], rest: &[u8]) {
        let mut request = vec![MSG_USERAUTH_REQUEST];
        encode_string(&mut request, user);
        encode_string(&mut request, service.as_bytes());
        encode_string(&mut request, method);
        request.extend_from_slice(rest);
        self.send(&request).await;
    }

    async fn password(&mut self, password: &[u8]) {
        let mut rest = vec![0];
        encode_string(&mut rest, password);
        self.auth(b"user", "ssh-connection", b"password", &rest).await;
    }

    async fn env(&mut self, channel: u32, name: &[u8], value: &[u8]) {
        let mut request = channel_request_payload(channel, b"env");
        encode_string(&mut request, name);
        encode_string(&mut request, value);
        self.send(&request).await;
    }

    async fn data(&mut self, channel: u32, length: usize) {
        let mut data = vec![MSG_CHANNEL_DATA];
        push_u32(&mut data, channel);
        encode_string(&mut data, &vec![0; length]);
        self.send(&data).await;
    }

    async fn close(&mut self, channel: u32) {
        let mut close = vec![MSG_CHANNEL_CLOSE];
        push_u32(&mut close, channel);
        self.send(&close).await;
    }

    async fn ends(self) -> Result<(), Error> {
        self.raw.server_task.await.unwrap()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap().clone()
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes[..4].try_into().unwrap())
}

#[tokio::test]
async fn passwords_are_bytes_and_names_are_shown() {
    let mut client = Client::start(config()).await;
    client.service("ssh-userauth").await;
    client.expect(MSG_SERVICE_ACCEPT).await;
    for wrong in [&b"p\xe5ssword"[..], "p\u{fffd}ssword".as_bytes(), b"pssword"] {
        client.password(wrong).await;
        client.expect(MSG_USERAUTH_FAILURE).await;
    }
    client.password(PASSWORD).await;
    client.expect(MSG_USERAUTH_SUCCESS).await;

    let mut client = Client::start(config()).await;
    client.service("ssh-userauth").await;
    client.expect(MSG_SERVICE_ACCEPT).await;
    // An unknown service is refused like an unknown method.
    client.auth(b"j\xf6rg", "ssh-\u{e4}", b"none", &[]).await;
    client.expect(MSG_USERAUTH_FAILURE).await;
    client.auth(b"j\xf6rg", "ssh-connection", b"none", &[]).await;
    client.expect(MSG_USERAUTH_SUCCESS).await;
    assert_eq!(client.notes(), ["user j\u{fffd}rg"]);
}

#[tokio::test]
async fn a_message_has_as_many_answers_as_it_says() {
    let mut client = Client::start(server::Config {
        max_auth_attempts: 100,
        ..config()
    })
    .await;
    client.service("ssh-userauth").await;
    client.expect(MSG_SERVICE_ACCEPT).await;
    let message = |count: u32, answers: &[&[u8]], rest: &[u8]| {
        let mut message = vec![MSG_USERAUTH_INFO_RESPONSE];
        push_u32(&mut message, count);
        for answer in answers {
            encode_string(&mut message, answer);
        }
        message.extend_from_slice(rest);
        message
    };
    let malformed = [
        message(2, &[PASSWORD], b""),
        message(u32::MAX, &[PASSWORD], b""),
        message(0, &[PASSWORD], b""),
        message(1, &[PASSWORD, PASSWORD], b""),
        message(1, &[PASSWORD], b"x"),
        message(2, &[PASSWORD], &[0, 0, 0, 9, 1]),
        message(1, &[], &u32::MAX.to_be_bytes()),
        message(101, &[PASSWORD; 101], b""),
        vec![MSG_USERAUTH_INFO_RESPONSE, 0, 0],
    ];
    for message in &malformed {
        client.auth(b"user", "ssh-connection", b"keyboard-interactive", &[0; 8]).await;
        client.expect(MSG_USERAUTH_INFO_REQUEST).await;
        client.send(message).await;
        client.expect(MSG_USERAUTH_FAILURE).await;
    }
    assert_eq!(client.notes(), vec!["0 answers, true"; malformed.len()]);
    let rows: [(&[&[u8]], u8); 2] = [
        (&[], MSG_USERAUTH_FAILURE),
        (&[b"", PASSWORD], MSG_USERAUTH_SUCCESS),
    ];
    for (answers, last) in rows {
        client.auth(b"user", "ssh-connection", b"keyboard-interactive", &[0; 8]).await;
        client.expect(MSG_USERAUTH_INFO_REQUEST).await;
        client.send(&message(answers.len() as u32, answers, b"")).await;
        client.expect(last).await;
    }
    let notes = client.notes();
    assert_eq!(notes[malformed.len()..], ["0 answers, false", "2 answers, false"]);
}

#[tokio::test]
async fn environment_and_types_of_channels_need_not_be_utf_8() {
    let (mut client, channel) = Client::open(config()).await;
    client.env(channel, b"LANG", b"\xe4").await;
    client.expect(MSG_CHANNEL_SUCCESS).await;
    let mut open = vec![MSG_CHANNEL_OPEN];
    open.extend(channel_open_payload(b"\xe4"));
    client.send(&open).await;
    client.expect(MSG_CHANNEL_OPEN_FAILURE).await;
    assert_eq!(client.notes(), ["user user", "\u{fffd}"]);
}

#[tokio::test]
async fn a_key_that_cannot_be_decoded_is_refused_and_reported() {
    let mut client = Client::start(config()).await;
    client.service("ssh-userauth").await;
    client.expect(MSG_SERVICE_ACCEPT).await;
    let mut rest = vec![1];
    encode_string(&mut rest, b"ssh-ed25519");
    encode_string(&mut rest, b"no key");
    encode_string(&mut rest, b"no signature");
    client.auth(b"user", "ssh-connection", b"publickey", &rest).await;
    client.expect(MSG_USERAUTH_FAILURE).await;
    assert_eq!(client.notes(), ["the key cannot be read"]);
}

#[tokio::test]
async fn the_identification_line_comes_first_and_other_protocols_get_an_answer() {
    let (mut peer, ours) = tokio::io::duplex(4096);
    let handler = Handler {
        notes: Arc::default(),
    };
    let buffered = tokio::io::BufStream::new(ours);
    let server = tokio::spawn(async move {
        server::run_stream(Arc::new(config()), buffered, handler)
            .await
            .map(|_| ())
    });
    let mut line = [0; 8];
    peer.read_exact(&mut line).await.unwrap();
    assert_eq!(&line, b"SSH-2.0-");
    peer.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).await.unwrap();
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.ends_with("\r\nInvalid SSH identification string.\r\n"), "{rest}");
    match server.await.unwrap() {
        Err(Error::NotSsh { first_bytes }) => assert!(first_bytes.starts_with(b"GET / ")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn all_lists_without_a_common_algorithm_are_reported() {
    let mut client = Client::connect(config()).await;
    let mut kexinit = vec![MSG_KEXINIT];
    kexinit.extend_from_slice(&[0; 16]);
    for list in ["kex-a", "ssh-ed25519", "c-a", "c-a", "none", "none", "z", "none", "", ""] {
        encode_string(&mut kexinit, list.as_bytes());
    }
    kexinit.extend_from_slice(&[0; 5]);
    client.send(&kexinit).await;
    match client.ends().await {
        Err(Error::NothingInCommon(lists)) => assert_eq!(
            lists.iter().map(|list| list.kind).collect::<Vec<_>>(),
            [AlgorithmKind::Kex, AlgorithmKind::Cipher, AlgorithmKind::Compression]
        ),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_repeated_service_request_is_accepted_and_another_service_ends_the_connection() {
    let mut client = Client::start(config()).await;
    client.service("ssh-userauth").await;
    client.expect(MSG_SERVICE_ACCEPT).await;
    client.password(b"wrong").await;
    client.expect(MSG_USERAUTH_FAILURE).await;
    client.service("ssh-userauth").await;
    client.expect(MSG_SERVICE_ACCEPT).await;
    client.service("ssh-connection").await;
    let disconnect = client.expect(MSG_DISCONNECT).await;
    assert_eq!(number(&disconnect[1..]), 7);
    assert_eq!(client.notes(), ["service ssh-connection"]);
    // The client keeps its side open: the session ends all the same.
    let Client { raw, .. } = client;
    let RawSession {
        stream, server_task, ..
    } = raw;
    server_task.await.unwrap().unwrap();
    drop(stream);
}

#[tokio::test]
async fn failed_attempts_count_across_service_requests() {
    let mut client = Client::start(server::Config {
        max_auth_attempts: 2,
        ..config()
    })
    .await;
    for _ in 0..2 {
        client.service("ssh-userauth").await;
        client.expect(MSG_SERVICE_ACCEPT).await;
        client.password(b"wrong").await;
        client.expect(MSG_USERAUTH_FAILURE).await;
    }
    client.service("ssh-userauth").await;
    client.password(b"wrong").await;
    let _ = client.ends().await;
}

#[tokio::test]
async fn an_unknown_message_is_answered() {
    let mut client = Client::start(config()).await;
    client.send(&[199, 1, 2, 3]).await;
    let answer = client.expect(MSG_UNIMPLEMENTED).await;
    // KEXINIT and NEWKEYS came before.
    assert_eq!(number(&answer[1..]), 2);
}

#[tokio::test]
async fn the_handler_answers_global_requests_and_announces() {
    let (mut client, _) = Client::open(config()).await;
    let request = |name: &str, wants_reply: u8| {
        let mut request = vec![MSG_GLOBAL_REQUEST];
        encode_string(&mut request, name.as_bytes());
        request.push(wants_reply);
        request.extend_from_slice(b"data");
        request
    };
    client.send(&request("unknown", 1)).await;
    assert_eq!(client.expect(MSG_REQUEST_FAILURE).await.len(), 1);
    // This one gets no reply.
    client.send(&request("session", 0)).await;
    client.send(&request("session", 1)).await;
    let id = client.expect(MSG_REQUEST_SUCCESS).await;
    assert_eq!(id[1..], *b"id");
    client.send(&request("announce", 1)).await;
    let announced = client.expect(MSG_GLOBAL_REQUEST).await;
    assert_eq!(announced, request("news", 0));
    assert_eq!(client.expect(MSG_REQUEST_SUCCESS).await, id);
    let notes = ["unknown", "session", "session", "announce"].map(|name| format!("{name} with 4 bytes"));
    assert_eq!(client.notes()[1..], notes);
}

#[tokio::test]
async fn the_handler_opens_the_window_and_reads_the_peers() {
    let (mut client, channel) = Client::open(server::Config {
        window_size: 1000,
        automatic_window: false,
        ..config()
    })
    .await;
    client.data(channel, 900).await;
    client.env(channel, b"peer", b"").await;
    client.expect(MSG_CHANNEL_SUCCESS).await;
    client.env(channel, b"open", b"321").await;
    let adjust = client.expect(MSG_CHANNEL_WINDOW_ADJUST).await;
    assert_eq!((number(&adjust[1..]), number(&adjust[5..])), (7, 321));
    client.expect(MSG_CHANNEL_SUCCESS).await;
    assert_eq!(client.notes(), ["user user", "Some((5000, 2000))"]);
}

#[tokio::test]
async fn a_window_is_opened_after_three_packets() {
    let (mut client, channel) = Client::open(server::Config {
        window_size: 1 << 20,
        maximum_packet_size: 1000,
        ..config()
    })
    .await;
    for _ in 0..3 {
        client.data(channel, 1000).await;
    }
    client.env(channel, b"peer", b"").await;
    client.expect(MSG_CHANNEL_SUCCESS).await;
    client.data(channel, 1).await;
    let adjust = client.expect(MSG_CHANNEL_WINDOW_ADJUST).await;
    assert_eq!(number(&adjust[5..]), 3001);
}

#[tokio::test]
async fn an_open_channel_is_not_confirmed_or_refused_again() {
    for kind in [MSG_CHANNEL_OPEN_CONFIRMATION, MSG_CHANNEL_OPEN_FAILURE] {
        let (mut client, channel) = Client::open(config()).await;
        let mut answer = vec![kind];
        push_u32(&mut answer, channel);
        if kind == MSG_CHANNEL_OPEN_CONFIRMATION {
            push_u32(&mut answer, 7);
            push_u32(&mut answer, 1 << 20);
            push_u32(&mut answer, 1);
        } else {
            push_u32(&mut answer, 2);
            encode_string(&mut answer, b"");
            encode_string(&mut answer, b"");
        }
        client.send(&answer).await;
        assert!(matches!(client.ends().await, Err(Error::Inconsistent)), "{kind}");
    }
}

#[tokio::test]
async fn the_answer_to_a_close_is_reported_once() {
    let (mut client, channel) = Client::open(config()).await;
    // A channel that does not exist is not closed.
    client.close(channel + 1).await;
    client.env(channel, b"close", b"").await;
    client.expect(MSG_CHANNEL_CLOSE).await;
    client.close(channel).await;
    client.close(channel).await;
    // The answer shows that the messages before it have been read.
    client.send(&[199]).await;
    client.expect(MSG_UNIMPLEMENTED).await;
    assert_eq!(client.notes(), ["user user".to_owned(), format!("closed {channel}")]);
}

#[tokio::test]
async fn an_open_of_an_unsupported_type_is_answered_once() {
    let (mut client, _) = Client::open(config()).await;
    for kind in [&b"auth-agent@openssh.com"[..], b"unknown"] {
        let mut open = vec![MSG_CHANNEL_OPEN];
        open.extend(channel_open_payload(kind));
        client.send(&open).await;
        client.expect(MSG_CHANNEL_OPEN_FAILURE).await;
    }
    client.send(&[199]).await;
    client.expect(MSG_UNIMPLEMENTED).await;
}

#[tokio::test]
async fn packets_before_the_sign_in_are_small() {
    let mut client = Client::start(config()).await;
    client.send(&vec![2; 35_100]).await;
    assert!(matches!(client.ends().await, Err(Error::PacketSize(_))));

    let (mut client, channel) = Client::open(config()).await;
    client.data(channel, 100_000).await;
    client.env(channel, b"", b"big").await;
    while read_packet(&mut client.raw.stream).await.unwrap()[0] != MSG_CHANNEL_SUCCESS {}

    let mut kexinit = kexinit_payload("none");
    kexinit.resize(35_100, 0);
    client.send(&kexinit).await;
    assert!(matches!(client.ends().await, Err(Error::PacketSize(35_100))));
}

#[tokio::test]
async fn a_client_exchanges_keys_twice_at_most_before_the_sign_in() {
    let mut client = Client::start(config()).await;
    for _ in 0..2 {
        client.send(&kexinit_payload("none")).await;
        client.expect(MSG_KEXINIT).await;
        client.expect(MSG_NEWKEYS).await;
        client.send(&[MSG_NEWKEYS]).await;
    }
    client.send(&kexinit_payload("none")).await;
    assert!(matches!(client.ends().await, Err(Error::EarlyExchanges)));
}

#[tokio::test]
async fn a_key_exchange_that_stands_still_ends_the_connection() {
    let mut client = Client::connect(server::Config {
        kex_timeout: Some(Duration::from_millis(50)),
        ..config()
    })
    .await;
    let disconnect = client.expect(MSG_DISCONNECT).await;
    assert_eq!(number(&disconnect[1..]), Disconnect::KeyExchangeFailed as u32);
    assert!(matches!(client.ends().await, Err(Error::KexTimeout)));
}
