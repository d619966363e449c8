//! The library's client against a server that sends bytes which are not UTF-8 in every text field.

use std::net::TcpListener;
use std::sync::mpsc::{Sender, channel};

use russh::ChannelMsg;
use russh::client::{self, KeyboardInteractiveAuthResponse};
use russh::keys::PublicKeyOrCertificate;

use crate::clients::bytes::ODD;
use testkit::wire::{Wire, lists, message, split_string};

/// Passes on the banners of a server.
struct Shown(Sender<String>);

impl client::Handler for Shown {
    type Error = russh::Error;

    async fn check_server_key(&mut self, _: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(true)
    }

    async fn auth_banner(&mut self, banner: &str, _: &mut client::Session) -> Result<(), russh::Error> {
        let _ = self.0.send(banner.to_owned());
        Ok(())
    }
}

/// Serves clients, and sends bytes that are not UTF-8 in every text field.
fn odd_server(listener: &TcpListener) {
    let mut odd_lists = lists();
    for list in &mut odd_lists {
        let comma: &[u8] = if list.is_empty() { b"" } else { b"," };
        list.extend([comma, ODD].concat());
    }
    let mut wire = Wire::server(listener.accept().unwrap().0, &odd_lists);
    wire.send(&message(4).byte(1).string(ODD).string(ODD));
    wire.send(
        &message(7)
            .u32(2)
            .string(ODD)
            .string(ODD)
            .string("server-sig-algs")
            .string(ODD),
    );
    wire.expect(50);
    wire.send(&message(53).string(b"Zutritt f\xfcr Befugte\r\n").string(ODD));
    wire.send(
        &message(51)
            .string([b"keyboard-interactive,", ODD].concat())
            .byte(0),
    );
    wire.expect(50);
    wire.send(
        &message(60)
            .string(ODD)
            .string(ODD)
            .string(ODD)
            .u32(1)
            .string(b"Pa\xdfwort: ")
            .byte(0),
    );
    wire.expect(61);
    wire.send(&message(52));
    wire.send(&message(80).string(ODD).byte(1));
    // Both sides send at the same time, so the client's requests arrive in between.
    let mut refused = 0;
    loop {
        let received = wire.receive().unwrap();
        match received[0] {
            82 => {}
            90 if refused == 0 => {
                refused += 1;
                let (_, rest) = split_string(&received[1..]);
                let theirs = u32::from_be_bytes(rest[..4].try_into().unwrap());
                wire.send(&message(92).u32(theirs).u32(2).string(ODD).string(ODD));
            }
            90 => {
                let (_, rest) = split_string(&received[1..]);
                let theirs = u32::from_be_bytes(rest[..4].try_into().unwrap());
                wire.send(&message(91).u32(theirs).u32(0).u32(1 << 20).u32(32768));
                wire.send(&message(90).string(ODD).u32(9).u32(1 << 20).u32(32768));
                wire.send(&message(98).u32(theirs).string(ODD).byte(1));
                wire.send(
                    &message(98)
                        .u32(theirs)
                        .string("exit-signal")
                        .byte(0)
                        .string(ODD)
                        .byte(0)
                        .string(ODD)
                        .string(ODD),
                );
                wire.send(&message(94).u32(theirs).string("all is well"));
                wire.send(&message(1).u32(11).string(ODD).string(ODD));
                // The loop ends when the client disconnects.
                while wire.receive().is_some() {}
                return;
            }
            other => panic!("{other}: {}", received.escape_ascii()),
        }
    }
}

#[tokio::test]
async fn the_client_accepts_text_that_is_not_utf8() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || odd_server(&listener));
    let (sender, shown) = channel();
    let mut handle = client::connect(Default::default(), ("127.0.0.1", port), Shown(sender))
        .await
        .unwrap();
    assert!(!handle.authenticate_none("alice").await.unwrap().success());
    assert_eq!(shown.recv().unwrap(), "Zutritt f\u{fffd}r Befugte\r\n");
    let asked = handle
        .authenticate_keyboard_interactive_start("alice", None)
        .await
        .unwrap();
    let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = asked else {
        panic!("{asked:?}")
    };
    assert_eq!(prompts[0].prompt, "Pa\u{fffd}wort: ");
    let answered = handle
        .authenticate_keyboard_interactive_respond(vec!["x".to_owned()])
        .await
        .unwrap();
    assert!(
        matches!(answered, KeyboardInteractiveAuthResponse::Success),
        "{answered:?}"
    );
    assert!(handle.channel_open_session().await.is_err());
    let mut opened = handle.channel_open_session().await.unwrap();
    let mut said = Vec::new();
    let mut signal = None;
    while let Some(message) = opened.wait().await {
        match message {
            ChannelMsg::Data { data } => said.extend_from_slice(&data),
            ChannelMsg::ExitSignal { error_message, .. } => signal = Some(error_message),
            _ => {}
        }
    }
    assert_eq!(said, b"all is well");
    assert_eq!(signal.as_deref(), Some("\u{fffd}\u{fffd}"));
    drop(handle);
    server.join().unwrap();
}
