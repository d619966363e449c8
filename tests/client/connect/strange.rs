//! Servers that ask in rounds, ask without end, or try to paint on the terminal.

use std::borrow::Cow;
use std::sync::Arc;

use base::secret::Secret;
use homeport::connect::{ConnectError, Credentials, SignInError};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, Config, Handler, Response, Session};
use russh::{Channel, server};
use tokio::net::TcpListener;

use crate::client::connect::person::Person;
use crate::client::connect::{Way, keygen};

/// What the server asks, round by round, and what it wants to hear.
#[derive(Clone)]
struct Quiz {
    rounds: &'static [(&'static str, bool, &'static str)],
    /// Begins anew after the last round.
    endless: bool,
    at: usize,
}

impl Handler for Quiz {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, Self::Error> {
        Ok(Some(format!("\u{1b}]0;owned\u{7}{}", "long ".repeat(10_000))))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _user: &str,
        _submethods: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        if let Some(response) = response {
            let (_, _, wanted) = self.rounds[self.at % self.rounds.len()];
            if response.map(|answer| answer.to_vec()).collect::<Vec<_>>() != [wanted.as_bytes()] {
                self.at = 0;
                return Ok(Auth::Reject {
                    proceed_with_methods: None,
                    partial_success: false,
                });
            }
            self.at += 1;
        } else {
            self.at = 0;
        }
        if self.at == self.rounds.len() && !self.endless {
            return Ok(Auth::Accept);
        }
        let (prompt, echo, _) = self.rounds[self.at % self.rounds.len()];
        Ok(Auth::Partial {
            name: Cow::Borrowed("\u{1b}[2Jname"),
            instructions: Cow::Borrowed("first\nsecond\r\n"),
            prompts: Cow::Owned(vec![(Cow::Borrowed(prompt), echo)]),
        })
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<server::Msg>,
        reply: server::ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }
}

/// A server in this process; the way to it.
async fn way_to(quiz: Quiz) -> Way {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let way = Way::new(
        "tom",
        listener.local_addr().unwrap().port(),
        "PreferredAuthentications keyboard-interactive\n",
    );
    let key = way.home.path().join("host");
    keygen(&key, &["-t", "ed25519", "-N", ""]);
    let key: PrivateKey = russh::keys::load_secret_key(&key, None).unwrap();
    assert_eq!(key.algorithm(), Algorithm::Ed25519);
    let config = Arc::new(Config {
        keys: vec![key],
        auth_rejection_time: std::time::Duration::ZERO,
        auth_rejection_time_initial: Some(std::time::Duration::ZERO),
        ..Config::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (config, quiz) = (Arc::clone(&config), quiz.clone());
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, stream, quiz).await {
                    let _ = session.await;
                }
            });
        }
    });
    way
}

const ROUNDS: &[(&str, bool, &str)] = &[
    ("Password: ", false, "sesame"),
    ("Code\u{1b}[31m\n: ", true, "4711"),
];

#[tokio::test]
async fn rounds_are_answered_one_by_one_and_shown_without_tricks() {
    let way = way_to(Quiz {
        rounds: ROUNDS,
        endless: false,
        at: 0,
    })
    .await;
    let person = Person::who_says(&["wrong", "sesame", "4711"]);
    let credentials = Credentials::default();
    way.arrive(&credentials, &person).await;
    let password = "(tom@127.0.0.1) Password: ";
    let code = "(tom@127.0.0.1) Code\\u{1b}[31m\\n: ";
    assert_eq!(person.asked(), [password, password, code]);
    let told = person.told();
    assert!(!told.contains(['\u{1b}', '\u{7}']), "{told}");
    assert!(told.contains("\\u{1b}[2Jname\nfirst\nsecond\n"), "{told}");
    assert!(
        told.contains("\\u{1b}]0;owned") && told.len() < 10_000,
        "{}",
        told.len()
    );
    // After a break only the code is asked for: it is another each time.
    let person = Person::who_says(&["4711"]);
    way.arrive(&credentials, &person).await;
    assert_eq!(person.asked(), [code]);
    // A password given beforehand answers the hidden question, and nothing else.
    let person = Person::who_says(&["4711"]);
    let given = Credentials::new(Some(Secret::new("sesame".to_owned())));
    way.arrive(&given, &person).await;
    assert_eq!(person.asked(), [code]);
}

#[tokio::test]
async fn questions_without_end_are_ended() {
    let way = way_to(Quiz {
        rounds: ROUNDS,
        endless: true,
        at: 0,
    })
    .await;
    let answers: Vec<&str> = ["sesame", "4711"].into_iter().cycle().take(100).collect();
    let person = Person::who_says(&answers);
    let (error, words) = way.fail(&Credentials::default(), &person).await;
    assert!(
        matches!(error, ConnectError::SignIn(SignInError::Broken { .. })),
        "{words}"
    );
    assert_eq!(person.asked().len(), 16);
}
