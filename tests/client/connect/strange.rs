//! Servers that ask several rounds of questions, or endless ones, or for a new password, or send escape sequences for the
//! terminal.

use std::borrow::Cow;
use std::sync::Arc;

use base::secret::Secret;
use homeport::connect::{ConnectError, Credentials, SignInError};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, Config, Handler, Response, Session};
use russh::{Channel, MethodKind, MethodSet, server};
use tokio::net::TcpListener;

use crate::client::connect::prompts::ScriptedPrompts;
use crate::client::connect::{Connector, keygen};

/// A server that asks one question in each round: the prompt, whether to echo, and the expected answer.
#[derive(Clone)]
struct Questions {
    rounds: &'static [(&'static str, bool, &'static str)],
    /// Whether the rounds start again after the last one.
    endless: bool,
    at: usize,
}

impl Handler for Questions {
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

/// A server on which the password has expired: it takes only one as the new one.
#[derive(Clone)]
struct ExpiredPassword;

impl Handler for ExpiredPassword {
    type Error = russh::Error;

    async fn auth_password(&mut self, _user: &str, password: &[u8]) -> Result<Auth, Self::Error> {
        Ok(match password {
            b"old" => Auth::PasswordExpired {
                prompt: Cow::Borrowed("\u{1b}[2Jexpired\u{7}\nchoose"),
            },
            b"better" => Auth::Accept,
            _ => refused(),
        })
    }

    async fn auth_password_change(
        &mut self,
        _user: &str,
        old: &[u8],
        new: &[u8],
    ) -> Result<Auth, Self::Error> {
        assert_eq!(old, b"old");
        Ok(match new {
            b"better" => Auth::Accept,
            b"never" => refused(),
            _ => Auth::PasswordExpired {
                prompt: Cow::Borrowed("too short"),
            },
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

fn refused() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(MethodSet::from(&[MethodKind::Password][..])),
        partial_success: false,
    }
}

/// Starts a server in this process, and returns a connector to it, which signs in by this method.
async fn serve<H>(handler: H, method: &str) -> Connector
where
    H: Handler<Error = russh::Error> + Clone + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connector = Connector::new(
        "tom",
        listener.local_addr().unwrap().port(),
        &format!("PreferredAuthentications {method}\n"),
    );
    let key = connector.home.path().join("host");
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
            let (config, handler) = (Arc::clone(&config), handler.clone());
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, stream, handler).await {
                    let _ = session.await;
                }
            });
        }
    });
    connector
}

const ROUNDS: &[(&str, bool, &str)] = &[
    ("Password: ", false, "sesame"),
    ("Code\u{1b}[31m\n: ", true, "4711"),
];

#[tokio::test]
async fn rounds_are_answered_one_by_one_and_shown_escaped() {
    let questions = Questions {
        rounds: ROUNDS,
        endless: false,
        at: 0,
    };
    let connector = serve(questions, "keyboard-interactive").await;
    let prompts = ScriptedPrompts::with_answers(&["wrong", "sesame", "4711"]);
    let credentials = Credentials::default();
    connector.connect_ok(&credentials, &prompts).await;
    let password = "(tom@127.0.0.1) Password: ";
    let code = "(tom@127.0.0.1) Code\\u{1b}[31m\\n: ";
    assert_eq!(prompts.labels(), [password, password, code]);
    let messages = prompts.messages();
    assert!(!messages.contains(['\u{1b}', '\u{7}']), "{messages}");
    assert!(messages.contains("\\u{1b}[2Jname\nfirst\nsecond\n"), "{messages}");
    assert!(
        messages.contains("\\u{1b}]0;owned") && messages.len() < 10_000,
        "{}",
        messages.len()
    );
    // On a new connection only the code is asked for, because it differs each time.
    let prompts = ScriptedPrompts::with_answers(&["4711"]);
    connector.connect_ok(&credentials, &prompts).await;
    assert_eq!(prompts.labels(), [code]);
    // A password that was supplied in advance answers the hidden question, and nothing else.
    let prompts = ScriptedPrompts::with_answers(&["4711"]);
    let given = Credentials::new(Some(Secret::new("sesame".to_owned())));
    connector.connect_ok(&given, &prompts).await;
    assert_eq!(prompts.labels(), [code]);
}

#[tokio::test]
async fn endless_questions_end_with_an_error() {
    let questions = Questions {
        rounds: ROUNDS,
        endless: true,
        at: 0,
    };
    let connector = serve(questions, "keyboard-interactive").await;
    let answers: Vec<&str> = ["sesame", "4711"].into_iter().cycle().take(100).collect();
    let prompts = ScriptedPrompts::with_answers(&answers);
    let (error, words) = connector.connect_err(&Credentials::default(), &prompts).await;
    assert!(
        matches!(error, ConnectError::SignIn(SignInError::Broken { .. })),
        "{words}"
    );
    assert_eq!(prompts.labels().len(), 16);
}

#[tokio::test]
async fn a_new_password_is_asked_for_twice_after_the_words_of_the_server() {
    let connector = serve(ExpiredPassword, "password").await;
    let typed = ["old", "short", "short", "better", "butter", "better", "better"];
    let prompts = ScriptedPrompts::with_answers(&typed);
    let credentials = Credentials::default();
    connector.connect_ok(&credentials, &prompts).await;
    let (new, again) = (
        "tom@127.0.0.1's new password: ",
        "tom@127.0.0.1's new password again: ",
    );
    let expected = ["tom@127.0.0.1's password: ", new, again, new, again, new, again];
    assert_eq!(prompts.labels(), expected);
    let messages = prompts.messages();
    assert!(!messages.contains(['\u{1b}', '\u{7}']), "{messages}");
    let mut rest = messages.as_str();
    for part in [
        "The password of tom at 127.0.0.1 has expired.",
        "\\u{1b}[2Jexpired\\u{7}\nchoose\n",
        "too short",
        "The two passwords differ.",
        "The password was changed.",
    ] {
        let at = rest
            .find(part)
            .unwrap_or_else(|| panic!("{part:?} in its order: {messages}"));
        rest = &rest[at + part.len()..];
    }
    // The new password is kept for the next connection.
    let no_prompts = ScriptedPrompts::without_answers();
    connector.connect_ok(&credentials, &no_prompts).await;
    assert_eq!(no_prompts.labels(), [""; 0]);
}

#[tokio::test]
async fn a_change_that_the_server_refuses_is_reported() {
    let connector = serve(ExpiredPassword, "password").await;
    let prompts = ScriptedPrompts::with_answers(&["old", "never", "never", "better"]);
    connector.connect_ok(&Credentials::default(), &prompts).await;
    let messages = prompts.messages();
    assert!(messages.contains("The password was not changed."), "{messages}");
}

#[tokio::test]
async fn without_a_user_an_expired_password_is_an_error_that_says_so() {
    let connector = serve(ExpiredPassword, "password").await;
    let given = Credentials::new(Some(Secret::new("old".to_owned())));
    let nobody = ScriptedPrompts::unattended();
    let (error, words) = connector.connect_err(&given, &nobody).await;
    assert!(
        matches!(error, ConnectError::SignIn(SignInError::PasswordExpired(_))),
        "{words}"
    );
    assert_eq!((error.exit_code(), error.may_pass()), (3, false));
    let expected = "the password has expired (hint: sign in from a terminal to choose a new one";
    assert!(words.contains(expected), "{words}");
    assert_eq!(nobody.labels(), [""; 0]);
}
